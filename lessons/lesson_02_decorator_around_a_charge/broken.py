"""Hold the order's money and keep the provider's reference, once for each order."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients
from orders import Charge
from orders.retention import RETENTION_SECONDS
from payment.app import gateway

RECORDS = DynamoDBPersistenceLayer(os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
ONCE = IdempotencyConfig(
    event_key_jmespath="order_id", raise_on_no_idempotency_key=True, expires_after_seconds=RETENTION_SECONDS
)


@idempotent(persistence_store=RECORDS, config=ONCE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"order_id", "amount", "currency", "payment_method"}` in, the amount in minor units; out `{"held": true}`."""
    charge = Charge(event["order_id"], event["amount"], event["currency"], event["payment_method"])
    intent = gateway().authorize(str(uuid4()), charge)
    clients.dynamodb().put_item(
        TableName=os.environ["PAYMENTS_TABLE"],
        Item={
            "order_id": {"S": charge.order_id},
            "status": {"S": "AUTHORIZED"},
            "amount": {"N": str(charge.amount)},
            "currency": {"S": charge.currency},
            "provider_reference": {"S": intent.reference},
        },
    )
    return {"held": True}
