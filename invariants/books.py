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
from orders.shipping import Returns, Shipment, counts, returns_from, shipment_from
from orders.tables import (
    Item,
    approval_from,
    is_reservation,
    is_restock,
    order_of_restock,
    payment_from,
    reservation_from,
    sku_of,
)
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


class News(NamedTuple):
    """A sender's webhook, rightly signed, and the HTTP status that it was answered with at last. `subject` is what it
    is about: a parcel's reference at the carrier, a payment intent or a return at the payment provider.
    """

    sender: str
    event_id: str
    kind: str
    subject: str
    status: int


class ReturnRequest(NamedTuple):
    """A customer asked to send `units` back, and was answered with this HTTP status and return."""

    order_id: str
    units: Mapping[str, int]
    status: int
    return_id: str


class Called(NamedTuple):
    """A person was called, `at` so many seconds. `recorded`: that was written down. SNS has no idempotency key, so a
    call that is on no record may be followed by another. `opening` says which time it was that the order, or a return
    of it, was opened: the record is part of what is opened.
    """

    at: float
    recorded: bool = True
    opening: str = ""


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
    what failed. Of these first eight, `unread` names those that nobody has read. `opening` is the stock of each SKU
    before the first order, `arrived` what came in since. `placed` is every version of an order that its customer wrote,
    `expected` the outcomes that are right for it. `past` is every state that an order had, oldest first, with None
    where it was deleted. `unrecorded` is how many emails went out that no record can tell of. `held` is what was asked
    for each time that a hold was granted, by step or provider's key and by order. `forgotten` are the orders that were
    decided so long ago that what only forbids a late hold has expired.

    `open` are the orders that are on the list of what is to do. `claims` is how often each sweep was taken on, by order
    and sweep. `called` is when a person was called for an order; `mistaken` is when it was found
    for the first time that there is something to mend, in seconds. `minutes_away` is for how long services were away in
    all.

    `limit` is the total above which a person has to approve an order, 0 for none. `clicks` are all answers of
    approvers, `placements` all orders that the API was asked for, at these `prices`, and `cancels` the HTTP statuses
    that those were answered with who asked for an order's end. `asked` is how many emails the approver got about an
    order, `explained` how many there may be. `in_vain` are the orders for which an execution waited for a token until
    its time was over.

    After the sale, where its stack stands (`after_sale`): `restocked` are the units that were put back of each order,
    by return; `bookings` are what the carrier has on its books, by what it calls a parcel; `inbox` is what senders
    told, by sender and event. `news` are all webhooks that were rightly signed, `asked_back` all returns that customers
    asked for, and `unpaid` the parcels that were booked before their order's money was taken.
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
    shipments: Mapping[str, Shipment] = field(default_factory=dict)
    returns: Mapping[str, Returns] = field(default_factory=dict)
    restocked: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    bookings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inbox: Mapping[str, Plain] = field(default_factory=dict)

    unread: Collection[str] = ()
    forgotten: Collection[str] = ()
    after_sale: bool | None = None
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
    news: Sequence[News] | None = None
    asked_back: Sequence[ReturnRequest] | None = None
    unpaid: Sequence[str] | None = None

    def knows(self, evidence: str) -> bool:
        """Whether somebody has watched, or read, what has this name."""
        return evidence not in self.unread and getattr(self, evidence) is not None

    def status(self, order_id: str) -> str:
        """The order's status as people see it."""
        return str(self.states.get(order_id, {}).get("status", Status.PLACED))

    def decision(self, order_id: str) -> Plain:
        """What was decided, or nothing."""
        decision: Plain = self.states.get(order_id, {}).get("decision", {})
        return decision

    def versions(self, order_id: str) -> Sequence[Plain]:
        """What the customer has ordered: every version, if they are known. Else the one that there is now, which may
        have been changed since or be deleted, and the one that was carried out.
        """
        if self.placed is not None:
            return self.placed.get(order_id, ())
        known = [self.orders[order_id]] if order_id in self.orders else []
        carried_out = self._as_carried_out(order_id)
        return [*known, carried_out] if carried_out else known

    def _as_carried_out(self, order_id: str) -> Plain | None:
        """The order that reservation and payment agree on, if they do."""
        reservation, payment = self.reservations.get(order_id), self.payments.get(order_id)
        if reservation is None or payment is None:
            return None
        lines = [{"sku": line.sku, "quantity": line.quantity} for line in reservation.lines]
        total = sum(line.quantity * line.unit_price for line in reservation.lines)
        priced = all(line.unit_price for line in reservation.lines)
        return {"lines": lines, "total": total} if priced and total == payment.charge.amount else None

    def available(self, sku: str) -> int:
        """Units of a SKU that can be had."""
        return sum(self.counters.get(sku, ()))

    def held_by(self, order_id: str) -> Counter[str]:
        """How many of each SKU the order's reservation holds, or its customer has got: without what was put back."""
        units = self.sold_to(order_id)
        for put_back in self.restocked.get(order_id, {}).values():
            units.subtract(put_back)
        return units

    def sold_to(self, order_id: str) -> Counter[str]:
        """The same with what was put back."""
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
            return held and (paid == PaymentStatus.CAPTURED or self.lapsed(order_id))
        # Under an id that is never accepted there was nothing to release.
        released = not is_order_id(order_id) or self._is_undone(order_id, reservation, [ReservationStatus.RELEASED])
        return released and self._is_undone(order_id, payment, [PaymentStatus.VOIDED, PaymentStatus.DECLINED])

    def _is_undone(self, order_id: str, record: Reservation | Payment | None, undone: Collection[str]) -> bool:
        return order_id in self.forgotten if record is None else record.status in undone

    def lapsed(self, order_id: str) -> bool:
        """Whether the order's hold was gone before it was taken, and its customer has cancelled the order after that:
        nothing is owed.
        """
        payment = self.payments.get(order_id)
        voided = payment is not None and payment.status == PaymentStatus.VOIDED
        return voided and self.status(order_id) == Status.CANCELLED

    def settled(self, order_id: str) -> bool:
        """Whether the order is decided, everything was done that follows from it, and it is off the list."""
        nobody = email.address_of(self.orders.get(order_id, {})) is None
        told = nobody or bool(self.told(order_id))
        return order_id in self.states and self.followed(order_id) and told and order_id not in self.open

    def told(self, order_id: str) -> list[str]:
        """What the order's customer was told that it has come to, one for each email."""
        return [status for status, _ in self.emails_about(order_id)]

    def emails_about(self, order_id: str) -> list[tuple[str, Email]]:
        """The emails about an order, each with the status that it tells of."""
        statuses = {email.subject(order_id, status): str(status) for status in Status}
        return [(statuses[one.subject], one) for one in self.emails if one.subject in statuses]


