"""Hold an order's money, take it, or give it back. What was taken is given back in refunds.py.

Pattern: intent before, provider idempotency key, outcome after. The Payments item says AUTHORIZING before the provider
is asked, so that no hold can exist that nobody knows of. The provider's keys are functions of the order, so an attempt
that may or may not have happened is repeated, never made anew. The outcome is written on the condition that the item
is still where this attempt found it.

What an ambiguous attempt did is settled by asking: by the order's id, because a key is forgotten after a day, and with
the key, because the first request may still be on its way. So a void that finds AUTHORIZING *completes* the
authorization and then cancels it: from then on a late copy of the attempt gets the provider's old answer and can't make
a new hold. A provider that refuses an attempt has held nothing, so a refusal settles it as well.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from aws import clients, logger
from orders import Charge, Payment, PaymentStatus, Reason
from orders.errors import Unrecoverable
from orders.retention import RETENTION_SECONDS
from orders.tables import order_key, payment_from
from payment import refunds
from payment.gateway import ASKING_SECONDS, Gateway, GatewayRefused, Intent


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "authorize", "order_id", "amount", "currency", "payment_method"}`,
    `{"action": "capture", "order_id"}`, `{"action": "void", "order_id", "reason"}` or
    `{"action": "refund", "order_id", "return_id", "amount"}`, without an amount for all that was taken. A void takes an
    `intent` as well, which the provider holds for this order and no record here knows of.

    An authorize answers `{"held": true}`, or `{"held": false, "reason"}` for what the business expects to happen; a
    capture `{"captured": true}`; a void `{"voided": true, "reason"}` with the reason that stands; a refund
    `{"refunded", "at", "currency"}`. Raises GatewayUnavailable when the provider can't say; refunds.PaymentOutstanding;
    Unrecoverable when it says what the protocol rules out.
    """
    order_id = event["order_id"]
    answer: dict[str, Any]
    try:
        match event["action"]:
            case "authorize":
                charge = Charge(order_id, event["amount"], event["currency"], event["payment_method"])
                refusal = authorize(charge, gateway())
                answer = {"held": False, "reason": refusal} if refusal else {"held": True}
                done = "refused" if refusal else "authorized"
            case "capture":
                capture(order_id, gateway())
                answer = {"captured": True}
                done = "captured"
            case "void":
                answer = {"voided": True, "reason": void(order_id, event["reason"], gateway())}
                if "intent" in event:
                    void_stray(event["intent"], gateway())
                done = "voided"
            case "refund":
                answer = refunds.refund(_read(order_id), event["return_id"], event.get("amount"), gateway())
                done = "refunded" if answer["refunded"] else "nothing to refund"
            case action:
                raise ValueError(f"unknown action {action}")
    except GatewayRefused as refused:
        raise Unrecoverable(f"the provider refused: {refused}") from None
    of = {"return_id": event["return_id"]} if "return_id" in event else {}
    logger.info(done, order_id=order_id, reason=answer.get("reason"), **of)
    return answer


@cache
def gateway() -> Gateway:
    """Stripe when the stack was deployed with its key, else the simulated provider."""
    if os.environ.get("STRIPE_SECRET_ARN"):
        from payment.stripe_gateway import StripeGateway  # large, so imported only where it is used

        return StripeGateway()
    from payment.simulated import SimulatedGateway

    return SimulatedGateway()


