"""The invariants. Each is a function that yields what contradicts it, and one sentence.

They hold when nothing is under way any more. On the way there, an order may well be decided and not yet paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from invariants.books import Books, Happened, ordered_units
from invariants.front_door import INVARIANTS as FRONT_DOOR
from invariants.invariant import Invariant
from invariants.shipping import INVARIANTS as SHIPPING
from invariants.shipping import refunds_to_tell
from notify import email
from orders import NEXT, Outcome, Reason, Status, backoff
from orders.events import BECAME, PLACED

# The template's defaults.
PATIENCE_MINUTES, OPEN_LIMIT_MINUTES = 60, 120
DAY = 24 * 60 * 60
# Why an order is declined of which a hold could not be had for too long.
UNAVAILABLE = (Reason.INVENTORY_UNAVAILABLE, Reason.PAYMENT_UNAVAILABLE)


def violations(books: Books) -> dict[Invariant, list[str]]:
    """What contradicts each invariant that these books can speak of: nothing, if all is well."""
    return {
        invariant: list(invariant.check(books))
        for invariant in INVARIANTS
        if all(books.knows(evidence) for evidence in invariant.needs)
    }


def nothing_is_oversold(books: Books) -> Iterator[str]:
    for sku, counters in books.counters.items():
        if min(counters) < 0:
            yield f"{sku}: {min(counters)} available"


def stock_is_conserved(books: Books) -> Iterator[str]:
    opening = books.opening or {}
    for sku in opening.keys() | books.counters.keys():
        there = opening.get(sku, 0) + books.arrived.get(sku, 0)
        available, reserved = books.available(sku), books.reserved(sku)
        if available + reserved != there:
            yield f"{sku}: {available} available + {reserved} held is not {there}"


def one_payment_at_most(books: Books) -> Iterator[str]:
    for order_id in books.intents:
        live = books.live(order_id)
        if len(live) > 1:
            yield f"{order_id}: {len(live)} intents hold or took money"


def confirmed_is_captured_in_full(books: Books) -> Iterator[str]:
    for order_id, state in books.states.items():
        if state["decision"]["outcome"] != Outcome.CONFIRMED or books.lapsed(order_id):
            continue
        taken = [intent.amount for intent in books.live(order_id) if intent.status == "succeeded"]
        held = books.sold_to(order_id)
        # A customer may have changed the order after it was checked: what counts is that one version was carried out.
        if not any(taken == [order["total"]] and held == ordered_units(order) for order in books.versions(order_id)):
            yield f"{order_id}: taken {taken}, sold {dict(held)}"


def otherwise_nothing_is_held(books: Books) -> Iterator[str]:
    for order_id, state in books.states.items():
        outcome = state["decision"]["outcome"]
        if outcome == Outcome.CONFIRMED:
            continue
        yield from (f"{order_id} is {outcome}, its intent {intent.status}" for intent in books.live(order_id))
        if books.held_by(order_id):
            yield f"{order_id} is {outcome}, its stock reserved"


def records_agree_with_the_decision(books: Books) -> Iterator[str]:
    for order_id, state in books.states.items():
        outcome, status, history = state["decision"]["outcome"], state["status"], state["history"]
        # What comes after the decision begins with it.
        if outcome not in (status, Outcome.CONFIRMED) or not {outcome, status} <= history.keys():
            yield f"{order_id}: decided {outcome}, status {status}, history {sorted(history)}"
        if not books.followed(order_id):
            reservation, payment = books.reservations.get(order_id), books.payments.get(order_id)
            reserved, paid = reservation and reservation.status, payment and payment.status
            yield f"{order_id}: decided {outcome}, reservation {reserved}, payment {paid}"


def everything_is_decided(books: Books) -> Iterator[str]:
    yield from (f"{order_id} is undecided" for order_id in books.orders if order_id not in books.states)


def the_decision_never_changes(books: Books) -> Iterator[str]:
    latest: dict[str, dict[str, Any] | None] = {}
    for order_id, state in books.past or ():
        before = latest.get(order_id, state)
        latest[order_id] = state
        if before is None or state is None:
            yield f"{order_id}: what became of it was deleted"
        elif before["decision"] != state["decision"]:
            yield f"{order_id}: {before['decision']} became {state['decision']}"
        elif before["status"] != state["status"] and state["status"] not in NEXT[Status(before["status"])]:
            yield f"{order_id}: {before['status']} became {state['status']}"
        elif not before["history"].items() <= state["history"].items():
            yield f"{order_id}: its history {before['history']} became {state['history']}"


def the_outcome_is_right(books: Books) -> Iterator[str]:
    expected = books.expected or {}
    for order_id in books.states.keys() | books.orders.keys():
        status = books.decision(order_id).get("outcome", Status.PLACED)
        if books.decision(order_id).get("reason") in UNAVAILABLE:
            continue  # the patience is over: see no_sale_is_lost_to_what_passes
        if status not in expected.get(order_id, ()):
            yield f"{order_id}: {status}, not {' or '.join(sorted(expected.get(order_id, ()))) or 'expected at all'}"


def the_reason_is_true(books: Books) -> Iterator[str]:
    """Nobody is told that something is sold out that was there for everyone, or that a good card was declined."""
    opening, placed = books.opening or {}, books.placed or {}
    wanted: Counter[str] = Counter()
    for versions in placed.values():
        wanted.update(ordered_units(versions[0]))
    short = any(quantity > opening.get(sku, 0) for sku, quantity in wanted.items())
    for order_id, state in books.states.items():
        reason, violations = state["decision"]["reason"], state["decision"].get("violations", [])
        if reason == Reason.OUT_OF_STOCK and not short:
            yield f"{order_id}: {reason}, and there was enough"
        # What Stripe's test cards that are declined have in common: https://docs.stripe.com/testing#declined-payments
        if reason == Reason.PAYMENT_DECLINED and not any("Declined" in v["payment_method"] for v in placed[order_id]):
            yield f"{order_id}: {reason}, with a good card"
        if (reason == Reason.ORDER_INVALID) != bool(violations):
            yield f"{order_id}: {reason}, violations: {violations}"


def orders_are_the_customers(books: Books) -> Iterator[str]:
    for order_id, order in books.orders.items():
        if order not in (books.placed or {}).get(order_id, ()):
            yield f"{order_id}: nobody wrote it like this, with {sorted(order)}"


def the_customer_is_told_the_outcome(books: Books) -> Iterator[str]:
    for order_id, state in books.states.items():
        told, right = set(books.told(order_id)), _news_of(books, order_id, state)
        # Of an order that was deleted nobody knows the address.
        to_tell = email.address_of(books.orders.get(order_id, {})) is not None
        if told != right and (told or to_tell):
            yield f"{order_id} has come to {sorted(right)}, the customer was told {sorted(told) or 'nothing'}"


def _news_of(books: Books, order_id: str, state: dict[str, Any]) -> set[str]:
    """What an order's customer has to be told of: of everything that it came to, and of each refund. That it is kept
    they know.
    """
    quiet = {Status.ARCHIVED, Status.RETURNED}
    refunded = {Status.RETURNED} if refunds_to_tell(books, order_id) else set()
    return {status for status in state["history"] if status not in quiet} | refunded


def nobody_else_is_told(books: Books) -> Iterator[str]:
    for order_id in books.states:
        addresses = {email.address_of(order) for order in books.versions(order_id)}
        for _, one in books.emails_about(order_id):
            if addresses and one.to not in addresses:
                yield f"{order_id}: somebody else was told"


def nobody_is_told_twice(books: Books) -> Iterator[str]:
    for order_id in books.states:
        told, unrecorded = Counter(books.told(order_id)), (books.unrecorded or {}).get(order_id, 0)
        news = Counter(dict.fromkeys(told, 1)) | Counter({str(Status.RETURNED): refunds_to_tell(books, order_id)})
        again = told - news
        if again.total() > unrecorded:
            yield f"{order_id}: the customer was told of {dict(again)} again, {unrecorded} can be explained"


def other_content_is_refused(books: Books) -> Iterator[str]:
    for (what, order_id), contents in (books.held or {}).items():
        if any(content != contents[0] for content in contents):
            yield f"{order_id}: {what} was answered for {contents}"


def every_change_is_announced(books: Books) -> Iterator[str]:
    changes = {Happened(PLACED, order_id) for order_id in books.placed or ()}
    changes |= {Happened(BECAME[state["status"]], order_id) for order_id, state in books.past or () if state}
    for what, order_id in sorted(changes - set(books.events or ())):
        yield f"{order_id}: no {what} on the bus"


def every_order_is_started(books: Books) -> Iterator[str]:
    started = {execution.order_id for execution in books.executions or ()}
    for what, order_id in books.events or ():
        if what == PLACED and order_id not in started:
            yield f"{order_id}: its event started nothing"


def every_workflow_ends(books: Books) -> Iterator[str]:
    yield from (f"{one.name} never ended" for one in books.executions or () if one.status == "RUNNING")


def no_workflow_fails(books: Books) -> Iterator[str]:
    # One that is ABORTED was cut off. What it left is the sweep's to finish.
    for one in books.executions or ():
        if one.status not in ("RUNNING", "SUCCEEDED", "ABORTED"):
            yield f"{one.order_id}: {one.name} {one.status.lower()}: {one.error}"


def every_order_ends(books: Books) -> Iterator[str]:
    yield from (f"{order_id} is still open" for order_id in sorted(books.open))


def no_sale_is_lost_to_what_passes(books: Books) -> Iterator[str]:
    # The last wait may be longer than what is left of the patience.
    enough = PATIENCE_MINUTES - backoff.MINUTES[-1]
    for order_id, state in books.states.items():
        if state["decision"]["reason"] in UNAVAILABLE and (books.minutes_away or 0) < enough:
            yield f"{order_id}: {state['decision']['reason']}, after {books.minutes_away} minutes of outage"


def nobody_is_called_for_what_passes(books: Books) -> Iterator[str]:
    for order_id in books.called or ():
        open_for_long = (books.minutes_away or 0) + backoff.MINUTES[-1] >= OPEN_LIMIT_MINUTES
        if order_id not in books.mistaken and not open_for_long:
            yield f"{order_id}: a person was called, after {books.minutes_away} minutes of outage"


def a_person_is_called_once_a_day(books: Books) -> Iterator[str]:
    for order_id, calls in (books.called or {}).items():
        for first, second in pairwise(sorted(call for call in calls if call.recorded)):
            if first.opening == second.opening and second.at - first.at < DAY:
                yield f"{order_id}: a person was called again after {second.at - first.at:.0f} s"


def a_person_is_called_for_what_needs_one(books: Books) -> Iterator[str]:
    # The longest wait, once more for a sweep that died over the call, and once for an execution that died.
    soon = 60 * (3 * backoff.MINUTES[-1] + (books.minutes_away or 0))
    for order_id, found in books.mistaken.items():
        if not any(call.at <= found + soon for call in (books.called or {}).get(order_id, ())):
            yield f"{order_id}: nobody was called within {soon / 60:.0f} minutes"


def a_sweep_is_taken_on_once(books: Books) -> Iterator[str]:
    for (order_id, sweep), times in sorted((books.claims or {}).items()):
        if times > 1:
            yield f"{order_id}: the {sweep} was taken on {times} times"


def nothing_waits(books: Books) -> Iterator[str]:
    if books.waiting:
        yield f"{books.waiting} waiting"


INVARIANTS = (
    Invariant("No stock is sold that is not there", nothing_is_oversold),
    Invariant("Stock is conserved: what is available and what is held add up", stock_is_conserved, ("opening",)),
    Invariant("No order has two live payments", one_payment_at_most, ("intents",)),
    Invariant(
        "Each confirmed order is captured once, in full, and holds what was ordered",
        confirmed_is_captured_in_full,
        ("intents",),
    ),
    Invariant("Each cancelled or rejected order holds neither stock nor money", otherwise_nothing_is_held),
    Invariant("Order, reservation and payment agree with the decision", records_agree_with_the_decision),
    Invariant("Nothing is undecided", everything_is_decided),
    Invariant("No decision ever changed", the_decision_never_changes, ("past",)),
    Invariant("Each order came to an outcome that is right for it", the_outcome_is_right, ("expected",)),
    Invariant("Each reason is true", the_reason_is_true, ("opening", "placed")),
    Invariant("Each order's item is as its customer wrote it", orders_are_the_customers, ("placed",)),
    Invariant("Each customer is told of the outcome, and of no other", the_customer_is_told_the_outcome, ("emails",)),
    Invariant("Nobody else is told", nobody_else_is_told, ("emails",)),
    Invariant("No customer is told twice, unless a notify died over the email", nobody_is_told_twice, ("emails",)),
    Invariant("Nothing is held for other content than was held before", other_content_is_refused, ("held",)),
    Invariant(
        "Each change of an order is announced on the bus", every_change_is_announced, ("placed", "past", "events")
    ),
    Invariant("Each order that is announced starts a workflow", every_order_is_started, ("events", "executions")),
    Invariant("Each workflow has come to its end", every_workflow_ends, ("executions",)),
    Invariant("No workflow fails", no_workflow_fails, ("executions",)),
    Invariant("Each order comes to its end: none is open any more", every_order_ends),
    Invariant(
        "No order is cancelled for an outage that is shorter than the patience",
        no_sale_is_lost_to_what_passes,
        ("minutes_away",),
    ),
    Invariant(
        "Nobody is called for what passes by itself", nobody_is_called_for_what_passes, ("called", "minutes_away")
    ),
    Invariant("A person is called for what only a person can do", a_person_is_called_for_what_needs_one, ("called",)),
    Invariant(
        "A person is called once, and then daily, unless a sweep died over the call",
        a_person_is_called_once_a_day,
        ("called",),
    ),
    Invariant("No two sweeps take on the same order", a_sweep_is_taken_on_once, ("claims",)),
    *FRONT_DOOR,
    *SHIPPING,
    Invariant("No message waits in a dead-letter queue", nothing_waits, ("waiting",)),
)
