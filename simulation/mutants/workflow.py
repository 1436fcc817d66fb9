"""Of the definition, and of what starts it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Definition, Mutant, redrawn, state_of, without
from simulation.patching import patched
from simulation.schedule import Mutation, Schedule
from simulation.world import World, redefined


def _last_writer_wins(definition: Definition) -> None:
    state_of(definition, "Decide")["Arguments"]["UpdateExpression"] = (
        "SET decision = :decision, #status = :outcome, history = :history"
    )


def _follows_itself(definition: Definition) -> None:
    """Remember what this execution wanted to decide, whatever is in the table."""
    no = "$states.input[$not(held)][0]"
    outcome = f"$exists({no}) ? ($exists({no}.outcome) ? {no}.outcome : 'CANCELLED') : 'CONFIRMED'"
    reason = f"$exists({no}) ? {no}.reason : 'ACCEPTED'"
    state_of(definition, "Decide")["Assign"]["decision"] |= {
        "outcome": f"{{% {outcome} %}}",
        "reason": f"{{% {reason} %}}",
    }


def _decides_in_the_order(here: World) -> AbstractContextManager[Any]:
    """Write the decision into the customer's item."""

    def change(definition: Definition) -> None:
        state_of(definition, "Decide")["Arguments"]["TableName"] = here.stack.tables["OrdersTable"]

    return redefined(here, change)


def _rejects_without_cancelling(definition: Definition) -> None:
    choice = {"Condition": "{% $decision.outcome = 'REJECTED' %}", "Next": "Notify"}
    state_of(definition, "Follow")["Choices"].append(choice)


def _lets_a_branch_fail(definition: Definition) -> None:
    del state_of(definition, "Reserve")["Catch"]
    del state_of(definition, "Try")["Catch"]


def _catches_only_what_is_expected(definition: Definition) -> None:
    state_of(definition, "Authorize")["Catch"][-1]["ErrorEquals"] = ["GatewayUnavailable"]
    state_of(definition, "Try")["Catch"][-1]["ErrorEquals"] = ["Unrecoverable"]


def _cancels_in_one_branch(branch: int) -> Mutation:
    def change(definition: Definition) -> None:
        del state_of(definition, "Cancel")["Branches"][branch]

    return redrawn(change)


MUTANTS = [
    Mutant(
        "decide: the last writer wins",
        redrawn(_last_writer_wins),
        "the_decision_never_changes",
        Schedule("happy", "once"),
    ),
    Mutant(
        "decide: in the customer's item",
        _decides_in_the_order,
        "orders_are_the_customers",
        Schedule("deleted under way", "once"),
    ),
    Mutant(
        "decide: follow one's own wish",
        redrawn(_follows_itself),
        "records_agree_with_the_decision",
        Schedule("price changed between two executions", "once"),
    ),
    Mutant(
        "workflow: let a branch fail",
        redrawn(_lets_a_branch_fail),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("reserve/dynamodb.TransactWriteItems#1", "outage"),)),
    ),
    Mutant(
        "workflow: catch only what is expected",
        redrawn(_catches_only_what_is_expected),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("authorize/dynamodb.PutItem#1", "outage"),)),
    ),
    Mutant(
        "workflow: no catch around capture",
        without("Capture", "Catch"),
        "a_person_is_told",
        Schedule("happy", "once", (Fault("capture/dynamodb.UpdateItem#1", "outage"),)),
    ),
    Mutant(
        "workflow: do not undo what was rejected",
        redrawn(_rejects_without_cancelling),
        "records_agree_with_the_decision",
        Schedule("invalid", "once"),
    ),
    Mutant(
        "workflow: cancel without release",
        _cancels_in_one_branch(0),
        "records_agree_with_the_decision",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "workflow: cancel without void",
        _cancels_in_one_branch(1),
        "otherwise_nothing_is_held",
        Schedule("last unit", "once"),
    ),
    Mutant(
        "rule: start nothing",
        lambda here: patched([(here, "start_execution", lambda *_: None)]),
        "every_order_is_started",
        Schedule("happy", "once"),
    ),
]