def authorize(charge: Charge, provider: Gateway) -> str | None:
    """Hold the order's money. Answers None when it is held, else why not: PAYMENT_DECLINED (by the card's bank),
    PAYMENT_REFUSED (by the provider), ORDER_CHANGED, or the reason for which the order was cancelled before this call.
    """
    earlier = _intend(charge)
    if earlier:
        if earlier.status == PaymentStatus.VOIDED:
            return earlier.reason
        if earlier.charge != charge:
            return Reason.ORDER_CHANGED
        if earlier.status != PaymentStatus.AUTHORIZING:
            return _refusal(earlier)
    try:
        intent = _ask(charge, earlier, provider)
    except GatewayRefused as refused:
        logger.warning("charge refused", order_id=charge.order_id, code=str(refused))
        return _refusal(
            _settle(
                charge.order_id, PaymentStatus.DECLINED, (PaymentStatus.AUTHORIZING,), reason=Reason.PAYMENT_REFUSED
            )
        )
    if intent.status == "canceled":
        # A void is under way and has not written its outcome yet: the hold is gone for good.
        return Reason.PAYMENT_VOIDED
    if intent.status == "requires_payment_method":
        return _refusal(
            _settle(
                charge.order_id,
                PaymentStatus.DECLINED,
                (PaymentStatus.AUTHORIZING,),
                intent.reference,
                Reason.PAYMENT_DECLINED,
            )
        )
    now = _settle(charge.order_id, PaymentStatus.AUTHORIZED, (PaymentStatus.AUTHORIZING,), intent.reference)
    if now.provider_reference != intent.reference:
        # Another call settled the payment between our intent and our hold. It could not see the hold, so it is ours to
        # give back.
        _give_back(intent, provider)
    return _refusal(now)


def capture(order_id: str, provider: Gateway) -> None:
    """Take the whole of what is held. Raises Unrecoverable when nothing is."""
    payment = _read(order_id)
    if payment and payment.status == PaymentStatus.CAPTURED:
        return
    if payment is None or payment.status != PaymentStatus.AUTHORIZED:
        raise Unrecoverable(f"cannot capture a payment that is {payment.status if payment else 'missing'}")
    intent = provider.capture(f"{payment.provider_reference}:capture", payment.provider_reference)
    if (intent.status, intent.amount) != ("succeeded", payment.charge.amount):
        raise Unrecoverable("the provider did not take the whole amount")
    now = _settle(order_id, PaymentStatus.CAPTURED, (PaymentStatus.AUTHORIZED,), payment.provider_reference)
    if now.status != PaymentStatus.CAPTURED:
        raise Unrecoverable(f"captured a payment that has become {now.status}")


def void(order_id: str, reason: str, provider: Gateway) -> str:
    """Give back what is held, or forbid a hold that has not come yet. Answers the reason that now stands.

    Raises Unrecoverable for a payment that was captured.
    """
    payment = _forbid(order_id, reason)
    if payment is None:
        return reason
    if payment.status == PaymentStatus.CAPTURED:
        raise Unrecoverable("cannot void a captured payment")
    if payment.status == PaymentStatus.VOIDED:
        return payment.reason
    if payment.status == PaymentStatus.DECLINED:
        return payment.reason
    if payment.status == PaymentStatus.AUTHORIZED:
        reference = provider.cancel(_cancel_key(payment.provider_reference), payment.provider_reference).reference
    else:
        reference = _end(payment, provider)
    now = _settle(
        order_id, PaymentStatus.VOIDED, (PaymentStatus.AUTHORIZING, PaymentStatus.AUTHORIZED), reference, reason
    )
    if now.status == PaymentStatus.CAPTURED:
        raise Unrecoverable("voided a payment that was captured meanwhile")
    return _refusal(now) or reason


def void_stray(reference: str, provider: Gateway) -> None:
    """Give back a hold that the provider's books know and ours don't. Its order is voided first: after that no capture
    can come. The key is the one that a void has for this hold, so should it be the order's own, nothing happens twice.
    """
    provider.cancel(_cancel_key(reference), reference)


def _ask(charge: Charge, earlier: Payment | None, provider: Gateway) -> Intent:
    """Ask the provider for the hold. After an attempt that died half-way (`earlier`), ask first what came of it: its
    hold, if there is one, may be older than the provider's memory of the key.
    """
    if earlier:
        if found := provider.find(charge, earlier.asked_at):
            return found
        _keep_asking(earlier)
    return provider.authorize(_authorize_key(charge), charge)


