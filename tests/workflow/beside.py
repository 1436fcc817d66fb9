"""Paths of the workflows beside the order's, each on both engines.

Nobody waits here: a task that waits for its token is woken as soon as its function has been called, and a Wait state
ends when it begins. What waiting does, and what is lost in it, is the simulation's.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.workflow.conftest import OPEN, get, put, raises, through_ministack
from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.engines import ENGINES, Engine, Run, TaskFailed
from tests.workflow.retries import every_state

Execute = Callable[..., "Path"]
Answers = dict[str, list[Any]]
# An Express workflow has no task that waits for a token.
STANDARD = [engine for engine in ENGINES if engine.workflow_type == "STANDARD"]

_numbers = itertools.count(1)


@dataclass
class Path:
    """How an execution went; `calls` are the tasks that it called, with their payloads. `entry` is what is on the list
    afterwards, empty if nothing is.
    """

    run: Run
    calls: list[tuple[str, dict[str, Any]]]
    entry: dict[str, Any]

    @property
    def states(self) -> list[str]:
        return [name for name, _ in self.run.entered]

    @property
    def tasks(self) -> list[str]:
        return [name for name, _ in self.calls]

    def payloads(self, task: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == task]

    def payload(self, task: str) -> dict[str, Any]:
        """What the task was called with, which was called once."""
        [payload] = self.payloads(task)
        return payload

    @property
    def stuck(self) -> tuple[str, str]:
        """The step and the error that a person is called for. Raises KeyError when nobody is."""
        marked = self.entry["stuck"]["M"]
        return marked["step"]["S"], marked["error"]["S"]


def definition_of(name: str) -> str:
    """A workflow's definition as it is deployed."""
    (path,) = (path for path in DEFINITIONS if path.name == f"{name}.asl.json")
    return deployed(path)


def task_of(payload: Mapping[str, Any]) -> str:
    """The name that a script gives a task: its function's action, else of what the customer is told."""
    if "action" in payload:
        return str(payload["action"])
    return f"tell_{payload['outcome'].lower()}" if "outcome" in payload else "escalate"


def functions_called(definition: str) -> dict[str, str]:
    """The tasks of a definition that call a function, each with the state that it is, or is a branch of."""
    states = json.loads(definition)["States"]
    return {
        task_of(state["Arguments"]["Payload"]): step
        for step, top in states.items()
        for _, state in every_state({step: top})
        if "Payload" in state.get("Arguments", {})
    }


def retries(definition: str) -> list[Any]:
    """Every task with every error that it is tried again after, and how often."""
    return [
        pytest.param(task_of(state["Arguments"]["Payload"]), error, retrier["MaxAttempts"], id=f"{name}-{error}")
        for name, state in every_state(json.loads(definition)["States"])
        if "Payload" in state.get("Arguments", {})
        for retrier in state["Retry"]
        for error in retrier["ErrorEquals"]
        if retrier["MaxAttempts"]
    ]


def failing(error: str) -> TaskFailed:
    """A function that fails so; any way, where everything is tried again."""
    return raises("SomethingUnexpected" if error == "States.ALL" else error)


def take(
    engine: Engine,
    definition: str,
    entry: dict[str, Any] | None,
    answers: Answers,
    usual: Mapping[str, Any],
    *,
    table: str = OPEN,
    return_id: str = "",
    **detail: Any,
) -> Path:
    """Take an order, or a return of it, through a workflow.

    `answers` say what each call of a task answers, the last of which goes on, and None that it answers as `usual`.
    `entry` is what is on the list in `table` before, None for what was closed meanwhile; `detail` is the event's.
    """
    order_id = f"order-{next(_numbers)}"
    key = f"{order_id}/{return_id}" if return_id else order_id
    put(table, key, entry)
    calls: list[tuple[str, dict[str, Any]]] = []

    def call(integration: str, arguments: dict[str, Any]) -> Any:
        payload = arguments.get("Payload", arguments)
        name = task_of(payload)
        calls.append((name, payload))
        script = answers.get(name, [None])
        answer = script[min(sum(called == name for called, _ in calls), len(script)) - 1]
        if isinstance(answer, TaskFailed):
            raise answer
        if name == "escalate":
            return through_ministack(integration, arguments)
        return {"StatusCode": 200, "Payload": usual.get(name, {}) if answer is None else answer}

    event = {"order_id": order_id, "occurred_at": "2026-01-01T09:00:00+00:00"} | detail
    if return_id:
        event["return_id"] = return_id
    return Path(engine.run(definition, event, call), calls, get(table, key))
