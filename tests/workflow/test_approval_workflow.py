"""Every path of the approval workflow, on both engines. Nobody waits here: a task that waits for its token is woken as
soon as its function has been called. What waiting does, and what is lost in it, is the simulation's.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.workflow.conftest import AS_PUBLISHED, OPEN, get, put, raises, through_ministack
from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.engines import ENGINES, Run, TaskFailed

(APPROVAL,) = (path for path in DEFINITIONS if path.name == "approval.asl.json")
DEFINITION = deployed(APPROVAL)
STATES = json.loads(DEFINITION)["States"]
RETRIES = [
    pytest.param(name.lower(), error, retrier["MaxAttempts"], id=f"{name}-{error}")
    for name in ("Ask", "Settle")
    for retrier in STATES[name]["Retry"]
    for error in retrier["ErrorEquals"]
    if retrier["MaxAttempts"]
]


@dataclass
class Path:
    """How an execution went; `calls` are the tasks that it called, with their payloads."""

    run: Run
    calls: list[tuple[str, dict[str, Any]]]
    open_order: dict[str, Any]

    @property
    def states(self) -> list[str]:
        return [name for name, _ in self.run.entered]

    def payloads(self, task: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == task]


Execute = Callable[..., Path]
_numbers = itertools.count(1)
# An Express workflow has no task that waits for a token.
STANDARD = [engine for engine in ENGINES if engine.workflow_type == "STANDARD"]


@pytest.fixture(params=STANDARD, ids=str)
def execute(request: pytest.FixtureRequest) -> Execute:
    """Run an approval: `execute(ask=[raises("X"), {}])` says what each call of a task answers, the last of which goes
    on.
    """

    def run(open_order: dict[str, Any] | None = AS_PUBLISHED, tried_minutes: int | None = None, **answers: Any) -> Path:
        order_id = f"approval-{next(_numbers)}"
        put(OPEN, order_id, open_order)
        calls: list[tuple[str, dict[str, Any]]] = []

        def call(integration: str, arguments: dict[str, Any]) -> Any:
            payload = arguments.get("Payload", arguments)
            name = payload.get("action", "escalate")
            calls.append((name, payload))
            script = answers.get(name, [None])
            answer = script[min(sum(called == name for called, _ in calls), len(script)) - 1]
            if isinstance(answer, TaskFailed):
                raise answer
            if name == "escalate":
                return through_ministack(integration, arguments)
            return {"StatusCode": 200, "Payload": {"settled": True} if name == "settle" else {}}

        detail = {"order_id": order_id, "occurred_at": "2026-01-01T09:00:00+00:00", "review": True}
        detail |= {} if tried_minutes is None else {"tried_minutes": tried_minutes}
        return Path(request.param.run(DEFINITION, detail, call), calls, get(OPEN, order_id))

    return run


def test_whoever_is_woken_settles_what_was_decided(execute: Execute) -> None:
    done = execute()
    assert done.run.status == "SUCCEEDED"
    assert done.states == ["Ask", "Settle"]
    assert done.run.output == {"settled": True}


def test_the_function_gets_the_token_the_execution_and_the_attempt(execute: Execute) -> None:
    done = execute(ask=[raises("SomethingUnexpected"), {}])
    first, second = done.payloads("ask")
    assert first["task_token"]
    assert second["task_token"]
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert first["execution"] == second["execution"] == done.run.execution
    assert first["tried_minutes"] == 0


def test_for_how_long_the_order_was_tried_is_handed_on(execute: Execute) -> None:
    done = execute(tried_minutes=45)
    assert [payload["tried_minutes"] for _, payload in done.calls] == [45, 45]


@pytest.mark.parametrize(("task", "error", "attempts"), RETRIES)
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    failure = raises("SomethingUnexpected" if error == "States.ALL" else error)
    done = execute(**{task: [*[failure] * attempts, None]})
    assert done.states == ["Ask", "Settle"]
    assert len(done.payloads(task)) == attempts + 1


@pytest.mark.parametrize(("task", "error", "attempts"), RETRIES)
def test_what_does_not_recover_leaves_the_order_open_and_calls_nobody(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**{task: [raises("SomethingUnexpected" if error == "States.ALL" else error)]})
    assert done.run.status == "SUCCEEDED"
    assert done.states[-1] == "Later"
    assert len(done.payloads(task)) == attempts + 1
    assert "stuck" not in done.open_order


@pytest.mark.parametrize("task", ["ask", "settle"])
def test_what_only_a_person_can_repair_is_marked_at_once(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("Unrecoverable")]})
    assert done.states[-1] == "Escalate"
    assert len(done.payloads(task)) == 1
    stuck = done.open_order["stuck"]["M"]
    assert (stuck["step"]["S"], stuck["error"]["S"]) == (task.capitalize(), "Unrecoverable")


def test_an_order_that_was_closed_meanwhile_is_not_opened_again(execute: Execute) -> None:
    done = execute(open_order=None, ask=[raises("Unrecoverable")])
    assert done.states == ["Ask", "Escalate", "Later"]
    assert done.open_order == {}
