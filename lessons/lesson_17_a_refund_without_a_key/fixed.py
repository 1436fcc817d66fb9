"""Pay back what a return is worth, once, and never more than was captured: the intent before, the key of the return,
the outcome after.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

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
    status, begun = intend(wanted, charge.amount - wanted.amount)
    if status is None:
        raise Unrecoverable("more would be given back than was captured")
    if status == RefundStatus.REFUNDING:
        settle(wanted, refund(wanted) if begun else find_or_refund(wanted))
    return {"refunded": wanted.amount}


def read(order_id: str) -> Payment:
    """An order's payment, with what was paid back of it."""
    answer = clients.dynamodb().get_item(
        TableName=os.environ["PAYMENTS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    return payment_from(answer["Item"])


def intend(wanted: RefundRequest, room: int) -> tuple[RefundStatus | None, bool]:
    """Write that the provider is about to be asked, and add to the sum, where no more than `room` was paid back before.
    Answers the refund's status, None where there was no room for it, and whether this call has begun it.
    """
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Key=order_key(wanted.order_id),
            UpdateExpression="SET #refund = :refund, refunded = refunded + :amount",
            ConditionExpression="attribute_not_exists(#refund) AND refunded <= :room",
            ExpressionAttributeNames={"#refund": refund_attribute(wanted.return_id)},
            ExpressionAttributeValues={
                ":refund": {"M": {"status": {"S": RefundStatus.REFUNDING}, "amount": {"N": str(wanted.amount)}}},
                ":amount": {"N": str(wanted.amount)},
                ":room": {"N": str(room)},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        payment = payment_from(stands.response["Item"])  # type: ignore[typeddict-item]
        found = [refund.status for refund in payment.refunds if refund.return_id == wanted.return_id]
        return found[0] if found else None, False
    return RefundStatus.REFUNDING, True


def find_or_refund(wanted: RefundRequest) -> str:
    """Go on from an earlier attempt: it may have been made so long ago that the provider has forgotten its key."""
    return gateway().find_refund(wanted) or refund(wanted)


def refund(wanted: RefundRequest) -> str:
    """Have the provider pay it back; answers its reference. However often this is called, it is the same refund."""
    return gateway().refund(f"{wanted.order_id}:{wanted.return_id}:refund", wanted)


def settle(made: RefundRequest, reference: str) -> None:
    """Write the outcome, unless another attempt has."""
    with suppress(clients.dynamodb().exceptions.ConditionalCheckFailedException):
        clients.dynamodb().update_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Key=order_key(made.order_id),
            UpdateExpression="SET #refund.#status = :refunded, #refund.provider_reference = :reference",
            ConditionExpression="#refund.#status = :refunding",
            ExpressionAttributeNames={"#refund": refund_attribute(made.return_id), "#status": "status"},
            ExpressionAttributeValues={
                ":refunded": {"S": RefundStatus.REFUNDED},
                ":reference": {"S": reference},
                ":refunding": {"S": RefundStatus.REFUNDING},
            },
        )
