"""Every path of the order workflow, on both engines and as both workflow types.

Which retries and catches there are is read from the definition, so a new Task or a new retrier is tested by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from orders.errors import OrderInvalid
from tests.exhaustive import sampled
from tests.workflow.conftest import AS_PUBLISHED, DEFINITION, PLACED_AT, STATES, Execution, put, raises, refused
from tests.workflow.definitions import MINUTES as PATIENCE
from tests.workflow.engines import TaskFailed
from tests.workflow.retries import every_state

Execute = Callable[..., Execution]

CONFIRM = ["Validate", "Try", "Confirm", "Capture", "Notify"]
CANCEL = ["Validate", "Try", "Confirm", "Decline", "Undo", "Notify"]

TASKS = {name.lower(): state for name, state in every_state(DEFINITION["States"]) if state["Type"] == "Task"}
FUNCTIONS = [name for name, task in TASKS.items() if ":lambda:invoke" in task["Resource"]]
HOLDS = {"reserve": "INVENTORY_UNAVAILABLE", "authorize": "PAYMENT_UNAVAILABLE"}
# At which step of the workflow a task's failure is reported: a branch's, as that of the Parallel around it.
STEP = {name: name.capitalize() for name in TASKS}
STEP |= dict.fromkeys(HOLDS, "Try") | dict.fromkeys(("release", "void"), "Undo")
OUT_OF_STOCK: dict[str, list[Any]] = {"reserve": [refused("OUT_OF_STOCK")]}
# What has to happen before a task is reached at all.
LEADS_TO: dict[str, dict[str, list[Any]]] = dict.fromkeys(("decline", "release", "void"), OUT_OF_STOCK) | {
    "escalate": {"notify": [raises("Unrecoverable")]},
    "review": {"validate": [raises("ReviewNeeded")]},
}
RETRIES = [
    pytest.param(task, error, retrier["MaxAttempts"], id=f"{task}-{error}")
    for task, state in TASKS.items()
    for retrier in state["Retry"]
    for error in retrier["ErrorEquals"]
]
each_retrier = pytest.mark.parametrize(
    ("task", "error", "attempts"), sampled(retrier for retrier in RETRIES if retrier.values[2])
)
each_function = pytest.mark.parametrize("task", FUNCTIONS)


def unexpected(task: str) -> TaskFailed:
    """What no retrier names: a function may raise anything, a service only what is its own."""
    return raises(
        "SomethingUnexpected" if task in FUNCTIONS else "DynamoDB.ProvisionedThroughputExceededException",
        "secret of the cause",
    )


def raised(task: str, error: str) -> TaskFailed:
    return unexpected(task) if error == "States.ALL" else raises(error, "no such luck")


def invalid(*violations: str) -> TaskFailed:
    return raises("OrderInvalid", str(OrderInvalid(list(violations))))


DECIDED_AT = "2026-01-01T09:00:03.000Z"


def decided(outcome: str, reason: str) -> dict[str, Any]:
    return {
        "decision": {"M": {"outcome": {"S": outcome}, "reason": {"S": reason}, "decided_at": {"S": DECIDED_AT}}},
        "status": {"S": outcome},
        "history": {"M": {outcome: {"S": DECIDED_AT}}},
    }


def meanwhile(state: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """A copy of the execution decides the order just before this one's write."""
    return lambda arguments: put(STATES, arguments["Key"]["order_id"]["S"], state)


# ── To the end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_can_be_fulfilled_is_confirmed(execute: Execute) -> None:
    done = execute()
    assert done.status == "SUCCEEDED"
    assert done.states == CONFIRM
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.state["status"] == {"S": "CONFIRMED"}
    assert [name for name, _ in done.calls if name in ("decline", "release", "void", "escalate")] == []


def test_both_holds_get_what_validation_let_through(execute: Execute) -> None:
    done = execute()
    order_id = done.state["order_id"]["S"]
    assert done.payloads("validate") == [{"order_id": order_id, "approved": ""}]
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