def _keep_asking(earlier: Payment) -> None:
    """Write down a new `asked_at` if the old one is too long ago for what is asked for now to be looked for around it.

    Should another call settle the payment at this moment, the condition fails, and the workflow's next attempt finds
    what that call wrote.
    """
    now = int(time.time())
    if now - earlier.asked_at <= ASKING_SECONDS:
        return
    clients.dynamodb().update_item(
        TableName=os.environ["PAYMENTS_TABLE"],
        Key=order_key(earlier.charge.order_id),
        UpdateExpression="SET asked_at = :now",
        ConditionExpression="#status = :authorizing",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":now": {"N": str(now)}, ":authorizing": {"S": PaymentStatus.AUTHORIZING}},
    )


def _end(payment: Payment, provider: Gateway) -> str:
    """Complete an attempt that died half-way and give back what it holds. Answers its reference, which is empty when
    the provider refuses the charge: then there is nothing to give back.
    """
    try:
        intent = _ask(payment.charge, payment, provider)
    except GatewayRefused as refused:
        logger.warning("charge refused", order_id=payment.charge.order_id, code=str(refused))
        return ""
    _give_back(intent, provider)
    return intent.reference


def _give_back(intent: Intent, provider: Gateway) -> None:
    # Money that was taken, by hand for instance, can't be given back like this: the provider refuses, a person looks.
    if intent.status in ("requires_capture", "succeeded"):
        provider.cancel(_cancel_key(intent.reference), intent.reference)


def _authorize_key(charge: Charge) -> str:
    return f"{charge.order_id}:authorize"


def _cancel_key(reference: str) -> str:
    # Of the intent and not of the order: should an order have two holds, one key can't cancel both.
    return f"{reference}:cancel"


def _refusal(payment: Payment) -> str | None:
    return None if payment.status in (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED) else payment.reason


def _intend(charge: Charge) -> Payment | None:
    """Write that the provider is about to be asked; answers the payment that is there already, if one is."""
    return _create(
        charge.order_id,
        {
            "status": {"S": PaymentStatus.AUTHORIZING},
            "amount": {"N": str(charge.amount)},
            "currency": {"S": charge.currency},
            "payment_method": {"S": charge.payment_method},
            "asked_at": {"N": str(int(time.time()))},
        },
    )


def _forbid(order_id: str, reason: str) -> Payment | None:
    """Leave a tombstone where there is no payment; answers the payment that is there already, if one is."""
    expires_at = int(time.time()) + RETENTION_SECONDS
    return _create(
        order_id, {"status": {"S": PaymentStatus.VOIDED}, "reason": {"S": reason}, "expires_at": {"N": str(expires_at)}}
    )


def _create(order_id: str, attributes: dict[str, Any]) -> Payment | None:
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Item=order_key(order_id) | attributes,
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
        return payment_from(error.response["Item"])  # type: ignore[typeddict-item]
    return None


def _settle(order_id: str, status: str, expected: tuple[str, ...], reference: str = "", reason: str = "") -> Payment:
    """Write an attempt's outcome if the payment is still as expected; answers the payment as it is afterwards."""
    assignments = {"status": status, "provider_reference": reference, "reason": reason}
    values = {f":{name}": {"S": value} for name, value in assignments.items()}
    conditions = {f":expected{n}": {"S": was} for n, was in enumerate(expected)}
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["PAYMENTS_TABLE"],
            Key=order_key(order_id),
            UpdateExpression="SET #status = :status, provider_reference = :provider_reference, reason = :reason",
            ConditionExpression=f"#status IN ({', '.join(conditions)})",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=values | conditions,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
        return payment_from(error.response["Item"])  # type: ignore[typeddict-item]
    return payment_from(answer["Attributes"])


def _read(order_id: str) -> Payment | None:
    answer = clients.dynamodb().get_item(
        TableName=os.environ["PAYMENTS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    return payment_from(answer["Item"]) if "Item" in answer else None
