"""What only the outside shows: each check holds one order's records here against another ledger, and says what differs.

One thing that is wrong is one finding. So the checks come in groups, and within a group the first that finds something
explains the rest: money that was never captured can't have been captured with another amount. What no check here knows
is left to the invariants (promises.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jobs.cases import Case, seconds, text
from jobs.findings import SEND_AGAIN, Code, Finding
from jobs.money import MONEY, NOT_TAKEN, charged, currency, refunds, without_effect
from orders import PaymentStatus
from orders.order_id import is_order_id
from orders.retention import DAY
from orders.shipping import ParcelStatus, parcel_reference, return_reference
from orders.tables import Item
from webhooks.inbox import NewsStatus, Sender

type Check = Callable[[Case], Iterator[Finding]]

HOUR = 60 * 60
# The schedule that settles news comes every few minutes; this is for one that just missed the day.
NEWS_SECONDS = DAY + HOUR


def findings(case: Case) -> list[Finding]:
    """What is wrong with an order, as far as can be said tonight: of one that is under way, little."""
    found = list(webhook_not_applied(case))
    since = case.under_way_since
    if since is not None:
        return [*found, *order_open_for_a_day(case, since)]
    for group in GROUPS if case.state else UNDECIDED:
        for check in group:
            if here := list(check(case)):
                known = {finding.code for finding in found}  # a decision that nobody followed is one thing
                found += [finding for finding in here if finding.code not in known]
                break
    return found


# ── Undecided, or unknown ─────────────────────────────────────────────────────────────────────────────────────────────


def order_open_for_a_day(case: Case, since: float) -> Iterator[Finding]:
    """It has been under way for longer than the shop tries by itself without calling anybody."""
    hours = int((case.night.as_of - since) // HOUR)
    if hours >= 24:
        what = "undecided" if case.state is None else case.status
        detail = f"The order is {what}, and something of it has been under way for {hours} hours."
        yield Finding(Code.ORDER_OPEN_FOR_A_DAY, case.order_id, expected=24, found=hours, detail=detail)


def order_lost(case: Case) -> Iterator[Finding]:
    """It was placed, and nobody is going to decide it."""
    if case.order is not None:
        detail = "The order was placed, is undecided, and is on no list of what is to do."
        yield Finding(Code.ORDER_LOST, case.order_id, "", currency(case), case.total or 0, 0, detail, repair=SEND_AGAIN)


def payment_without_order(case: Case) -> Iterator[Finding]:
    """Money that is held or was taken, and nobody knows what for."""
    live = [*case.taken, *case.held]
    here = case.payment is not None and case.paid in (*NOT_TAKEN, PaymentStatus.CAPTURED)
    if live or here:
        amount = live[0].amount if live else charged(case)
        subject = live[0].reference if live else case.payment.provider_reference if case.payment else ""
        detail = f"There is no such order, and its payment is {case.paid or 'not known here'}."
        yield Finding(Code.PAYMENT_WITHOUT_ORDER, case.order_id, subject, currency(case), 0, amount, detail)


def reservation_without_order(case: Case) -> Iterator[Finding]:
    """Stock that is held for nobody."""
    if case.holds_stock:
        units = case.units_out
        subject = ", ".join(sorted(units))
        detail = "There is no such order, and stock is reserved for it."
        yield Finding(Code.RESERVATION_WITHOUT_ORDER, case.order_id, subject, "", 0, units.total(), detail)


def parcel_without_order(case: Case) -> Iterator[Finding]:
    """The carrier has a parcel that no shipment and no return knows of."""
    known = _parcels(case)
    for reference in sorted(case.bookings):
        if reference not in known:
            detail = "The carrier has a parcel that no shipment and no return knows of."
            yield Finding(Code.PARCEL_WITHOUT_ORDER, case.order_id, reference, "", 0, 1, detail)


# ── Stock and parcels ─────────────────────────────────────────────────────────────────────────────────────────────────


def reservation_without_effect(case: Case) -> Iterator[Finding]:
    """The reservation is not what the decision asks for. What holds too much is safe to release by the order's own
    workflow; what holds nothing would take units that were taken before.
    """
    if case.is_confirmed:
        if not case.holds_stock:
            status = case.reservation.status if case.reservation else "missing"
            yield without_effect(case, f"its reservation is {status}", safe=False)
    elif case.holds_stock:
        yield without_effect(case, "its stock is still reserved", safe=case.paid != PaymentStatus.CAPTURED)
    elif case.reservation is None and is_order_id(case.order_id) and not case.is_forgotten:
        yield without_effect(case, "nothing forbids a late reservation", safe=case.paid != PaymentStatus.CAPTURED)


def parcel_not_booked(case: Case) -> Iterator[Finding]:
    """A parcel that we believe to be on its way, and the carrier does not know."""
    if "carrier" not in case.night.sources:
        return
    for reference, (tracking, moved) in sorted(_parcels(case).items()):
        if (tracking or moved) and reference not in case.bookings:
            detail = "The parcel is booked as far as we know, and the carrier has no such booking."
            yield Finding(Code.PARCEL_NOT_BOOKED, case.order_id, reference, "", 1, 0, detail)


def _parcels(case: Case) -> dict[str, tuple[str, bool]]:
    """The parcels that there may be, by their reference: the tracking number, and whether the parcel has moved."""
    known: dict[str, tuple[str, bool]] = {}
    for parcel in case.shipment.parcels if case.shipment else ():
        moved = parcel.status != ParcelStatus.PLANNED
        known[parcel_reference(case.order_id, parcel.warehouse)] = (parcel.tracking, moved)
    for one in case.returns.returns.values() if case.returns else ():
        known[return_reference(case.order_id, one.return_id)] = (one.tracking, False)
    return known


# ── News ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def webhook_not_applied(case: Case) -> Iterator[Finding]:
    """News that nobody has settled for a day, or that was put aside as nobody's and is about something of ours."""
    for item in case.items.get("inbox", ()):
        status = item["status"]["S"]
        waits = status == NewsStatus.RECEIVED and _has_waited(case, item)
        if waits or (status == NewsStatus.UNKNOWN and _is_about(case, item)):
            kind = text(item, "kind") or "News"
            detail = f"{kind} was told, is about this shop, and was never applied."
            if waits:
                detail = f"{kind} was told more than a day ago, and is still {status}."
            yield Finding(Code.WEBHOOK_NOT_APPLIED, case.order_id, item["id"]["S"], "", 1, 0, detail)


def _has_waited(case: Case, item: Item) -> bool:
    return (seconds(text(item, "received_at")) or 0) + NEWS_SECONDS < case.night.as_of


def _is_about(case: Case, item: Item) -> bool:
    """Whether news is about a parcel, an intent or a refund that we know."""
    subject = text(item, "subject")
    if item["id"]["S"].startswith(f"{Sender.CARRIER}:"):
        return subject in _parcels(case)
    ours = {refund.provider_reference for refund in refunds(case)}
    ours |= {case.payment.provider_reference} if case.payment else set()
    return bool({subject, text(item, "intent")} & (ours - {""}))


# What comes first in a group explains what comes after it.
GROUPS: tuple[tuple[Check, ...], ...] = (
    MONEY,
    (reservation_without_effect,),
    (parcel_without_order, parcel_not_booked),
)
UNDECIDED: tuple[tuple[Check, ...], ...] = (
    (order_lost, payment_without_order, reservation_without_order, parcel_without_order),
)