def test_the_last_step_gets_the_decision_that_stands(execute: Execute) -> None:
    done = execute(decided("CONFIRMED", "ACCEPTED"))
    assert done.payloads("notify") == [
        {
            "order_id": done.state["order_id"]["S"],
            "outcome": "CONFIRMED",
            "reason": "ACCEPTED",
            "decided_at": DECIDED_AT,
        }
    ]
    assert done.run.output == {"outcome": "CONFIRMED", "reason": "ACCEPTED", "decided_at": DECIDED_AT}


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
    assert done.states == ["Validate", "Decline", "Undo", "Notify"]
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
def test_a_refused_hold_cancels_the_order_at_once_and_undoes_both(
    execute: Execute, answers: dict[str, Any], reason: str
) -> None:
    done = execute(**answers)
    assert done.status == "SUCCEEDED"
    assert done.states == CANCEL
    assert done.outcome == ("CANCELLED", reason)
    assert done.state["status"] == {"S": "CANCELLED"}
    order_id = done.state["order_id"]["S"]
    assert done.payloads("release") == [{"action": "release", "order_id": order_id, "reason": reason}]
    assert done.payloads("void") == [{"action": "void", "order_id": order_id, "reason": reason}]
    assert done.count("capture") == 0
    assert done.count("notify") == 1


# ── The first decision stands ───────────────────────────────────────────────────────────────────────────────────────


def test_an_execution_that_would_confirm_follows_an_earlier_cancellation(execute: Execute) -> None:
    done = execute(decided("CANCELLED", "PAYMENT_DECLINED"))
    assert done.states == CANCEL
    assert done.outcome == ("CANCELLED", "PAYMENT_DECLINED")
    assert done.payloads("void")[0]["reason"] == "PAYMENT_DECLINED"
    assert done.count("capture") == 0


def test_an_execution_that_would_cancel_follows_an_earlier_confirmation(execute: Execute) -> None:
    done = execute(decided("CONFIRMED", "ACCEPTED"), **OUT_OF_STOCK)
    assert done.states == CONFIRM
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.count("release") == done.count("void") == 0


def test_an_execution_that_would_reject_follows_an_earlier_confirmation(execute: Execute) -> None:
    # The order was put again, with another total, after it had been confirmed.
    done = execute(decided("CONFIRMED", "ACCEPTED"), validate=[invalid("total: is wrong")])
    assert done.states == ["Validate", "Decline", "Confirm", "Capture", "Notify"]
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert "violations" not in done.state["decision"]["M"]
    assert done.count("release") == done.count("void") == 0


def test_an_execution_that_is_out_of_patience_follows_an_earlier_confirmation(execute: Execute) -> None:
    done = execute(decided("CONFIRMED", "ACCEPTED"), authorize=[raises("GatewayUnavailable")], tried_minutes=PATIENCE)
    assert done.states == ["Validate", "Try", "Patience", "Decline", "Confirm", "Capture", "Notify"]
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.count("release") == done.count("void") == 0


def test_a_confirmation_between_the_two_writes_of_a_refusal_is_followed(execute: Execute) -> None:
    done = execute(**OUT_OF_STOCK, decline=[meanwhile(decided("CONFIRMED", "ACCEPTED"))])
    assert done.states == ["Validate", "Try", "Confirm", "Decline", "Confirm", "Capture", "Notify"]
    assert done.outcome == ("CONFIRMED", "ACCEPTED")
    assert done.count("release") == done.count("void") == 0


def test_a_cancellation_just_before_a_confirmation_is_followed(execute: Execute) -> None:
    done = execute(confirm=[meanwhile(decided("CANCELLED", "OUT_OF_STOCK"))])
    assert done.states == CANCEL
    assert done.outcome == ("CANCELLED", "OUT_OF_STOCK")
    assert done.count("capture") == 0


