"""Of the approval: the page, the workflow that waits, and what the pipeline does for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Definition, Mutant, With, redrawn, replaced, state_of, unconditional
from simulation.schedule import Schedule


def _approves_what_is_shown(original: Any) -> Any:
    def show(token: str) -> Any:
        page = original(token)
        sys.modules["approve.app"].decide(token, "approve")
        return page

    return show


def _trusts_the_order_in_the_link(_: Any) -> Any:
    """Do not look whether the secret is one of the order's."""
    app = sys.modules["approve.app"]

    def find(token: str) -> Any:
        order_id = token.partition(".")[0]
        try:
            order_id = app.approval.order_of(token)[0]
        except ValueError:
            return None, None, None
        order, state, item = app.read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "APPROVALS_TABLE")
        if item is None:
            return None, None, None
        return app.plain_item(order) if order else None, state, app.approval_from(item)

    return find


def _forgets_the_review(original: Any) -> Any:
    return lambda orders: original([replace(order, review=False) for order in orders])


def _counts_from_the_start(original: Any) -> Any:
    def event(*arguments: Any, **named: Any) -> Any:
        if "tried_minutes" in named:
            named["tried_minutes"] = 10_000
        return original(*arguments, **named)

    return event


def _review_is_later(definition: Definition) -> None:
    for catch in state_of(definition, "Validate")["Catch"]:
        catch["Next"] = "Later" if catch["Next"] == "Review" else catch["Next"]


class _Anything:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


MUTANTS = [
    Mutant(
        "get approvals {token}: looking approves",
        replaced("approve.app", "show", _approves_what_is_shown),
        "the_first_answer_stands",
        Schedule("nobody answers", "once"),
    ),
    Mutant(
        "post approvals {token}: the last answer stands",
        unconditional("post approvals {token}", "UpdateItem", ":pending"),
        "the_first_answer_stands",
        Schedule("two approvers at once", "once"),
    ),
    Mutant(
        "post approvals {token}: any link of the order will do",
        replaced("approve.app", "_find", _trusts_the_order_in_the_link),
        "the_outcome_is_right",
        Schedule("forged links", "once"),
    ),
    Mutant(
        "ask: whoever comes last waits",
        unconditional("ask", "UpdateItem", "attempt <= :attempt"),
        "nobody_waits_in_vain",
        Schedule("nobody answers", "at the same time"),
    ),
    Mutant(
        "ask: write to the approver whoever else does",
        unconditional("ask", "UpdateItem", "mail_at = :seen"),
        "the_approver_is_asked_once",
        Schedule("nobody answers", "at the same time"),
    ),
    Mutant(
        "ask: do not wake who waits",
        replaced("ask.app", "callback", lambda module: With(module, wake=lambda *_: False)),
        "nobody_waits_in_vain",
        Schedule("nobody answers", "once"),
    ),
    Mutant(
        "ask: never let an approval expire",
        replaced("ask.app", "_note", lambda _: lambda standing, *_: standing),
        "every_approval_ends",
        Schedule("nobody answers", "once"),
    ),
    Mutant(
        "settle: tell nobody",
        replaced("ask.app", "announce", lambda _: lambda _: None),
        "every_order_ends",
        Schedule("approved", "once"),
    ),
    Mutant(
        "settle: do not cancel what was denied",
        replaced("ask.app", "decisions", lambda module: With(module, cancel=lambda *_: None)),
        "what_is_not_approved_is_cancelled",
        Schedule("denied", "once"),
    ),
    Mutant(
        "settle: cancel what is decided",
        unconditional("settle", "UpdateItem", "attribute_not_exists(decision)"),
        "the_decision_never_changes",
        Schedule("denied", "once", (Fault("settle/dynamodb.UpdateItem#1", "zombie_late"),)),
    ),
    Mutant(
        "settle: the approver's time is the customer's",
        replaced("ask.app", "OrderEvent", _counts_from_the_start),
        "no_sale_is_lost_to_what_passes",
        Schedule("approved after two hours", "once", (Fault("authorize/gateway.authorize#1", "away 10"),)),
    ),
    Mutant(
        "validate: do not ask whether it was approved",
        replaced("validate.app", "approval", lambda module: With(module, is_needed=lambda *_: False)),
        "nothing_over_the_limit_goes_unapproved",
        Schedule("grown over the limit after it was placed", "once"),
    ),
    Mutant(
        "validate: whatever was approved",
        replaced("validate.app", "approval", lambda module: With(module, digest=lambda _: _Anything())),
        "nothing_over_the_limit_goes_unapproved",
        Schedule("changed after it was approved", "once"),
    ),
    Mutant(
        "workflow: nobody is asked about an order that grew",
        redrawn(_review_is_later),
        "every_order_ends",
        Schedule("grown over the limit after it was placed", "once"),
    ),
    Mutant(
        "sweep: forget that somebody has to approve it",
        replaced("sweep.app", "announce", _forgets_the_review),
        "nobody_is_called_for_what_passes",
        Schedule("nobody answers", "once"),
    ),
]
