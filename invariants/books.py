"""A snapshot of everything: what the tables, the provider, the mailbox and the queues say, and what was seen to happen.

Tables hold what is; they don't say what was ordered in the first place, or what happened on the way. Who watched the
orders knows, and fills in as much as that; each invariant says what it needs (checks.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aws.item import plain_item
from notify import email
from orders import Outcome, Payment, PaymentStatus, Reservation, ReservationStatus, Status
from orders.approval import Approval
from orders.order_id import is_order_id
from orders.tables import Item, approval_from, is_reservation, payment_from, reservation_from, sku_of
from payment.gateway import Intent
from payment.simulated import intent_from

Plain = dict[str, Any]  # an item in plain Python values

# Of the payment intents, those that hold money or took it.
LIVE = ("requires_capture", "succeeded")


class Email(NamedTuple):
    """An email that SES took."""

    to: str
    subject: str
    text: str = ""


class Happened(NamedTuple):
    """An event on the bus: its detail-type and the order that it is about."""

    what: str
    order_id: str


class Click(NamedTuple):
    """Somebody answered an approval with `choice`, and got a page with this HTTP status."""

    order_id: str
    choice: str
    status: int


class Placement(NamedTuple):
    """A customer asked for an order, and was answered with this HTTP status, and with `told` where it was placed."""

    wanted: Plain
    status: int
    told: Plain


class Called(NamedTuple):
    """A person was called, `at` so many seconds. `recorded`: that was written down. SNS has no idempotency key, so a
    call that is on no record may be followed by another. `opening` is how often the order had been opened by then: the
    record is part of what is opened.
    """

    at: float
    recorded: bool = True
    opening: int = 1


@dataclass(frozen=True)
class Execution:
    """A workflow that was started for an order."""

    name: str
    order_id: str
    status: str
    error: str = ""


@dataclass(frozen=True)
class Books:
    """By order id, unless it says otherwise. What is None, nobody has watched.

    `counters` are the available units in each counter of a SKU; `waiting` is how many messages lie in the queues for
    what failed. `opening` is the stock of each SKU before the first order, `arrived` what came in since. `placed` is
    every version of an order that its customer wrote, `expected` the outcomes that are right for it. `past` is every
    state that an order had, oldest first, with None where it was deleted. `unrecorded` is how many emails went out
    that no record can tell of. `held` is what was asked for each time that a hold was granted, by step or provider's
    key and by order.

    `open` are the orders that are on the list of what is to do. `claims` is how often each sweep was taken on, by order
    and sweep. `called` is when a person was called for an order; `mistaken` is when it was found
    for the first time that there is something to mend, in seconds. `minutes_away` is for how long services were away in
    all.

    `limit` is the total above which a person has to approve an order, 0 for none. `clicks` are all answers of
    approvers, `placements` all orders that the API was asked for, at these `prices`, and `cancels` the HTTP statuses
    that those were answered with who asked for an order's end. `asked` is how many emails the approver got about an
    order, `explained` how many there may be. `in_vain` are the orders for which an execution waited for a token until
    its time was over.
    """

    orders: dict[str, Plain]
    states: dict[str, Plain]
    counters: dict[str, list[int]]
    reservations: dict[str, Reservation]
    payments: dict[str, Payment]
    intents: dict[str, list[Intent]]
    emails: Sequence[Email]
    waiting: int
    open: Collection[str] = ()
    approvals: Mapping[str, Approval] = field(default_factory=dict)

    opening: Mapping[str, int] | None = None
    arrived: Mapping[str, int] = field(default_factory=dict)
    placed: Mapping[str, Sequence[Plain]] | None = None
    expected: Mapping[str, Collection[str]] | None = None
    past: Sequence[tuple[str, Plain | None]] | None = None
    events: Collection[Happened] | None = None
    executions: Sequence[Execution] | None = None
    unrecorded: Mapping[str, int] | None = None
    held: Mapping[tuple[str, str], Sequence[Any]] | None = None
    claims: Mapping[tuple[str, str], int] | None = None
    called: Mapping[str, Sequence[Called]] | None = None
    mistaken: Mapping[str, float] = field(default_factory=dict)
    minutes_away: float | None = None
    limit: int | None = None
    clicks: Sequence[Click] | None = None
    placements: Sequence[Placement] | None = None
    prices: Mapping[str, int] | None = None
    cancels: Mapping[str, Sequence[int]] | None = None
    asked: Mapping[str, int] | None = None
    in_vain: Sequence[str] | None = None
    explained: Mapping[str, int] = field(default_factory=dict)

    def status(self, order_id: str) -> str:
        """The order's status as people see it."""
        return str(self.states.get(order_id, {}).get("status", Status.PLACED))

    def decision(self, order_id: str) -> Plain:
        """What was decided, or nothing."""
        decision: Plain = self.states.get(order_id, {}).get("decision", {})
        return decision

    def versions(self, order_id: str) -> Sequence[Plain]:
        """What the customer has ordered: every version, if they are known, else the one that there is now."""
        if self.placed is not None:
            return self.placed.get(order_id, ())
        return [self.orders[order_id]] if order_id in self.orders else []

    def available(self, sku: str) -> int:
        """Units of a SKU that can be had."""
        return sum(self.counters.get(sku, ()))

    def held_by(self, order_id: str) -> Counter[str]:
        """How many of each SKU the order's reservation holds."""
        units: Counter[str] = Counter()
        reservation = self.reservations.get(order_id)
        if reservation and reservation.status == ReservationStatus.RESERVED:
            for line in reservation.lines:
                units[line.sku] += line.quantity
        return units

    def reserved(self, sku: str) -> int:
        """Units of a SKU that reservations hold."""
        return sum(self.held_by(order_id)[sku] for order_id in self.reservations)

    def live(self, order_id: str) -> list[Intent]:
        """The order's payment intents that hold money or took it."""
        return [intent for intent in self.intents.get(order_id, ()) if intent.status in LIVE]

    def followed(self, order_id: str) -> bool:
        """Whether reservation and payment are what the order's decision asks for."""
        reservation, payment = self.reservations.get(order_id), self.payments.get(order_id)
        paid = payment and payment.status
        if self.decision(order_id).get("outcome") == Outcome.CONFIRMED:
            held = reservation is not None and reservation.status == ReservationStatus.RESERVED
            return held and paid == PaymentStatus.CAPTURED
        # Under an id that is never accepted there was nothing to release.
        released = not is_order_id(order_id) or (
            reservation is not None and reservation.status == ReservationStatus.RELEASED
        )
        return released and paid in (PaymentStatus.VOIDED, PaymentStatus.DECLINED)

    def settled(self, order_id: str) -> bool:
        """Whether the order is decided, everything was done that follows from it, and it is off the list."""
        nobody = email.address_of(self.orders.get(order_id, {})) is None
        told = nobody or bool(self.told(order_id))
        return order_id in self.states and self.followed(order_id) and told and order_id not in self.open

    def told(self, order_id: str) -> list[str]:
        """The outcomes that the order's customer was told of, one for each email."""
        return [outcome for outcome, _ in self.emails_about(order_id)]

    def emails_about(self, order_id: str) -> list[tuple[str, Email]]:
        """The emails about an order, each with the outcome that it tells of."""
        outcomes = {email.subject(order_id, outcome): str(outcome) for outcome in Outcome}
        return [(outcomes[one.subject], one) for one in self.emails if one.subject in outcomes]


