"""POST /reservations: take pieces from stock, once for each `Idempotency-Key` of the client, and not without one."""

from __future__ import annotations

import json
import os
from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients
from orders.tables import stock_key

RECORDS = DynamoDBPersistenceLayer(os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
ONCE = IdempotencyConfig(
    # A REST API hands headers over as the client wrote them.
    event_key_jmespath='headers."idempotency-key" || headers."Idempotency-Key"',
    raise_on_no_idempotency_key=True,
    expires_after_seconds=24 * 60 * 60,
)


@idempotent(persistence_store=RECORDS, config=ONCE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request from API Gateway with `{"sku", "quantity"}` as its body; answers 201."""
    wanted = json.loads(event["body"])
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(wanted["sku"]),
        UpdateExpression="SET available = available - :quantity",
        ConditionExpression="available >= :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(wanted["quantity"])}},
    )
    return {"statusCode": 201}
