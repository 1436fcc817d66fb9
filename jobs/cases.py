"""A case: one order, everything that is known of it, and whether it is at rest.

Tables are read while the shop works, one after the other, so what they say of an order that is moving doesn't fit
together. Such an order is under way: it is counted, and judged on another night. An order that has been under way for a
day is not moving.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from orders import Line, Outcome, Payment, PaymentStatus, Reservation, ReservationStatus, Status
from orders.approval import ApprovalStatus
from orders.retention import DAY, RETENTION_SECONDS
from orders.shipping import (
    Returns,
    ReturnStatus,
    Shipment,
    counts,
    return_reference,
    returns_from,
    shipment_from,
)
from orders.tables import (
    Item,
    is_reservation,
    is_restock,
    order_of_restock,
    payment_from,
    reservation_from,
)
from payment.gateway import ASKING_SECONDS, Intent
from payment.simulated import intent_from

# A hold is made within this time of when it was asked for.
_AROUND_A_HOLD = 2 * ASKING_SECONDS


@dataclass(frozen=True)
class Night:
    """What all cases of a run have in common. `as_of` is when its day was claimed, in seconds since 1970; `sources` are
    those that were read. `begins` and `ends` are the day's, in seconds since 1970. The provider's ledger was read back
    to `provider_since`, in seconds since 1970; 0 is all of it.
    """

    as_of: float
    sources: frozenset[str]
    begins: float = 0.0
    ends: float = 0.0
    provider_since: float = 0.0

    @cached_property
    def as_of_day(self) -> str:
        """The date of `as_of` in UTC, as times in ISO 8601 begin."""
        return datetime.fromtimestamp(self.as_of, UTC).date().isoformat()


@dataclass(frozen=True)
class Case:
    """One order's items, as DynamoDB writes them, by source. What is no order's has its own id in place of one."""

    order_id: str
    items: Mapping[str, Sequence[Item]]
    night: Night

    def _one(self, source: str) -> Item | None:
        found = self.items.get(source)
        return found[0] if found else None

    @cached_property
    def order(self) -> Item | None:
        """What the customer asked for. None where they have deleted it, or never did."""
        return self._one("orders")

    @cached_property
    def state(self) -> Item | None:
        """What became of it; None while it is undecided."""
        return self._one("states")

    @cached_property
    def outcome(self) -> str:
        """How it was decided; empty while it is not."""
        return str(self.state["decision"]["M"]["outcome"]["S"]) if self.state else ""

    @cached_property
    def status(self) -> str:
        """Where it is."""
        return str(self.state["status"]["S"]) if self.state else Status.PLACED

    @cached_property
    def is_confirmed(self) -> bool:
        """Whether it was decided to sell it."""
        return self.outcome == Outcome.CONFIRMED

    @cached_property
    def was_taken_back(self) -> bool:
        """Whether its customer has cancelled it after it was confirmed."""
        return self.is_confirmed and self.status == Status.CANCELLED

    @cached_property
    def reservation(self) -> Reservation | None:
        """Its stock."""
        return next((reservation_from(item) for item in self.items.get("inventory", ()) if is_reservation(item)), None)

    @cached_property
    def holds_stock(self) -> bool:
        """Whether its reservation holds units, or held those that its customer has."""
        return self.reservation is not None and self.reservation.status == ReservationStatus.RESERVED

    @cached_property
    def restocked(self) -> dict[str, dict[str, int]]:
        """The units by SKU that were put back of it, by return."""
        return {
            order_of_restock(item)[1]: counts(item["units"])
            for item in self.items.get("inventory", ())
            if is_restock(item)
        }

    @cached_property
    def payment(self) -> Payment | None:
        """Its money, as we know it."""
        item = self._one("payments")
        return payment_from(item) if item else None

    @cached_property
    def paid(self) -> str:
        """The payment's status; empty where there is none."""
        return self.payment.status if self.payment else ""

    @cached_property
    def intents(self) -> tuple[Intent, ...]:
        """Its money, as the provider knows it."""
        return tuple(intent_from(item) for item in self.items.get("provider", ()))

    @cached_property
    def taken(self) -> list[Intent]:
        """The intents that took money."""
        return [intent for intent in self.intents if intent.status == "succeeded"]

    @cached_property
    def held(self) -> list[Intent]:
        """The intents that hold money."""
        return [intent for intent in self.intents if intent.status == "requires_capture"]

    @cached_property
    def provider_is_known(self) -> bool:
        """Whether its whole ledger at the provider was read: what is not there does not exist."""
        if "provider" not in self.night.sources:
            return False
        since = self.night.provider_since
        if since == 0:
            return True
        return self.payment is not None and self.payment.asked_at - _AROUND_A_HOLD >= since

    @cached_property
    def shipment(self) -> Shipment | None:
        """Its parcels."""
        item = self._one("shipments")
        return shipment_from(item) if item else None

    @cached_property
    def returns(self) -> Returns | None:
        """What comes back of it; None before it was delivered."""
        item = self._one("returns")
        return returns_from(item) if item else None

    @cached_property
    def bookings(self) -> dict[str, list[str]]:
        """Its parcels on the carrier's books: their tracking numbers, by reference."""
        booked: dict[str, list[str]] = {}
        for item in self.items.get("carrier", ()):
            booked.setdefault(item["reference"]["S"], []).append(item["id"]["S"])
        return booked

    @cached_property
    def is_forgotten(self) -> bool:
        """Whether it was decided so long ago that what only forbids a late hold has expired (orders/retention.py)."""
        return (self._decided_at or self.night.as_of) + RETENTION_SECONDS < self.night.as_of

    @cached_property
    def _decided_at(self) -> float | None:
        return seconds(self._written_decided_at)

    @property
    def _written_decided_at(self) -> str:
        return text(self.state["decision"]["M"], "decided_at") if self.state else ""

    def _came_to(self, status: str) -> float:
        """When it came to a status; in this moment, where that is not known."""
        written = self.state["history"]["M"] if self.state else {}
        return _at(text(written, status), self.night.as_of)

    # ── Under way, or at rest ─────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def under_way_since(self) -> float | None:
        """Since when something of it is under way, in seconds since 1970; None for an order at rest."""
        as_of, day = self.night.as_of, self.night.as_of_day
        # Nearly all is older, and to compare ten letters is cheaper than to read a time: what we write is in UTC.
        recent = (moment for moment in self._changes() if moment[:10] >= day)
        if any((seconds(moment) or 0) >= as_of for moment in recent) or self._was_asked_for() >= as_of:
            return as_of
        return min(self._unfinished(), default=None)

    def _changes(self) -> Iterator[str]:
        """When anything of it changed, as far as that is written down, in ISO 8601."""
        if self.state:
            yield self._written_decided_at
            yield from (str(at.get("S", "")) for at in self.state["history"]["M"].values())
        for refund in self._refunds:
            yield text(refund, "refunded_at")
        if self.returns:
            yield self.returns.closed
            for one in self.returns.returns.values():
                yield from (one.requested_at, one.refunded_at)
        yield from (told for _, told in self.tellings)
        for item in self.items.get("inbox", ()):
            yield text(item, "received_at")
        for item in self.items.get("approvals", ()):
            yield text(item, "decided_at")

    def _was_asked_for(self) -> float:
        """When the last of it was asked for, in seconds since 1970: by the customer, while it is undecided, and of the
        provider. The customer's time may be anything.
        """
        item = self._one("payments")
        asked = [_number(part, "asked_at") for part in (item, *self._refunds)] if item else []
        if not self.state:
            placed = seconds(self.placed_at) or 0
            asked.append(placed if placed < self.night.as_of + DAY else 0)
        return max(asked, default=0)

    @cached_property
    def _refunds(self) -> list[Item]:
        item = self._one("payments") or {}
        return [value["M"] for name, value in item.items() if name.startswith("refund:")]

    def _unfinished(self) -> Iterator[float]:
        """Since when each thing is to do that should be done in a moment."""
        as_of = self.night.as_of
        for item in self.items.get("open", ()):
            yield as_of if self._waits_for_a_person else _at(text(item, "occurred_at"), as_of)
        listed = bool(self.items.get("open_shipments"))
        if listed and self.status in (Status.CONFIRMED, Status.CANCELLED):
            yield self._came_to(self.status)
        if self.status == Status.SHIPPING and not self._is_booked:
            yield self._came_to(Status.SHIPPING)
        if self.returns is None:
            return
        if self.returns.closed and self.status == Status.DELIVERED:
            yield _at(self.returns.closed, as_of)
        for one in self.returns.returns.values():
            if one.status == ReturnStatus.ARRIVED:
                yield max(self._told_by_the_carrier(one.return_id), _at(one.requested_at, as_of))
            elif one.status == ReturnStatus.REQUESTED and not one.tracking:
                yield _at(one.requested_at, as_of)

    @property
    def _is_booked(self) -> bool:
        return self.shipment is not None and all(parcel.tracking for parcel in self.shipment.parcels)

    @property
    def _waits_for_a_person(self) -> bool:
        """Whether somebody may approve it, and has the time to."""
        asked = self._one("approvals")
        pending = asked is not None and text(asked, "status") == ApprovalStatus.PENDING and not self.state
        return asked is not None and pending and _number(asked, "expires_at") > self.night.as_of

    def _told_by_the_carrier(self, return_id: str) -> float:
        """When the carrier told of a return's parcel for the last time; 0 if it is not known."""
        reference = return_reference(self.order_id, return_id)
        told = (item for item in self.items.get("inbox", ()) if text(item, "subject") == reference)
        return max(_times(text(item, "received_at") for item in told), default=0.0)

    # ── What it comes to ──────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def placed_at(self) -> str:
        """When it was placed, as its customer says."""
        return text(self.order, "placed_at") if self.order else ""

    @cached_property
    def is_of_the_day(self) -> bool:
        """Whether it was placed on the run's day."""
        placed = seconds(self.placed_at)
        return placed is not None and self.night.begins <= placed < self.night.ends

    @cached_property
    def total(self) -> int | None:
        """What its customer was asked for, in minor units."""
        return _whole(self.order.get("total")) if self.order else None

    @cached_property
    def ordered(self) -> tuple[Line, ...]:
        """The lines that its customer asks for; of what is malformed, nothing."""
        written = self.order.get("lines", {}).get("L", ()) if self.order else ()
        lines = (_line(line.get("M", {})) for line in written if isinstance(line, dict))
        return tuple(line for line in lines if line)

    @cached_property
    def sold(self) -> int | None:
        """What its reservation says that it was sold for, in minor units; None where no price is written down."""
        lines = self.reservation.lines if self.reservation and self.holds_stock else ()
        if not lines or not all(line.unit_price for line in lines):
            return None
        return sum(line.quantity * line.unit_price for line in lines)

    @cached_property
    def units_out(self) -> Counter[str]:
        """How many of each SKU are out of stock for it."""
        units: Counter[str] = Counter()
        if self.reservation and self.holds_stock:
            for line in self.reservation.lines:
                units[line.sku] += line.quantity
        for put_back in self.restocked.values():
            units.subtract(put_back)
        return units

    @cached_property
    def units_in_doubt(self) -> Counter[str]:
        """How many of each SKU a night can't be sure of, because the order is under way, or its reservation is not what
        was decided.
        """
        held = self.reservation.lines if self.reservation else ()
        units: Counter[str] = Counter()
        if self.under_way_since is not None or self.holds_stock != self.is_confirmed or self._is_sold_otherwise:
            for lines in (held, self.ordered):
                of_these: Counter[str] = Counter()
                for line in lines:
                    of_these[line.sku] += line.quantity
                units |= of_these
        return units

    @property
    def _is_sold_otherwise(self) -> bool:
        """Whether the reservation says something else than the payment here and at the provider."""
        if self.payment is None or self.paid != PaymentStatus.CAPTURED:
            return False
        amounts = {self.payment.charge.amount, *(intent.amount for intent in self.taken)}
        return len(amounts) == 1 and self.sold is not None and self.sold not in amounts

    @cached_property
    def tellings(self) -> list[tuple[str, str]]:
        """What its customer was told of it, and when; nothing of returns."""
        records = (json.loads(text(item, "data")) for item in self.items.get("told", ()))
        return [
            (str(record.get("outcome", "")), str(record.get("told_at", "")))
            for record in records
            if not record.get("return_id")
        ]


