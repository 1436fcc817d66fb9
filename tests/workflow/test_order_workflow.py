"""Every path of the order workflow, on both engines and as both workflow types.

Which retries and catches there are is read from the definition, so a new Task or a new retrier is tested by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orders.errors import OrderInvalid
from tests.workflow.conftest import DEFINITION, Execution, raises, refused
from tests.workflow.engines import TaskFailed

Execute = Callable[..., Execution]

CONFIRM = ["Validate", "Try", "Decide", "Follow", "Capture", "Notify"]
CANCEL = ["Validate", "Try", "Decide", "Follow", "Cancel", "Undone", "Notify"]


def tasks(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Task of the definition by the name that a script gives it, branches included."""
    for name, state in states.items():
        if state["Type"] == "Task":
            yield name.lower() if name != "Escalate" else "alert", state
        for branch in state.get("Branches", []):
            yield from tasks(branch["States"])


TASKS = dict(tasks(DEFINITION["States"]))
# What has to happen before a task is reached at all.
LEADS_TO: dict[str, dict[str, list[Any]]] = {
    "release": {"reserve": [refused("OUT_OF_STOCK")]},
    "void": {"reserve": [refused("OUT_OF_STOCK")]},
    "alert": {"notify": [raises("Unrecoverable")]},
}
RETRIES = [
    pytest.param(task, error, retrier["MaxAttempts"], id=f"{task}-{error}")
    for task, state in TASKS.items()
    for retrier in state["Retry"]
    for error in retrier["ErrorEquals"]
]


# What no retrier names: a function may raise anything, a service only what is its own.
UNEXPECTED = {"decide": "DynamoDB.ProvisionedThroughputExceededException", "alert": "SNS.ThrottledException"}


def invalid(*violations: str) -> TaskFailed:
    return raises("OrderInvalid", str(OrderInvalid(list(violations))))


def raised(task: str, error: str) -> TaskFailed:
    unexpected = UNEXPECTED.get(task, "SomethingUnexpected")
    return raises(unexpected if error == "States.ALL" else error, "no such luck")


def test_an_order_that_can_be_fulfilled_is_confirmed(execute: Execute) -> None:
    done = execute()
    assert done.status == "SUCCEEDED"
    assert done.states == CONFIRM
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.state["status"] == {"S": "CONFIRMED"}
    assert [name for name, _ in done.calls if name in ("release", "void", "alert")] == []


def test_both_holds_get_what_validation_let_through(execute: Execute) -> None:
    done = execute()
    order_id = done.state["order_id"]["S"]
    assert done.payloads("validate") == [{"order_id": order_id}]
    lines = [{"sku": "TEA", "quantity": 2}]
    assert done.payloads("reserve") == [{"action": "reserve", "order_id": order_id, "lines": lines}]
    assert done.payloads("authorize") == [
        {
            "action": "authorize",
            "order_id": order_id,
            "amount": 1780,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
        }
    ]


@pytest.mark.parametrize(
    "violations",
    [["total: is wrong"], ["total: is wrong", "lines[0].sku: is not 'here'"]],
    ids=["one violation", "two"],
)
def test_an_invalid_order_is_rejected_with_every_violation_and_nothing_is_tried(
    execute: Execute, violations: list[str]
) -> None:
    done = execute(validate=[invalid(*violations)])
    assert done.status == "SUCCEEDED"
    assert done.outcome == ("REJECTED", "ORDER_INVALID")
    stored = done.state["decision"]["M"]["violations"]["L"]
    assert [violation["S"] for violation in stored] == violations
    assert done.count("validate") == 1
    assert done.count("reserve") == done.count("authorize") == done.count("capture") == 0
    assert done.count("notify") == 1


def test_a_rejection_undoes_what_a_copy_of_the_execution_may_have_held(execute: Execute) -> None:
    done = execute(validate=[invalid("total: is wrong")])
    assert [payload["reason"] for payload in done.payloads("release") + done.payloads("void")] == ["ORDER_INVALID"] * 2


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"reserve": [refused("OUT_OF_STOCK")]}, "OUT_OF_STOCK"),
        ({"authorize": [refused("PAYMENT_DECLINED")]}, "PAYMENT_DECLINED"),
        ({"reserve": [refused("OUT_OF_STOCK")], "authorize": [refused("PAYMENT_DECLINED")]}, "OUT_OF_STOCK"),
    ],
    ids=["stock", "payment", "both"],
)
def test_a_refused_hold_cancels_the_order_and_undoes_both(
    execute: Execute, answers: dict[str, Any], reason: str
) -> None:
    done = execute(**answers)
    assert done.status == "SUCCEEDED"
    assert done.states == CANCEL
    assert done.outcome == ("CANCELLED", reason)
    order_id = done.state["order_id"]["S"]
    assert done.payloads("release") == [{"action": "release", "order_id": order_id, "reason": reason}]
    assert done.payloads("void") == [{"action": "void", "order_id": order_id, "reason": reason}]
    assert done.count("capture") == 0
    assert done.count("notify") == 1


@pytest.mark.parametrize(
    ("branch", "reason"), [("reserve", "INVENTORY_UNAVAILABLE"), ("authorize", "PAYMENT_UNAVAILABLE")]
)
def test_a_branch_that_cannot_tell_cancels_the_order_without_cutting_off_the_other(
    execute: Execute, branch: str, reason: str
) -> None:
    done = execute(**{branch: [raises("SomethingUnexpected")]})
    assert done.status == "SUCCEEDED"
    assert done.outcome == ("CANCELLED", reason)
    assert {"reserve", "authorize", "release", "void"} <= {name for name, _ in done.calls}


