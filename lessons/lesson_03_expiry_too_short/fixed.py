"""Take an order's pieces from stock, once for each order, however late it is delivered again."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients
from orders.retention import RETENTION_SECONDS
from orders.tables import stock_key

RECORDS = DynamoDBPersistenceLayer(os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
ONCE = IdempotencyConfig(
    event_key_jmespath="order_id", raise_on_no_idempotency_key=True, expires_after_seconds=RETENTION_SECONDS
)


@idempotent(persistence_store=RECORDS, config=ONCE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reserved": true}`. Raises when there is too little."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(event["sku"]),
        UpdateExpression="SET available = available - :quantity",
        ConditionExpression="available >= :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(event["quantity"])}},
    )
    return {"reserved": True}
