"""Every path of the return workflow, on both engines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orders import Status
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

DEFINITION = definition_of("return")
WAY = ["Label", "Arrive", "Inspect", "GiveBack", "Finish", "TellRefunded"]
RETURN_ID = "r-1"
LINES = [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 2}]
REFUNDED_AT = "2026-02-09T09:00:00.250+00:00"
USUAL: dict[str, Any] = {
    "inspect": {"lines": LINES, "amount": 890, "requested_at": "2026-01-05T09:00:00.250+00:00"},
    "restock": {"restocked": True},
    "refund": {"refunded": 890, "currency": "EUR", "at": "2026-02-09T08:59:59.250+00:00"},
    "finish": {"refunded_at": REFUNDED_AT},
}
STEPS = functions_called(DEFINITION)  # by the task's name
EACH_RETRY = pytest.mark.parametrize(("task", "error", "attempts"), retries(DEFINITION))


@pytest.fixture(params=STANDARD, ids=str)
def execute(request: pytest.FixtureRequest) -> Execute:
    """Take a return to its end: `execute(label=[raises("X"), None])` says what each call of a task answers."""

    def run(entry: dict[str, Any] | None = AS_PUBLISHED, **answers: Any) -> Path:
        return take(request.param, DEFINITION, entry, answers, USUAL, table=SHIPMENTS, return_id=RETURN_ID)

    return run


# ── The way ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_comes_back_is_put_back_paid_back_and_told_of(execute: Execute) -> None:
    done = execute()
    assert (done.run.status, done.states) == ("SUCCEEDED", WAY)
    assert {*done.tasks} == STEPS.keys()
    assert len(done.tasks) == len(STEPS)


def test_every_function_is_told_of_which_return_of_which_order(execute: Execute) -> None:
    done = execute()
    assert {(payload["order_id"], payload["return_id"]) for _, payload in done.calls} == {
        (done.payload("label")["order_id"], RETURN_ID)
    }


@pytest.mark.parametrize("lines", [LINES, LINES[:1]], ids=["two lines", "one line"])
def test_the_goods_and_the_money_are_those_that_the_return_was_asked_for_with(
    execute: Execute, lines: list[dict[str, Any]]
) -> None:
    done = execute(inspect=[USUAL["inspect"] | {"lines": lines}])
    assert done.payload("restock")["lines"] == lines
    assert done.payload("refund")["amount"] == 890


def test_the_customer_is_told_as_of_the_end_and_the_return_is_closed(execute: Execute) -> None:
    # As of the request it would be old news: a parcel may take longer than news is fresh.
    told = execute().payload("tell_returned")
    assert told.pop("order_id")
    assert told == {
        "outcome": Status.RETURNED,
        "return_id": RETURN_ID,
        "amount": 890,
        "reason": "",
        "decided_at": REFUNDED_AT,
        "close": True,
    }


def test_the_function_gets_the_token_the_execution_and_the_attempt(execute: Execute) -> None:
    done = execute(arrive=[raises("SomethingUnexpected"), None])
    first, second = done.payloads("arrive")
    assert first["task_token"]
    assert second["task_token"]
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert first["execution"] == second["execution"] == done.run.execution


@pytest.mark.parametrize("task", ["label", "inspect"])
def test_a_return_that_there_is_not_or_that_has_expired_is_done(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("NothingToReturn")]})
    assert done.run.status == "SUCCEEDED"
    assert done.states == [*WAY[: WAY.index(STEPS[task]) + 1], "Done"]
    assert len(done.payloads(task)) == 1


def test_a_parcel_that_is_still_on_its_way_is_left_to_whoever_waits(execute: Execute) -> None:
    done = execute(inspect=[raises("StillOnItsWay")])
    assert done.states == ["Label", "Arrive", "Inspect", "Later"]
    assert len(done.payloads("inspect")) == 1
    assert "stuck" not in done.entry


@pytest.mark.parametrize("task", ["restock", "refund"])
def test_a_return_is_not_finished_before_it_is_back_and_paid_back(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("SomethingUnexpected")]})
    assert done.states[-2:] == ["GiveBack", "Later"]
    assert done.payloads("finish") == []


# ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


@EACH_RETRY
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**{task: [*[failing(error)] * attempts, None]})
    assert done.states == WAY
    assert len(done.payloads(task)) == attempts + 1


@EACH_RETRY
def test_what_does_not_recover_leaves_the_return_on_the_list_and_calls_nobody(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**{task: [failing(error)]})
    assert done.run.status == "SUCCEEDED"
    assert done.states[-2:] == [STEPS[task], "Later"]
    assert len(done.payloads(task)) == attempts + 1
    assert "stuck" not in done.entry


@pytest.mark.parametrize("task", STEPS)
def test_what_only_a_person_can_repair_is_marked_at_once(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("Unrecoverable")]})
    assert done.states[-1] == "Escalate"
    assert len(done.payloads(task)) == 1
    assert done.stuck == (STEPS[task], "Unrecoverable")


def test_a_return_that_was_closed_meanwhile_is_not_opened_again(execute: Execute) -> None:
    done = execute(entry=None, label=[raises("Unrecoverable")])
    assert done.states == ["Label", "Escalate", "Later"]
    assert done.entry == {}


def test_these_paths_come_through_every_state() -> None:
    assert {*WAY, "Done", "Later", "Escalate"} == json.loads(DEFINITION)["States"].keys()