def seconds(moment: str) -> float | None:
    """A time in ISO 8601 as seconds since 1970, in UTC unless it says otherwise; None for what is no such time."""
    try:
        at = datetime.fromisoformat(moment)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _at(moment: str, otherwise: float) -> float:
    at = seconds(moment)
    return otherwise if at is None else at


def _times(moments: Iterator[str] | Sequence[str]) -> Iterator[float]:
    yield from (at for moment in moments if moment and (at := seconds(moment)) is not None)


def text(item: Mapping[str, Any], name: str) -> str:
    """A text attribute of an item; empty where there is none."""
    written = item.get(name, {}).get("S", "")
    return written if isinstance(written, str) else ""


def _number(item: Mapping[str, Any], name: str) -> float:
    return float(item.get(name, {}).get("N", 0))


def _whole(written: Mapping[str, Any] | None) -> int | None:
    """A number that fits into a BIGINT."""
    try:
        number = int((written or {})["N"])
    except (KeyError, TypeError, ValueError):
        return None
    return number if abs(number) < 2**63 else None


def _line(written: Mapping[str, Any]) -> Line | None:
    sku, quantity, price = text(written, "sku"), _whole(written.get("quantity")), _whole(written.get("unit_price"))
    if not sku or quantity is None or not 0 < quantity <= 1_000_000:
        return None
    return Line(sku, quantity, price or 0)
