"""Take an order's pieces from stock, once for each order, and leave it to whoever is at it already."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients
from orders.retention import RETENTION_SECONDS
from orders.tables import stock_key

logger = Logger()
RECORDS = DynamoDBPersistenceLayer(os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
ONCE = IdempotencyConfig(
    event_key_jmespath="order_id", raise_on_no_idempotency_key=True, expires_after_seconds=RETENTION_SECONDS
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"handled": true}`. Raises when there is too little."""
    ONCE.register_lambda_context(context)
    try:
        reserve(order=event)
    except IdempotencyAlreadyInProgressError:
        logger.info("another invocation is at it", order_id=event["order_id"])
    return {"handled": True}


@idempotent_function(data_keyword_argument="order", persistence_store=RECORDS, config=ONCE)  # type: ignore[untyped-decorator]
def reserve(order: dict[str, Any]) -> None:
    """Lower the SKU's counter."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(order["sku"]),
        UpdateExpression="SET available = available - :quantity",
        ConditionExpression="available >= :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(order["quantity"])}},
    )
