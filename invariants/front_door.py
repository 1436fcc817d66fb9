"""The invariants of the front door: of orders that come through the API, and of those that a person has to approve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from approve.app import CHOICES
from invariants.books import Books, ordered_units
from invariants.invariant import Invariant
from orders import Outcome, Reason, approval
from orders.approval import ApprovalStatus


def nothing_over_the_limit_goes_unapproved(books: Books) -> Iterator[str]:
    for order_id in books.states:
        for taken in (intent.amount for intent in books.live(order_id) if intent.status == "succeeded"):
            if not approval.is_needed(taken, books.limit or 0):
                continue
            given = books.approvals.get(order_id)
            if given is None or given.status != ApprovalStatus.APPROVED:
                yield f"{order_id}: {taken} taken, approval {given and given.status}"
            elif not any(
                approval.digest(order) == given.content and order["total"] == taken
                for order in books.versions(order_id)
            ):
                yield f"{order_id}: {taken} taken, which is not what was approved"


def the_first_answer_stands(books: Books) -> Iterator[str]:
    for click in books.clicks or ():
        stands = books.approvals[click.order_id].status
        chosen = CHOICES.get(click.choice)
        if click.status == 200 and stands != chosen:
            yield f"{click.order_id}: {stands}, and who said {click.choice} was told that it stands"
        # Who comes after the order was cancelled is told that, and a click before theirs may still be on its way.
        cancelled = books.decision(click.order_id).get("reason") == Reason.CANCELLED_BY_CUSTOMER
        if click.status in (409, 410) and stands == chosen and not cancelled:
            yield f"{click.order_id}: {stands}, and who said {click.choice} was told that it does not"
    for order_id, given in books.approvals.items():
        said = {CHOICES.get(click.choice) for click in books.clicks or () if click.order_id == order_id}
        if given.status in CHOICES.values() and given.status not in said:
            yield f"{order_id}: {given.status}, and nobody said so"


def what_is_not_approved_is_cancelled(books: Books) -> Iterator[str]:
    for order_id, given in books.approvals.items():
        reason = books.decision(order_id).get("reason", "")
        if given.status in approval.REASONS and books.decision(order_id).get("outcome") == Outcome.CONFIRMED:
            yield f"{order_id}: {given.status}, and confirmed"
        if reason in approval.REASONS.values() and approval.REASONS.get(given.status) != reason:
            yield f"{order_id}: {reason}, and its approval is {given.status}"
        elif given.status in approval.REASONS and not reason:
            yield f"{order_id}: {given.status}, and still undecided"


def every_approval_ends(books: Books) -> Iterator[str]:
    for order_id, given in books.approvals.items():
        if given.status == ApprovalStatus.PENDING and order_id not in books.states:
            yield f"{order_id}: nobody has approved or denied it, and it has not expired"


def the_approver_is_asked_once(books: Books) -> Iterator[str]:
    for order_id in books.approvals:
        asked, explained = (books.asked or {}).get(order_id, 0), books.explained.get(order_id, 1)
        # Who cancels before the approver is asked spares them, and so does an outage for as long as an approval waits.
        spared = books.decision(order_id).get("reason") == Reason.CANCELLED_BY_CUSTOMER or bool(books.minutes_away)
        if asked > explained or (asked == 0 and not spared):
            yield f"{order_id}: the approver was asked {asked} times, {explained} can be explained"


def nobody_waits_in_vain(books: Books) -> Iterator[str]:
    # After an outage it may: what is cancelled by its customer comes once, and not again and again by the sweep.
    for order_id in books.in_vain or ():
        if not books.minutes_away:
            yield f"{order_id}: an execution was never woken"


def a_cancel_that_was_answered_stands(books: Books) -> Iterator[str]:
    cancels = books.cancels or {}
    for order_id, statuses in cancels.items():
        state = books.states.get(order_id, {})
        cancelled = _cancelled_by_customer(state)
        if (200 in statuses and not cancelled) or (409 in statuses and cancelled):
            yield f"{order_id}: the customer was answered {statuses}, and it is {state}"
    for order_id, state in books.states.items():
        if _cancelled_by_customer(state) and order_id not in cancels:
            yield f"{order_id}: cancelled by its customer, who never asked for that"


def _cancelled_by_customer(state: Any) -> bool:
    undecided = state.get("decision", {}).get("reason") == Reason.CANCELLED_BY_CUSTOMER
    return bool(undecided or state.get("reason") == Reason.CANCELLED_BEFORE_SHIPPING)


def an_order_that_was_answered_is_placed(books: Books) -> Iterator[str]:
    told: dict[str, Any] = {}
    for wanted, status, order in books.placements or ():
        if status != 201:
            continue
        order_id = order["order_id"]
        if told.setdefault(order_id, order) != order:
            yield f"{order_id}: the same request was answered with {told[order_id]} and {order}"
        placed = books.orders.get(order_id)
        if placed is None or ordered_units(placed) != ordered_units(wanted):
            yield f"{order_id}: {wanted['lines']} were wanted, {placed and placed['lines']} are placed"


def the_catalogue_says_what_it_costs(books: Books) -> Iterator[str]:
    for order_id in {order["order_id"] for _, status, order in books.placements or () if status == 201}:
        for line in books.orders[order_id]["lines"]:
            if line["unit_price"] != (books.prices or {})[line["sku"]]:
                yield f"{order_id}: a {line['sku']} for {line['unit_price']}"


INVARIANTS = (
    Invariant(
        "No order over the limit is confirmed that nobody approved as it is",
        nothing_over_the_limit_goes_unapproved,
        ("limit", "intents"),
    ),
    Invariant("An approver's first answer stands, and nobody is told otherwise", the_first_answer_stands, ("clicks",)),
    Invariant("What is not approved is cancelled, and for that reason", what_is_not_approved_is_cancelled),
    Invariant("Each approval comes to its end", every_approval_ends),
    Invariant(
        "The approver is asked once, and reminded once, unless an ask died over the email",
        the_approver_is_asked_once,
        ("asked",),
    ),
    Invariant("No execution waits for an answer that has been given", nobody_waits_in_vain, ("in_vain",)),
    Invariant("A cancellation that was answered stands", a_cancel_that_was_answered_stands, ("cancels",)),
    Invariant(
        "Each order that the API has answered is placed, once, as it was wanted",
        an_order_that_was_answered_is_placed,
        ("placements",),
    ),
    Invariant("The catalogue says what an order costs", the_catalogue_says_what_it_costs, ("placements", "prices")),
)