@pytest.mark.parametrize(
    ("outcome", "reason", "later"), [("CONFIRMED", "ACCEPTED", "SHIPPED"), ("CANCELLED", "OUT_OF_STOCK", "ARCHIVED")]
)
def test_a_decision_keeps_the_status_that_the_order_has_gone_on_to(
    execute: Execute, outcome: str, reason: str, later: str
) -> None:
    before = {**decided(outcome, reason), "status": {"S": later}}
    done = execute(before)
    assert {name: value for name, value in done.state.items() if name != "order_id"} == before


def test_a_second_execution_of_the_same_order_repeats_nothing_that_the_first_decided(execute: Execute) -> None:
    first = execute()
    again = execute({"decision": first.state["decision"]}, authorize=[refused("PAYMENT_DECLINED")])
    assert again.state["decision"] == first.state["decision"]


# ── Patience ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tried", [None, 1, PATIENCE - 1])
@pytest.mark.parametrize("hold", HOLDS)
def test_a_hold_that_cannot_be_had_for_now_decides_nothing(execute: Execute, hold: str, tried: int | None) -> None:
    done = execute(**{hold: [unexpected(hold)]}, tried_minutes=tried)
    assert done.status == "SUCCEEDED"
    assert done.states == ["Validate", "Try", "Patience", "Later"]
    assert done.state == {}
    assert done.count("release") == done.count("void") == done.count("notify") == done.count("escalate") == 0


@pytest.mark.parametrize("tried", [PATIENCE, PATIENCE + 15])
@pytest.mark.parametrize(("hold", "reason"), HOLDS.items())
def test_a_hold_that_could_not_be_had_for_too_long_cancels_the_order_and_undoes_both(
    execute: Execute, hold: str, reason: str, tried: int
) -> None:
    done = execute(**{hold: [unexpected(hold)]}, tried_minutes=tried)
    assert done.states == ["Validate", "Try", "Patience", "Decline", "Undo", "Notify"]
    assert done.outcome == ("CANCELLED", reason)
    assert [payload["reason"] for payload in done.payloads("release") + done.payloads("void")] == [reason] * 2


def test_a_refusal_beside_a_hold_that_cannot_be_had_waits_for_it(execute: Execute) -> None:
    # The branch that fails is all that the workflow sees; in AWS it may also have cut the other one off.
    done = execute(reserve=[refused("OUT_OF_STOCK")], authorize=[unexpected("authorize")])
    assert done.states[-2:] == ["Patience", "Later"]
    assert done.state == {}


def test_two_holds_that_could_not_be_had_for_too_long_are_one_decision(execute: Execute) -> None:
    done = execute(reserve=[unexpected("reserve")], authorize=[unexpected("authorize")], tried_minutes=PATIENCE)
    assert done.outcome == ("CANCELLED", "INVENTORY_UNAVAILABLE")


@pytest.mark.parametrize(("outcome", "reason"), [("CONFIRMED", "ACCEPTED"), ("CANCELLED", "PAYMENT_DECLINED")])
@pytest.mark.parametrize("hold", HOLDS)
def test_patience_with_an_order_that_is_decided_changes_no_decision(
    execute: Execute, hold: str, outcome: str, reason: str
) -> None:
    done = execute(decided(outcome, reason), **{hold: [unexpected(hold)]}, tried_minutes=PATIENCE)
    assert done.outcome == (outcome, reason)
    assert done.states[-1] == "Notify"


def test_what_passes_is_waited_for_however_long_where_an_order_is_decided(execute: Execute) -> None:
    done = execute(capture=[unexpected("capture")], tried_minutes=100 * PATIENCE)
    assert done.states[-1] == "Later"
    assert done.outcome == ("CONFIRMED", "ACCEPTED")


# ── Retries, and what is left to the sweep ──────────────────────────────────────────────────────────────────────────


@each_retrier
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    lead = LEADS_TO.get(task, {})
    undisturbed = execute(**lead)
    done = execute(**lead, **{task: [*[raised(task, error)] * attempts, None]})
    assert done.count(task) == attempts + 1
    assert done.states == undisturbed.states
    assert done.state.keys() == undisturbed.state.keys()
    assert (done.status, done.stuck.keys()) == (undisturbed.status, undisturbed.stuck.keys())


