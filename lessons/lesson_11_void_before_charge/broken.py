"""Hold an order's money, or give it back."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders import Charge
from payment.app import gateway


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "authorize" or "void", "order_id", "amount", "currency", "payment_method", "asked_at"}`; the last is
    when the hold was asked for, in seconds since 1970. Answers the payment's `status`.
    """
    charge = Charge(event["order_id"], event["amount"], event["currency"], event["payment_method"])
    if event["action"] == "void":
        return {"status": void(charge, event["asked_at"])}
    return {"status": authorize(charge)}


def authorize(charge: Charge) -> str:
    """Hold the money, unless the payment was voided."""
    if write(charge.order_id, "AUTHORIZING") == "VOIDED":
        return "VOIDED"
    gateway().authorize(f"{charge.order_id}:authorize", charge)
    return write(charge.order_id, "AUTHORIZED")


def void(charge: Charge, asked_at: int) -> str:
    """Give back what is held."""
    intent = gateway().find(charge, asked_at)
    if intent is None:
        return "NOTHING_TO_VOID"
    gateway().cancel(f"{intent.reference}:cancel", intent.reference)
    return write(charge.order_id, "VOIDED")


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