def from_tables(tables: Mapping[str, Iterable[Item]], emails: Sequence[Email], waiting: int, **watched: Any) -> Books:
    """The books, from the items of each table by its logical name, as DynamoDB writes them. `watched` is the rest."""
    inventory = list(tables["InventoryTable"])
    counters: dict[str, list[int]] = defaultdict(list)
    for item in inventory:
        if not is_reservation(item):
            counters[sku_of(item)].append(int(item["available"]["N"]))
    intents: dict[str, list[Intent]] = defaultdict(list)
    for item in tables["SimulatedGatewayTable"]:
        intents[item["order_id"]["S"]].append(intent_from(item))
    reservations = map(reservation_from, filter(is_reservation, inventory))
    payments = map(payment_from, tables["PaymentsTable"])
    return Books(
        orders={item["order_id"]["S"]: plain_item(item) for item in tables["OrdersTable"]},
        states={item["order_id"]["S"]: plain_item(item) for item in tables["OrderStatesTable"]},
        counters=dict(counters),
        reservations={reservation.order_id: reservation for reservation in reservations},
        payments={payment.charge.order_id: payment for payment in payments},
        intents=dict(intents),
        emails=emails,
        waiting=waiting,
        open={item["order_id"]["S"] for item in tables["OpenOrdersTable"]},
        approvals={item["order_id"]["S"]: approval_from(item) for item in tables.get("ApprovalsTable", ())},
        **watched,
    )


def ordered_units(order: Plain) -> Counter[str]:
    """How many of each SKU an order asks for. Its lines may be anything; those that make no sense ask for nothing."""
    counted: Counter[str] = Counter()
    lines = order.get("lines")
    for line in lines if isinstance(lines, list) else []:
        match line:
            case {"sku": str(sku), "quantity": quantity}:
                try:
                    counted[sku] += int(quantity)
                except (TypeError, ValueError, OverflowError):
                    continue
    return counted