def test_both_branches_failing_still_comes_to_one_decision(execute: Execute) -> None:
    done = execute(reserve=[raises("SomethingUnexpected")], authorize=[raises("SomethingUnexpected")])
    assert done.outcome == ("CANCELLED", "INVENTORY_UNAVAILABLE")
    assert done.status == "SUCCEEDED"


DECIDED_AT = "2026-01-01T09:00:03.000Z"


def decided(outcome: str, reason: str) -> dict[str, Any]:
    return {
        "decision": {"M": {"outcome": {"S": outcome}, "reason": {"S": reason}, "decided_at": {"S": DECIDED_AT}}},
        "status": {"S": outcome},
        "history": {"M": {outcome: {"S": DECIDED_AT}}},
    }


def test_an_execution_that_would_confirm_follows_an_earlier_cancellation(execute: Execute) -> None:
    done = execute(decided("CANCELLED", "PAYMENT_DECLINED"))
    assert done.states == CANCEL
    assert done.outcome == ("CANCELLED", "PAYMENT_DECLINED")
    assert done.payloads("void")[0]["reason"] == "PAYMENT_DECLINED"
    assert done.count("capture") == 0


def test_an_execution_that_would_cancel_follows_an_earlier_confirmation(execute: Execute) -> None:
    done = execute(decided("CONFIRMED", "ACCEPTED"), reserve=[refused("OUT_OF_STOCK")])
    assert done.states == CONFIRM
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.count("release") == done.count("void") == 0


def test_a_decision_keeps_the_status_that_the_order_has_gone_on_to(execute: Execute) -> None:
    done = execute({**decided("CONFIRMED", "ACCEPTED"), "status": {"S": "SHIPPED"}})
    assert done.state["status"] == {"S": "SHIPPED"}


@pytest.mark.parametrize(("task", "error", "attempts"), [case for case in RETRIES if case.values[2]])
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    lead = LEADS_TO.get(task, {})
    undisturbed = execute(**lead)
    done = execute(**lead, **{task: [*[raised(task, error)] * attempts, None]})
    assert done.count(task) == attempts + 1
    assert done.status == undisturbed.status
    assert done.states == undisturbed.states
    assert done.outcome == undisturbed.outcome


# An invalid order is an outcome, not a failure, and has tests of its own.
@pytest.mark.parametrize(("task", "error", "attempts"), [case for case in RETRIES if case.values[1] != "OrderInvalid"])
def test_a_task_that_does_not_recover_is_caught(execute: Execute, task: str, error: str, attempts: int) -> None:
    done = execute(**LEADS_TO.get(task, {}), **{task: [raised(task, error)]})
    assert done.count(task) == attempts + 1
    if task in ("reserve", "authorize") and error != "Unrecoverable":
        assert done.status == "SUCCEEDED"
        assert done.outcome[0] == "CANCELLED"
    else:
        assert done.status == "FAILED"
        assert done.error == "States.NoChoiceMatched"
        assert done.states[-2:] == ["Escalate", "AwaitRedrive"]


@pytest.mark.parametrize("task", [task for task in TASKS if task not in ("reserve", "authorize", "alert")])
def test_what_cannot_finish_tells_a_person_which_step_of_which_order_is_stuck(execute: Execute, task: str) -> None:
    done = execute(
        **LEADS_TO.get(task, {}), **{task: [raises(UNEXPECTED.get(task, "SomethingUnexpected"), "secret of the cause")]}
    )
    (alert,) = done.alerts
    assert alert["stuck"] == {"step": task.capitalize(), "error": UNEXPECTED.get(task, "SomethingUnexpected")}
    assert alert["order_id"] == done.payloads("validate")[0]["order_id"]
    assert "execution" in alert
    assert "secret" not in json.dumps(alert)


@pytest.mark.parametrize("task", ["reserve", "authorize"])
def test_a_hold_that_no_retry_mends_is_named_at_once_and_cancels_nothing(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("Unrecoverable", "secret of the cause")]})
    (alert,) = done.alerts
    assert alert["stuck"] == {"step": "Try", "error": "Unrecoverable"}
    assert done.count(task) == 1
    assert done.status == "FAILED"
    assert done.state == {}
    assert done.count("release") == done.count("void") == done.count("notify") == 0


def test_two_stuck_compensations_are_one_alert_that_names_both(execute: Execute) -> None:
    done = execute(reserve=[refused("OUT_OF_STOCK")], release=[raises("Unrecoverable")], void=[raises("Unrecoverable")])
    (alert,) = done.alerts
    assert [stuck["step"] for stuck in alert["stuck"]] == ["Release", "Void"]
    assert done.count("notify") == 0


def test_a_stuck_compensation_does_not_cut_off_the_other(execute: Execute) -> None:
    done = execute(reserve=[refused("OUT_OF_STOCK")], release=[raises("Unrecoverable")])
    assert done.count("void") == 1
    assert done.status == "FAILED"


def test_the_customer_is_told_nothing_while_the_decision_is_not_carried_out(execute: Execute) -> None:
    assert execute(capture=[raises("Unrecoverable")]).count("notify") == 0


def test_an_alert_that_cannot_be_sent_still_fails_the_execution_where_it_can_be_redriven(execute: Execute) -> None:
    done = execute(capture=[raises("Unrecoverable")], alert=[raises("SNS.KMSDisabledException")])
    assert done.status == "FAILED"
    assert done.states[-1] == "AwaitRedrive"


def test_a_second_execution_of_the_same_order_repeats_nothing_that_the_first_decided(execute: Execute) -> None:
    first = execute()
    again = execute({"decision": first.state["decision"]}, authorize=[refused("PAYMENT_DECLINED")])
    assert again.state["decision"] == first.state["decision"]
