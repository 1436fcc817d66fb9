"""Pay back what a return is worth, once, and never more than was captured."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from aws import clients
from orders import Payment, RefundStatus
from orders.errors import Unrecoverable
from orders.tables import order_key, payment_from, refund_attribute
from payment.app import gateway
from payment.gateway import RefundRequest


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "return_id", "amount"}` in, the amount in minor units; out `{"refunded": amount}`. Raises
    Unrecoverable for more than is left of what was captured.
    """
    payment = read(event["order_id"])
    charge = payment.charge
    wanted = RefundRequest(
        charge.order_id, event["return_id"], payment.provider_reference, event["amount"], charge.currency
    )
    if any(refund.return_id == wanted.return_id for refund in payment.refunds):
        return {"refunded": wanted.amount}
    refunded = payment.refunded + wanted.amount
    if refunded > charge.amount:
        raise Unrecoverable("more would be given back than was captured")
    reference = gateway().refund(str(uuid4()), wanted)
    write(wanted, reference, refunded)
    return {"refunded": wanted.amount}


def read(order_id: str) -> Payment:
    """An order's payment, with what was paid back of it."""
    answer = clients.dynamodb().get_item(
        TableName=os.environ["PAYMENTS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    return payment_from(answer["Item"])


def write(made: RefundRequest, reference: str, refunded: int) -> None:
    """Keep a refund, and the sum of all there are by now."""
    clients.dynamodb().update_item(
        TableName=os.environ["PAYMENTS_TABLE"],
        Key=order_key(made.order_id),
        UpdateExpression="SET #refund = :refund, refunded = :refunded",
        ExpressionAttributeNames={"#refund": refund_attribute(made.return_id)},
        ExpressionAttributeValues={
            ":refund": {
                "M": {
                    "status": {"S": RefundStatus.REFUNDED},
                    "amount": {"N": str(made.amount)},
                    "provider_reference": {"S": reference},
                }
            },
            ":refunded": {"N": str(refunded)},
        },
    )
