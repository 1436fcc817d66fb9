"""Take an order's pieces from stock, once for each order and SKU."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients
from orders.retention import RETENTION_SECONDS
from orders.tables import stock_key

RECORDS = DynamoDBPersistenceLayer(os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
ONCE = IdempotencyConfig(
    event_key_jmespath="[order_id, sku]", raise_on_no_idempotency_key=True, expires_after_seconds=RETENTION_SECONDS
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"order_id", "customer_id", "lines": [{"sku", "quantity"}]}` in; out `{"reserved": true}`."""
    ONCE.register_lambda_context(context)
    for line in event["lines"]:
        take(line={"order_id": event["order_id"], **line})
    return {"reserved": True}


@idempotent_function(data_keyword_argument="line", persistence_store=RECORDS, config=ONCE)  # type: ignore[untyped-decorator]
def take(line: dict[str, Any]) -> None:
    """Lower the SKU's counter. Raises when there is too little."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(line["sku"]),
        UpdateExpression="SET available = available - :quantity",
        ConditionExpression="available >= :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(line["quantity"])}},
    )
