"""Hold an order's money, or give it back."""

from __future__ import annotations

import os
from typing import Any

from orders import clients
from payment.app import gateway
from payment.gateway import Charge


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "authorize", "order_id", "amount", "currency", "payment_method"}` or
    `{"action": "void", "order_id"}`. Answers the payment's `status`.
    """
    order_id = event["order_id"]
    if event["action"] == "void":
        return {"status": void(order_id)}
    return {"status": authorize(Charge(order_id, event["amount"], event["currency"], event["payment_method"]))}


def authorize(charge: Charge) -> str:
    """Hold the money, unless the payment was voided."""
    if write(charge.order_id, "AUTHORIZING") == "VOIDED":
        return "VOIDED"
    gateway().authorize(f"{charge.order_id}:authorize", charge)
    return write(charge.order_id, "AUTHORIZED")


def void(order_id: str) -> str:
    """Give back what is held."""
    intent = gateway().find(order_id)
    if intent is None:
        return "NOTHING_TO_VOID"
    gateway().cancel(f"{order_id}:cancel", intent.reference)
    return write(order_id, "VOIDED")


def write(order_id: str, status: str) -> str:
    """Set the payment's status, unless it is VOIDED, which is final. Answers the status as it is now."""
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Key={"order_id": {"S": order_id}},
            UpdateExpression="SET #status = :status",
            ConditionExpression="attribute_not_exists(order_id) OR #status <> :final",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}, ":final": {"S": "VOIDED"}},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return "VOIDED"
    return status
