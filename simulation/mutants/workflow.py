"""Of the definition, and of what starts it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Definition, Mutant, redrawn, state_of, without
from simulation.patching import patched
from simulation.schedule import Mutation, Schedule
from simulation.world import World, redefined


def _last_writer_wins(state: str, condition: dict[str, str]) -> Mutation:
    def change(definition: Definition) -> None:
        arguments = state_of(definition, state)["Arguments"]
        arguments["UpdateExpression"] = "SET decision = :decision, #status = :outcome, history = :history"
        del arguments["ConditionExpression"]
        arguments |= condition

    return redrawn(change)


def _confirms_whatever_holds(definition: Definition) -> None:
    condition = "attribute_not_exists(decision) OR decision.outcome = :outcome"
    state_of(definition, "Confirm")["Arguments"]["ConditionExpression"] = condition


def _undoes_what_was_confirmed(definition: Definition) -> None:
    """Decline does not look whether a copy of this execution has confirmed the order."""
    arguments = state_of(definition, "Decline")["Arguments"]
    arguments["ConditionExpression"] += " OR attribute_exists(decision)"


def _decides_in_the_order(here: World) -> AbstractContextManager[Any]:
    """Write the decision into the customer's item."""

    def change(definition: Definition) -> None:
        for state in ("Confirm", "Decline"):
            state_of(definition, state)["Arguments"]["TableName"] = here.stack.tables["OrdersTable"]

    return redefined(here, change)


def _declines_without_undoing(definition: Definition) -> None:
    state_of(definition, "Decline")["Next"] = "Notify"


def _has_no_patience(definition: Definition) -> None:
    state_of(definition, "Patience")["Default"] = "Decline"


def _does_not_escalate(definition: Definition) -> None:
    for name in ("Validate", "Capture", "Undo", "Notify"):
        for catch in state_of(definition, name)["Catch"]:
            catch["Next"] = "Later" if catch["Next"] == "Escalate" else catch["Next"]


def _undoes_in_one_branch(branch: int) -> Mutation:
    def change(definition: Definition) -> None:
        del state_of(definition, "Undo")["Branches"][branch]

    return redrawn(change)


MUTANTS = [
    Mutant(
        "confirm: the last writer wins",
        _last_writer_wins("Confirm", {}),
        "the_decision_never_changes",
        Schedule("happy", "once"),
    ),
    Mutant(
        "decline: the last writer wins",
        _last_writer_wins("Decline", {"ConditionExpression": ":outcome <> :confirmed"}),
        "the_decision_never_changes",
        Schedule("price changed between two executions", "once"),
    ),
    Mutant(
        "confirm: whatever holds",
        redrawn(_confirms_whatever_holds),
        "the_outcome_is_right",
        Schedule("declined", "once"),
    ),
    Mutant(
        "decline: undo what a copy has confirmed",
        redrawn(_undoes_what_was_confirmed),
        "records_agree_with_the_decision",
        Schedule("price changed between two executions", "once"),
    ),
    Mutant(
        "confirm: in the customer's item",
        _decides_in_the_order,
        "orders_are_the_customers",
        Schedule("deleted under way", "once"),
    ),
    Mutant(
        "decline: do not undo",
        redrawn(_declines_without_undoing),
        "records_agree_with_the_decision",
        Schedule("invalid", "once"),
    ),
    Mutant(
        "undo: without release",
        _undoes_in_one_branch(0),
        "records_agree_with_the_decision",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "undo: without void",
        _undoes_in_one_branch(1),
        "otherwise_nothing_is_held",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "workflow: no patience",
        redrawn(_has_no_patience),
        "no_sale_is_lost_to_what_passes",
        Schedule("happy", "once", (Fault("authorize/gateway.authorize#1", "away 10"),)),
    ),
    Mutant(
        "workflow: a person is not called",
        redrawn(_does_not_escalate),
        "a_person_is_called_for_what_needs_one",
        Schedule("a price that is no number", "once"),
    ),
    Mutant(
        "workflow: no catch around a failing branch",
        without("Try", "Catch"),
        "no_workflow_fails",
        Schedule("happy", "once", (Fault("reserve/dynamodb.TransactWriteItems#1", "away 10"),)),
    ),
    Mutant(
        "workflow: no catch around capture",
        without("Capture", "Catch"),
        "no_workflow_fails",
        Schedule("happy", "once", (Fault("capture/dynamodb.UpdateItem#1", "away 10"),)),
    ),
    Mutant(
        "rule: start nothing",
        lambda here: patched([(here, "start_execution", lambda *_: None)]),
        "every_order_is_started",
        Schedule("happy", "once"),
    ),
]
