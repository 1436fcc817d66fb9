"""What others tell of an order's money: its hold lapsed, a refund came back, the customer disputes it.

Pattern: guarded, monotonic transitions. Such news comes twice, late, in any order, and before our own write has
returned. Each write has as its condition what may be there before, so nothing goes back, and whoever brings the news
learns whether it was news.
"""

from __future__ import annotations

from enum import Enum

from aws import guarded
from orders import DisputeStatus, PaymentStatus, Reason, RefundStatus
from orders.tables import Item, payment_from, refund_attribute

TABLE = "PAYMENTS_TABLE"


class Applied(Enum):
    """What became of news."""

    CHANGED = "something has changed"
    NOTHING_NEW = "it is known, or overtaken"
    TOO_EARLY = "what it is about is not written down yet, or never will be"


def lapse(order_id: str, reference: str) -> Applied:
    """The provider, or the customer's bank, has let a hold go: AUTHORIZED becomes VOIDED. `reference` is the intent's.
    Too early while the hold is still being asked for.

    https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
    """
    item, held = guarded.write(
        TABLE,
        order_id,
        "#status = :voided, reason = :reason",
        "#status = :authorized AND provider_reference = :reference",
        {
            ":voided": {"S": PaymentStatus.VOIDED},
            ":reason": {"S": Reason.PAYMENT_VOIDED},
            ":authorized": {"S": PaymentStatus.AUTHORIZED},
            ":reference": {"S": reference},
            "#status": "status",
        },
    )
    return _applied(held, known=bool(item) and payment_from(item).status != PaymentStatus.AUTHORIZING)


def refund_failed(order_id: str, return_id: str, reference: str = "") -> Applied:
    """A refund's money came back to us: it is FAILED, and its amount counts no more. `reference` is the refund's, where
    the provider has given it one. It may fail before we have written down that it was made.

    https://docs.stripe.com/refunds#failed-refunds
    """
    item, held = guarded.write(
        TABLE,
        order_id,
        "#refund.#status = :failed, refunded = refunded - #refund.amount"
        + (", #refund.provider_reference = :reference" if reference else ""),
        "#refund.#status IN (:refunding, :refunded)"
        " AND (attribute_not_exists(#refund.provider_reference) OR #refund.provider_reference = :reference)",
        {
            ":failed": {"S": RefundStatus.FAILED},
            ":refunding": {"S": RefundStatus.REFUNDING},
            ":refunded": {"S": RefundStatus.REFUNDED},
            ":reference": {"S": reference},
            "#refund": refund_attribute(return_id),
            "#status": "status",
        },
    )
    return _applied(held, known=refund_attribute(return_id) in item)


def dispute_opened(order_id: str) -> Applied:
    """The customer asks their bank for the money: nothing is refunded until that is decided. The first one counts.

    https://docs.stripe.com/disputes/how-disputes-work
    """
    return _dispute(order_id, DisputeStatus.OPEN, "attribute_not_exists(dispute)", {})


def dispute_closed(order_id: str, status: DisputeStatus) -> Applied:
    """The bank has decided, WON or LOST, and what it decides first stands. It may be told before the dispute is."""
    if status == DisputeStatus.OPEN:
        raise ValueError("a dispute is closed as WON or LOST")
    condition = "(attribute_not_exists(dispute) OR dispute = :open)"
    return _dispute(order_id, status, condition, {":open": {"S": DisputeStatus.OPEN}})


def _dispute(order_id: str, status: DisputeStatus, condition: str, terms: Item) -> Applied:
    """Too early while nothing was taken."""
    item, held = guarded.write(
        TABLE,
        order_id,
        "dispute = :dispute",
        f"#status = :captured AND {condition}",
        {":dispute": {"S": status}, ":captured": {"S": PaymentStatus.CAPTURED}, "#status": "status", **terms},
    )
    return _applied(held, known="dispute" in item)


def _applied(held: bool, *, known: bool) -> Applied:
    if held:
        return Applied.CHANGED
    return Applied.NOTHING_NEW if known else Applied.TOO_EARLY