def from_tables(
    tables: Mapping[str, Iterable[Item]], emails: Sequence[Email] | None, waiting: int | None, **watched: Any
) -> Books:
    """The books, from the items of each table by its logical name, as DynamoDB writes them. `watched` is the rest.

    Nobody has read the emails or what waits where they are None, nor the ledgers of companies that are not simulated.
    """
    unread = {
        "emails": emails is None,
        "waiting": waiting is None,
        "intents": "SimulatedGatewayTable" not in tables,
        "bookings": "ShipmentsTable" in tables and "SimulatedCarrierTable" not in tables,
    }
    inventory = list(tables["InventoryTable"])
    counters: dict[str, list[int]] = defaultdict(list)
    restocked: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for item in inventory:
        if is_restock(item):
            order_id, return_id = order_of_restock(item)
            restocked[order_id][return_id] = counts(item["units"])
        elif not is_reservation(item):
            counters[sku_of(item)].append(int(item["available"]["N"]))
    bookings: dict[str, list[str]] = defaultdict(list)
    for item in tables.get("SimulatedCarrierTable", ()):
        bookings[item["reference"]["S"]].append(item["id"]["S"])
    intents: dict[str, list[Intent]] = defaultdict(list)
    for item in tables.get("SimulatedGatewayTable", ()):
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
        emails=emails or (),
        waiting=waiting or 0,
        unread={name for name, true in unread.items() if true},
        open={item["order_id"]["S"] for item in (*tables["OpenOrdersTable"], *tables.get("OpenShipmentsTable", ()))},
        approvals={item["order_id"]["S"]: approval_from(item) for item in tables.get("ApprovalsTable", ())},
        after_sale=watched.pop("after_sale", True if "ShipmentsTable" in tables else None),
        shipments={item["order_id"]["S"]: shipment_from(item) for item in tables.get("ShipmentsTable", ())},
        returns={item["order_id"]["S"]: returns_from(item) for item in tables.get("ReturnsTable", ())},
        restocked=dict(restocked),
        bookings=dict(bookings),
        inbox={item["id"]["S"]: plain_item(item) for item in tables.get("InboxTable", ())},
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
