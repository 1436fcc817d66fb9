"""Hold an order's money, take it, or give it back.

Pattern: intent before, provider idempotency key, outcome after. The Payments item says AUTHORIZING before the provider
is asked, so that no hold can exist that nobody knows of. The provider's keys are functions of the order, so an attempt
that may or may not have happened is repeated, never made anew. The outcome is written on the condition that the item
is still where this attempt found it.

What an ambiguous attempt did is settled by asking: by the order's id, because a key is forgotten after a day, and with
the key, because a search may lag by a minute. So a void that finds AUTHORIZING *completes* the authorization and then
cancels it: from then on a late copy of the attempt gets the provider's old answer and can't make a new hold.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from orders import clients
from orders.errors import Unrecoverable
from orders.log import logger
from orders.retention import RETENTION_SECONDS
from payment.gateway import Charge, Gateway, GatewayRefused, Intent


@dataclass(frozen=True)
class Payment:
    """The Payments item. `status` is AUTHORIZING, AUTHORIZED, CAPTURED, DECLINED or VOIDED."""

    status: str
    charge: Charge
    provider_reference: str
    reason: str


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "authorize", "order_id", "amount", "currency", "payment_method"}`,
    `{"action": "capture", "order_id"}` or `{"action": "void", "order_id", "reason"}`.

    Answers `{"held": true}`, or `{"held": false, "reason"}` for what the business expects to happen. Raises
    GatewayUnavailable when the provider can't say; Unrecoverable when it says what the protocol rules out.
    """
    order_id = event["order_id"]
    try:
        match event["action"]:
            case "authorize":
                charge = Charge(order_id, event["amount"], event["currency"], event["payment_method"])
                refusal = authorize(charge, gateway())
            case "capture":
                capture(order_id, gateway())
                refusal = None
            case "void":
                refusal = void(order_id, event["reason"], gateway())
            case action:
                raise ValueError(f"unknown action {action}")
    except GatewayRefused as refused:
        raise Unrecoverable(f"the provider refused: {refused}") from None
    logger.info(event["action"], order_id=order_id, refusal=refusal)
    return {"held": False, "reason": refusal} if refusal else {"held": True}


@cache
def gateway() -> Gateway:
    """Stripe when the stack was deployed with its key, else the simulated provider."""
    if os.environ.get("STRIPE_SECRET_ARN"):
        from payment.stripe_gateway import StripeGateway  # large, so imported only where it is used

        return StripeGateway()
    from payment.simulated import SimulatedGateway

    return SimulatedGateway()


def authorize(charge: Charge, provider: Gateway) -> str | None:
    """Hold the order's money. Answers None when it is held, else why not: PAYMENT_DECLINED, ORDER_CHANGED, or the
    reason for which the order was cancelled before this call came.
    """
    earlier = _intend(charge)
    if earlier:
        if earlier.status == "VOIDED":
            return earlier.reason
        if earlier.charge != charge:
            return "ORDER_CHANGED"
        if earlier.status != "AUTHORIZING":
            return _refusal(earlier)
    # An earlier attempt died half-way: its hold, if there is one, may be older than the provider's memory of the key.
    intent = (provider.find(charge.order_id) if earlier else None) or provider.authorize(_key(charge), charge)
    if intent.status == "canceled":
        # A void is under way and has not written its outcome yet: the hold is gone for good.
        return "PAYMENT_VOIDED"
    outcome = "DECLINED" if intent.status == "requires_payment_method" else "AUTHORIZED"
    now = _settle(charge.order_id, outcome, ("AUTHORIZING",), intent.reference)
    if now.status == "VOIDED":
        # The cancel came between our intent and our hold. It could not see the hold, so it is ours to give back.
        _give_back(now, intent, provider)
    return _refusal(now)


def capture(order_id: str, provider: Gateway) -> None:
    """Take the whole of what is held. Raises Unrecoverable when nothing is."""
    payment = _read(order_id)
    if payment and payment.status == "CAPTURED":
        return
    if payment is None or payment.status != "AUTHORIZED":
        raise Unrecoverable(f"cannot capture a payment that is {payment.status if payment else 'missing'}")
    intent = provider.capture(f"{order_id}:capture", payment.provider_reference)
    if (intent.status, intent.amount) != ("succeeded", payment.charge.amount):
        raise Unrecoverable("the provider did not take the whole amount")
    now = _settle(order_id, "CAPTURED", ("AUTHORIZED",), payment.provider_reference)
    if now.status != "CAPTURED":
        raise Unrecoverable(f"captured a payment that has become {now.status}")