@each_retrier
def test_what_does_not_recover_leaves_the_order_open_and_calls_nobody(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**LEADS_TO.get(task, {}), **{task: [raised(task, error)]})
    assert done.count(task) == attempts + 1
    assert (done.status, done.states[-1]) == ("SUCCEEDED", "Later")
    assert {name: value for name, value in done.open_order.items() if name != "order_id"} == AS_PUBLISHED
    assert "secret" not in json.dumps(done.run.output)


@pytest.mark.parametrize("task", ["release", "void"])
def test_a_compensation_that_fails_does_not_keep_the_other_from_being_tried(execute: Execute, task: str) -> None:
    done = execute(**OUT_OF_STOCK, **{task: [unexpected(task)]})
    assert done.count("release") >= 1
    assert done.count("void") >= 1


# ── A person ────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_function
def test_what_only_a_person_can_repair_is_tried_once_and_marks_the_open_order(execute: Execute, task: str) -> None:
    done = execute(**LEADS_TO.get(task, {}), **{task: [raises("Unrecoverable", "secret of the cause")]})
    assert done.count(task) == 1
    assert (done.status, done.states[-1]) == ("SUCCEEDED", "Escalate")
    assert done.stuck == {"step": STEP[task], "error": "Unrecoverable", "execution": done.run.execution}
    # When it is swept the next time is not the workflow's to say.
    assert {name: done.open_order[name] for name in AS_PUBLISHED} == AS_PUBLISHED
    assert "secret" not in json.dumps(done.open_order)


@each_function
def test_an_order_that_was_closed_meanwhile_is_opened_again_for_a_person(execute: Execute, task: str) -> None:
    done = execute(open_order=None, **LEADS_TO.get(task, {}), **{task: [raises("Unrecoverable")]})
    assert done.stuck["step"] == STEP[task]
    assert done.open_order["occurred_at"] == {"S": PLACED_AT}
    assert done.open_order["sweeps"] == {"N": "0"}
    assert done.open_order["sweep_at"]["N"].isdecimal()


@pytest.mark.parametrize("hold", HOLDS)
def test_a_hold_that_no_retry_mends_decides_nothing(execute: Execute, hold: str) -> None:
    done = execute(**{hold: [raises("Unrecoverable")]}, tried_minutes=PATIENCE)
    assert done.state == {}
    assert done.count("release") == done.count("void") == done.count("notify") == 0


def test_the_customer_is_told_nothing_while_the_decision_is_not_carried_out(execute: Execute) -> None:
    assert execute(capture=[raises("Unrecoverable")]).count("notify") == 0


@pytest.mark.parametrize(
    ("errors", "end"), [(("Unrecoverable", "Broken"), "Escalate"), (("Broken", "Unrecoverable"), "Later")]
)
@pytest.mark.parametrize(
    ("lead", "branches"), [({}, ("reserve", "authorize")), (OUT_OF_STOCK, ("release", "void"))], ids=["Try", "Undo"]
)
def test_of_two_branches_that_fail_the_first_says_what_happens_and_either_is_safe(
    execute: Execute, lead: dict[str, Any], branches: tuple[str, str], errors: tuple[str, str], end: str
) -> None:
    """In AWS the first is whichever fails first in time. When the other is what needs a person, the order is swept, and
    a later execution says so: by itself, once the first has passed.
    """
    done = execute(**lead, **{branch: [raises(error)] for branch, error in zip(branches, errors, strict=True)})
    assert (done.status, done.states[-1]) == ("SUCCEEDED", end)
    assert done.count("notify") == 0


def test_a_mark_that_cannot_be_written_leaves_the_order_to_the_sweep(execute: Execute) -> None:
    done = execute(capture=[raises("Unrecoverable")], escalate=[unexpected("escalate")])
    assert (done.status, done.states[-2:]) == ("SUCCEEDED", ["Escalate", "Later"])
    assert done.stuck == {}
