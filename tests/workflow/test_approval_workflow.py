"""Every path of the approval workflow, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflow.beside import STANDARD, Execute, Path, definition_of, failing, functions_called, retries, take
from tests.workflow.conftest import AS_PUBLISHED, raises

DEFINITION = definition_of("approval")
STEPS = functions_called(DEFINITION)  # by the task's name
EACH_RETRY = pytest.mark.parametrize(("task", "error", "attempts"), retries(DEFINITION))


@pytest.fixture(params=STANDARD, ids=str)
def execute(request: pytest.FixtureRequest) -> Execute:
    """Run an approval: `execute(ask=[raises("X"), {}])` says what each call of a task answers."""

    def run(entry: dict[str, Any] | None = AS_PUBLISHED, tried_minutes: int | None = None, **answers: Any) -> Path:
        detail: dict[str, Any] = {"review": True}
        detail |= {} if tried_minutes is None else {"tried_minutes": tried_minutes}
        return take(request.param, DEFINITION, entry, answers, {"settle": {"settled": True}}, **detail)

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


@EACH_RETRY
def test_a_task_that_recovers_within_its_retries_changes_nothing(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**{task: [*[failing(error)] * attempts, None]})
    assert done.states == ["Ask", "Settle"]
    assert len(done.payloads(task)) == attempts + 1


@EACH_RETRY
def test_what_does_not_recover_leaves_the_order_open_and_calls_nobody(
    execute: Execute, task: str, error: str, attempts: int
) -> None:
    done = execute(**{task: [failing(error)]})
    assert done.run.status == "SUCCEEDED"
    assert done.states[-1] == "Later"
    assert len(done.payloads(task)) == attempts + 1
    assert "stuck" not in done.entry


@pytest.mark.parametrize("task", STEPS)
def test_what_only_a_person_can_repair_is_marked_at_once(execute: Execute, task: str) -> None:
    done = execute(**{task: [raises("Unrecoverable")]})
    assert done.states[-1] == "Escalate"
    assert len(done.payloads(task)) == 1
    assert done.stuck == (STEPS[task], "Unrecoverable")


def test_an_order_that_was_closed_meanwhile_is_not_opened_again(execute: Execute) -> None:
    done = execute(entry=None, ask=[raises("Unrecoverable")])
    assert done.states == ["Ask", "Escalate", "Later"]
    assert done.entry == {}
