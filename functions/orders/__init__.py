"""The domain: an order, what is held for it, and what may become of it. Plain Python, no AWS.

tables.py has the keys and attributes under which it is written down, model.py and rules.py what makes an order
acceptable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


@dataclass(frozen=True)
class Line:
    """How many of a SKU are ordered, or held. `unit_price` is in minor units, and 0 where it was not written down."""

    sku: str
    quantity: int
    unit_price: int = 0


class Outcome(StrEnum):
    """How an order was decided. The first decision stands for ever."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class Status(StrEnum):
    """Where an order is. PLACED is written nowhere: it is an order of which nothing has become yet."""

    PLACED = "PLACED"
    CONFIRMED = Outcome.CONFIRMED
    CANCELLED = Outcome.CANCELLED
    REJECTED = Outcome.REJECTED
    SHIPPING = "SHIPPING"
    DELIVERED = "DELIVERED"
    ARCHIVED = "ARCHIVED"  # the customer keeps it
    RETURNED = "RETURNED"  # everything came back


# What may follow what. Nothing ever goes back.
NEXT: dict[Status, frozenset[Status]] = {
    Status.PLACED: frozenset({Status.CONFIRMED, Status.CANCELLED, Status.REJECTED}),
    Status.CONFIRMED: frozenset({Status.SHIPPING, Status.CANCELLED}),
    Status.CANCELLED: frozenset(),
    Status.REJECTED: frozenset(),
    Status.SHIPPING: frozenset({Status.DELIVERED}),
    Status.DELIVERED: frozenset({Status.ARCHIVED, Status.RETURNED}),
    Status.ARCHIVED: frozenset(),
    Status.RETURNED: frozenset(),
}


class Reason(StrEnum):
    """Why an order was decided as it was. A person may give others."""

    ACCEPTED = "ACCEPTED"
    ORDER_INVALID = "ORDER_INVALID"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    ORDER_CHANGED = "ORDER_CHANGED"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"  # by the card's bank
    PAYMENT_REFUSED = "PAYMENT_REFUSED"  # by the provider
    PAYMENT_VOIDED = "PAYMENT_VOIDED"
    INVENTORY_UNAVAILABLE = "INVENTORY_UNAVAILABLE"  # nobody could say for too long
    PAYMENT_UNAVAILABLE = "PAYMENT_UNAVAILABLE"
    CANCELLED_BY_CUSTOMER = "CANCELLED_BY_CUSTOMER"
    CANCELLED_BEFORE_SHIPPING = "CANCELLED_BEFORE_SHIPPING"  # by the customer, of an order that was confirmed
    NOT_APPROVED = "NOT_APPROVED"  # by a person who was asked
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"  # who did not answer


class ReservationStatus(StrEnum):
    """RESERVED holds stock; RELEASED gave it back, or forbids a reserve that has not come yet."""

    RESERVED = "RESERVED"
    RELEASED = "RELEASED"


@dataclass(frozen=True)
class Reservation:
    """An order's stock. `shard` says from which counter it was taken and where it goes back to, `reason` why it was
    released.
    """

    order_id: str
    status: ReservationStatus
    lines: tuple[Line, ...] = ()
    shard: int = 0
    reason: str = ""


class PaymentStatus(StrEnum):
    """AUTHORIZING: the provider is being asked. VOIDED gave the hold back, or forbids one that has not come yet."""

    AUTHORIZING = "AUTHORIZING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"


@dataclass(frozen=True)
class Charge:
    """What to hold: `amount` in minor units of `currency` (ISO 4217), from a provider's payment method."""

    order_id: str
    amount: int
    currency: str
    payment_method: str


class RefundStatus(StrEnum):
    """REFUNDING: the provider is being asked. FAILED: the customer's bank sent it back, and a person has to pay it."""

    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Refund:
    """What a return, or a cancellation, gives back: `amount` in minor units of the payment's currency. `refunded_at` is
    ISO 8601, empty until it is REFUNDED.
    """

    return_id: str
    status: RefundStatus
    amount: int
    provider_reference: str = ""
    refunded_at: str = ""


class DisputeStatus(StrEnum):
    """The customer asked their bank for the money. LOST: the bank gave it to them."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True)
class Payment:
    """An order's money. `asked_at` is when the attempts at the hold began, in seconds since 1970; `reason` is why it
    was declined or voided. The charge of one that was voided before it was asked for is 0 of no currency. `refunded` is
    the sum of the refunds that are made or under way, in minor units.
    """

    status: PaymentStatus
    charge: Charge
    asked_at: int = 0
    provider_reference: str = ""
    reason: str = ""
    refunded: int = 0
    refunds: tuple[Refund, ...] = ()
    dispute: str = ""


@dataclass(frozen=True)
class OpenOrder:
    """An order that is not finished: its place on the list of what is to do. A stack that has more to do has a list of
    its own: of each order the event `what` is sent again, and of a return its `return_id` says which.

    `occurred_at` is when it was placed (ISO 8601). `sweeps` is how often its event was sent again, `sweep_at` when that
    is due the next time. `review` says that a person has to approve it first. `stuck` says at which step the last
    execution found what only a person can repair, and `call_at` when a person may be called for it again. Times are in
    seconds since 1970.
    """

    order_id: str
    occurred_at: str
    sweeps: int = 0
    sweep_at: int = 0
    review: bool = False
    stuck: str = ""
    call_at: int = 0
    what: str = "OrderPlaced"
    return_id: str = ""


def epoch_seconds(moment: str) -> float:
    """A time in ISO 8601 as seconds since 1970. Raises ValueError for what is no such time."""
    return datetime.fromisoformat(moment).timestamp()


def iso_8601(seconds: float) -> str:
    """The inverse, in UTC and to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
