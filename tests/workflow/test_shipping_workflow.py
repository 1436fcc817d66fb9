"""Every path of the shipping workflow, on both engines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orders import Outcome, Reason, Status
from orders.shipping import CANCELLATION
from tests.workflow.beside import (
    STANDARD,
    Execute,
    Path,
    definition_of,
    failing,
    functions_called,
    retries,
    take,
)
from tests.workflow.conftest import AS_PUBLISHED, SHIPMENTS, raises

DEFINITION = definition_of("shipping")
WAY = ["Book", "TellShipped", "Await", "Deliver", "TellDelivered", "Keep", "Archive"]
BACK = ["Book", "Undo", "TellCancelled"]
SHIPPED_AT, DELIVERED_AT = "2026-01-02T09:00:00.250+00:00", "2026-01-04T09:00:00.250+00:00"
KEEP_UNTIL, REFUNDED_AT = "2026-01-18T09:00:00.250+00:00", "2026-01-01T10:00:00.250+00:00"
USUAL: dict[str, Any] = {
    "book": {"shipped_at": SHIPPED_AT},
    "deliver": {"delivered_at": DELIVERED_AT, "keep_until": KEEP_UNTIL},
    "archive": {"status": Status.ARCHIVED},
    "restock": {"restocked": True},
    "refund": {"refunded": 1780, "currency": "EUR", "at": REFUNDED_AT},
}
TAKEN_BACK = raises("OrderTakenBack")
STEPS = functions_called(DEFINITION)  # by the task's name
UNDOING = ("restock", "refund", "tell_cancelled")
EACH_RETRY = pytest.mark.parametrize(("task", "error", "attempts"), retries(DEFINITION))


@pytest.fixture(params=STANDARD, ids=str)
def execute(request: pytest.FixtureRequest) -> Execute:
    """Ship an order: `execute(book=[raises("X"), None])` says what each call of a task answers."""

    def run(entry: dict[str, Any] | None = AS_PUBLISHED, **answers: Any) -> Path:
        return take(request.param, DEFINITION, entry, answers, USUAL, table=SHIPMENTS)

    return run


def going(task: str, first: Any) -> dict[str, list[Any]]:
    """Answers with which the order comes to a task, and those of the task."""
    way: dict[str, list[Any]] = {"book": [TAKEN_BACK]} if task in UNDOING else {}
    return way | {task: first}


# ── The way ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_shipped_delivered_kept_and_archived(execute: Execute) -> None:
    done = execute()
    assert (done.run.status, done.states) == ("SUCCEEDED", WAY)
    assert done.run.output == {"status": "ARCHIVED"}
    assert done.tasks == ["book", "tell_shipping", "await", "deliver", "tell_delivered", "archive"]


def test_the_customer_is_told_at_which_time_it_was_and_the_order_stays_on_the_list(execute: Execute) -> None:
    done = execute()
    for task, outcome, at in (
        ("tell_shipping", Status.SHIPPING, SHIPPED_AT),
        ("tell_delivered", Status.DELIVERED, DELIVERED_AT),
    ):
        told = done.payload(task)
        assert told.pop("order_id")
        assert told == {"outcome": outcome, "reason": "", "decided_at": at, "close": False}


def test_the_customer_keeps_it_for_as_long_as_the_delivery_says(execute: Execute) -> None:
    assert ("Keep", {"keep_until": KEEP_UNTIL}) in execute().run.entered


def test_the_function_gets_the_token_the_execution_and_the_attempt(execute: Execute) -> None:
    done = execute(**{"await": [raises("SomethingUnexpected"), None]})
    first, second = done.payloads("await")
    assert first["task_token"]
    assert second["task_token"]
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert first["execution"] == second["execution"] == done.run.execution


@pytest.mark.parametrize("task", ["deliver", "archive"])
def test_what_is_still_on_its_way_is_looked_at_once_and_left_to_whoever_waits(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("StillOnItsWay")]})
    assert done.run.status == "SUCCEEDED"
    assert done.states == [*WAY[: WAY.index(STEPS[task]) + 1], "Later"]
    assert len(done.payloads(task)) == 1
    assert "stuck" not in done.entry


# ── Back, before it was shipped ─────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_was_taken_back_is_put_back_paid_back_and_closed(execute: Execute) -> None:
    done = execute(book=[TAKEN_BACK])
    assert (done.run.status, done.states) == ("SUCCEEDED", BACK)
    assert len(done.payloads("book")) == 1
    order_id = done.payload("book")["order_id"]
    # Without lines and an amount: all of it.
    for action in ("restock", "refund"):
        assert done.payload(action) == {"action": action, "order_id": order_id, "return_id": CANCELLATION}
    assert done.payload("tell_cancelled") == {
        "order_id": order_id,
        "outcome": Outcome.CANCELLED,
        "reason": Reason.CANCELLED_BEFORE_SHIPPING,
        "decided_at": REFUNDED_AT,
        "close": True,
    }


@pytest.mark.parametrize("task", ["restock", "refund"])
def test_nobody_is_told_before_the_order_is_back_and_paid_back(execute: Execute, task: str) -> None:
    done = execute(**going(task, [raises("SomethingUnexpected")]))
    assert done.states == ["Book", "Undo", "Later"]
    assert done.payloads("tell_cancelled") == []


# ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


@EACH_RETRY
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**going(task, [*[failing(error)] * attempts, None]))
    assert done.states == (BACK if task in UNDOING else WAY)
    assert len(done.payloads(task)) == attempts + 1


@EACH_RETRY
def test_what_does_not_recover_leaves_the_order_on_the_list_and_calls_nobody(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**going(task, [failing(error)]))
    assert done.run.status == "SUCCEEDED"
    assert done.states[-2:] == [STEPS[task], "Later"]
    assert len(done.payloads(task)) == attempts + 1
    assert "stuck" not in done.entry


@pytest.mark.parametrize("task", STEPS)
def test_what_only_a_person_can_repair_is_marked_at_once(execute: Execute, task: str) -> None:
    done = execute(**going(task, [raises("Unrecoverable")]))
    assert done.states[-1] == "Escalate"
    assert len(done.payloads(task)) == 1
    assert done.stuck == (STEPS[task], "Unrecoverable")


def test_an_order_that_was_closed_meanwhile_is_not_opened_again(execute: Execute) -> None:
    done = execute(entry=None, book=[raises("Unrecoverable")])
    assert done.states == ["Book", "Escalate", "Later"]
    assert done.entry == {}


def test_every_function_of_the_definition_is_called_on_one_of_these_paths(execute: Execute) -> None:
    called = {*execute().tasks, *execute(book=[TAKEN_BACK]).tasks}
    assert called == STEPS.keys()
    assert {*WAY, *BACK, "Later", "Escalate"} == json.loads(DEFINITION)["States"].keys()
