"""Give back what was taken, or a part of it: for a return, or for an order that its customer cancelled in time.

Pattern: the refund's intent, key and outcome, and a running sum under a condition. One write says that the refund is
REFUNDING and adds it to the sum of the order's refunds, unless that would be more than was taken: of refunds that race,
those that fit are made. Prices are whole amounts of minor units for each unit, so a part of an order has an exact price
and nothing is rounded.

The provider's key is the return's, so an attempt that may or may not have happened is repeated, never made anew. A key
is forgotten after a day, so what came of an earlier attempt is looked up before it is repeated. A refund that failed is
not tried again: it would fail again, and a person has to find another way to pay.

What the customer's bank has taken back can't be refunded as well. While a dispute is open a person is called; when it
is lost, the customer has got the money, and there is nothing to give back.
"""

from __future__ import annotations

import time
from typing import Any

from aws import guarded, payments
from orders import DisputeStatus, Payment, PaymentStatus, Refund, RefundStatus, iso_8601
from orders.errors import Unrecoverable
from orders.tables import payment_from, refund_attribute
from payment.gateway import Gateway, RefundFailed, RefundRequest

SENT_BACK = "the customer's bank sent the refund back"


class PaymentOutstanding(Exception):
    """The money is not taken yet. It is about to be, so this is retried, and then left to the sweep."""


def refund(payment: Payment | None, return_id: str, amount: int | None, provider: Gateway) -> dict[str, Any]:
    """Give back `amount` (minor units), or without one all that was taken. Answers what was given back, `refunded`, in
    `currency`, and when, `at` (ISO 8601); `refunded` is 0 where there is nothing to give back.

    Raises PaymentOutstanding; Unrecoverable for what a person has to look into; what the gateway raises.
    """
    if payment is None or payment.status in (PaymentStatus.AUTHORIZING, PaymentStatus.AUTHORIZED):
        raise PaymentOutstanding(f"the payment is {payment.status if payment else 'missing'}")
    if payment.status == PaymentStatus.VOIDED and amount is None:
        return _nothing(payment)  # the hold has lapsed before it was taken
    if payment.status != PaymentStatus.CAPTURED:
        raise Unrecoverable(f"cannot refund a payment that is {payment.status}")
    charge = payment.charge
    wanted = RefundRequest(
        charge.order_id,
        return_id,
        payment.provider_reference,
        charge.amount if amount is None else amount,
        charge.currency,
    )
    if wanted.amount < 1:
        raise Unrecoverable("a refund has to be of something")
    payment, begun = _intend(wanted, charge.amount - wanted.amount)
    try:
        return _ask(wanted, provider) if begun else _follow(payment, wanted, provider)
    except RefundFailed as failed:
        payments.refund_failed(wanted.order_id, return_id, str(failed))
        raise Unrecoverable(SENT_BACK) from None


def _follow(payment: Payment, wanted: RefundRequest, provider: Gateway) -> dict[str, Any]:
    """Go on from what an earlier attempt has left, or follow what forbids the refund."""
    earlier = _refund_of(payment, wanted)
    if earlier and earlier.amount != wanted.amount:
        raise Unrecoverable("the refund was begun with another amount")
    if earlier and earlier.status == RefundStatus.REFUNDED:
        return _answer(payment, earlier)
    under_way = earlier is not None and earlier.status == RefundStatus.REFUNDING
    if under_way and (reference := provider.find_refund(wanted)):
        return _settle(wanted, reference)
    if payment.dispute == DisputeStatus.LOST:
        if under_way:
            payments.refund_failed(wanted.order_id, wanted.return_id)  # it was not made, and never will be
        return _nothing(payment)
    if payment.dispute == DisputeStatus.OPEN:
        raise Unrecoverable("the payment is disputed")
    if earlier is None:
        raise Unrecoverable("more would be given back than was taken")
    if not under_way:
        raise Unrecoverable(SENT_BACK)
    return _ask(wanted, provider)


def _ask(wanted: RefundRequest, provider: Gateway) -> dict[str, Any]:
    return _settle(wanted, provider.refund(_refund_key(wanted), wanted))


def _refund_key(wanted: RefundRequest) -> str:
    return f"{wanted.order_id}:{wanted.return_id}:refund"


def _intend(wanted: RefundRequest, room: int) -> tuple[Payment, bool]:
    """Write that the provider is about to be asked, where no more than `room` was given back before; answers the
    payment as it stands then, and whether this call has written it.
    """
    item, begun = guarded.write(
        payments.TABLE,
        wanted.order_id,
        "#refund = :refund, refunded = if_not_exists(refunded, :none) + :amount",
        "#status = :captured AND amount >= :amount AND attribute_not_exists(#refund)"
        " AND (attribute_not_exists(refunded) OR refunded <= :room)"
        " AND (attribute_not_exists(dispute) OR dispute = :won)",
        {
            ":refund": {
                "M": {
                    "status": {"S": RefundStatus.REFUNDING},
                    "amount": {"N": str(wanted.amount)},
                    "asked_at": {"N": str(int(time.time()))},
                }
            },
            ":none": {"N": "0"},
            ":amount": {"N": str(wanted.amount)},
            ":captured": {"S": PaymentStatus.CAPTURED},
            ":room": {"N": str(room)},
            ":won": {"S": DisputeStatus.WON},
            "#status": "status",
            "#refund": refund_attribute(wanted.return_id),
        },
    )
    return payment_from(item), begun


def _settle(wanted: RefundRequest, reference: str) -> dict[str, Any]:
    """Write that the refund is made, unless others have settled it; answers what stands."""
    item, _ = guarded.write(
        payments.TABLE,
        wanted.order_id,
        "#refund.#status = :refunded, #refund.provider_reference = :reference, #refund.refunded_at = :now",
        "#refund.#status = :refunding",
        {
            ":refunded": {"S": RefundStatus.REFUNDED},
            ":reference": {"S": reference},
            ":now": {"S": iso_8601(time.time())},
            ":refunding": {"S": RefundStatus.REFUNDING},
            "#status": "status",
            "#refund": refund_attribute(wanted.return_id),
        },
    )
    payment = payment_from(item)
    standing = _refund_of(payment, wanted)
    if standing is None or standing.status == RefundStatus.FAILED:
        raise Unrecoverable(SENT_BACK)
    if standing.provider_reference != reference:
        raise Unrecoverable("the provider has made the refund twice")
    return _answer(payment, standing)


def _refund_of(payment: Payment, wanted: RefundRequest) -> Refund | None:
    return next((one for one in payment.refunds if one.return_id == wanted.return_id), None)


def _answer(payment: Payment, made: Refund) -> dict[str, Any]:
    return {"refunded": made.amount, "at": made.refunded_at, "currency": payment.charge.currency}


def _nothing(payment: Payment) -> dict[str, Any]:
    return {"refunded": 0, "at": iso_8601(time.time()), "currency": payment.charge.currency}