def void(order_id: str, reason: str, provider: Gateway) -> str:
    """Give back what is held, or forbid a hold that has not come yet. Answers the reason that now stands.

    Raises Unrecoverable for a payment that was captured.
    """
    payment = _forbid(order_id, reason)
    if payment is None:
        return reason
    if payment.status == "CAPTURED":
        raise Unrecoverable("cannot void a captured payment")
    if payment.status == "VOIDED":
        return payment.reason
    if payment.status == "DECLINED":
        return "PAYMENT_DECLINED"
    if payment.status == "AUTHORIZED":
        reference = provider.cancel(f"{order_id}:cancel", payment.provider_reference).reference
    else:
        charge = payment.charge
        intent = provider.find(order_id) or provider.authorize(_key(charge), charge)
        reference = intent.reference
        _give_back(payment, intent, provider)
    now = _settle(order_id, "VOIDED", ("AUTHORIZING", "AUTHORIZED"), reference, reason)
    if now.status == "CAPTURED":
        raise Unrecoverable("voided a payment that was captured meanwhile")
    return _refusal(now) or reason


def _key(charge: Charge) -> str:
    return f"{charge.order_id}:authorize"


def _give_back(payment: Payment, intent: Intent, provider: Gateway) -> None:
    # Money that was taken, by hand for instance, can't be given back like this: the provider refuses, a person looks.
    if intent.status in ("requires_capture", "succeeded"):
        provider.cancel(f"{payment.charge.order_id}:cancel", intent.reference)


def _refusal(payment: Payment) -> str | None:
    match payment.status:
        case "AUTHORIZED" | "CAPTURED":
            return None
        case "DECLINED":
            return "PAYMENT_DECLINED"
        case _:
            return payment.reason


def _intend(charge: Charge) -> Payment | None:
    """Write that the provider is about to be asked; answers the payment that is there already, if one is."""
    return _create(
        charge.order_id,
        {
            "status": {"S": "AUTHORIZING"},
            "amount": {"N": str(charge.amount)},
            "currency": {"S": charge.currency},
            "payment_method": {"S": charge.payment_method},
        },
    )


def _forbid(order_id: str, reason: str) -> Payment | None:
    """Leave a tombstone where there is no payment; answers the payment that is there already, if one is."""
    expires_at = int(time.time()) + RETENTION_SECONDS
    return _create(order_id, {"status": {"S": "VOIDED"}, "reason": {"S": reason}, "expires_at": {"N": str(expires_at)}})


def _create(order_id: str, attributes: dict[str, Any]) -> Payment | None:
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Item={"order_id": {"S": order_id}, **attributes},
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
        return _payment(error.response["Item"])  # type: ignore[typeddict-item]
    return None


def _settle(order_id: str, status: str, expected: tuple[str, ...], reference: str, reason: str = "") -> Payment:
    """Write an attempt's outcome if the payment is still as expected; answers the payment as it is afterwards."""
    assignments = {"status": status, "provider_reference": reference, "reason": reason}
    values = {f":{name}": {"S": value} for name, value in assignments.items()}
    conditions = {f":expected{n}": {"S": was} for n, was in enumerate(expected)}
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Key={"order_id": {"S": order_id}},
            UpdateExpression="SET #status = :status, provider_reference = :provider_reference, reason = :reason",
            ConditionExpression=f"#status IN ({', '.join(conditions)})",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=values | conditions,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
        return _payment(error.response["Item"])  # type: ignore[typeddict-item]
    return _payment(answer["Attributes"])


def _read(order_id: str) -> Payment | None:
    answer = clients.dynamodb().get_item(
        TableName=os.environ["PAYMENTS_TABLE"], Key={"order_id": {"S": order_id}}, ConsistentRead=True
    )
    return _payment(answer["Item"]) if "Item" in answer else None


def _payment(item: dict[str, Any]) -> Payment:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    charge = Charge(
        order_id=text("order_id"),
        amount=int(item.get("amount", {}).get("N", 0)),
        currency=text("currency"),
        payment_method=text("payment_method"),
    )
    return Payment(text("status"), charge, text("provider_reference"), text("reason"))
