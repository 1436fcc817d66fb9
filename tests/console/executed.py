"""Histories of executions as GetExecutionHistory writes them, and executions that have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from console import history
from console.executions import Execution

BEGAN = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
ORDER = "order-1"


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@dataclass
class Written:
    """A history under way. Each event follows the one before it in its branch, which is named."""

    start: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    moment: float = field(init=False)

    def __post_init__(self) -> None:
        self.moment = self.start
        self.add("ExecutionStarted", executionStartedEventDetails={"input": "{}"})

    def add(self, kind: str, branch: str = "", follows: str | None = None, **details: Any) -> Written:
        previous = self.latest.get(branch if follows is None else follows, self.latest.get("", 0))
        number = len(self.events) + 1
        event = {"id": number, "type": kind, "timestamp": at(self.moment), "previousEventId": previous}
        self.events.append(event | details)
        self.latest[branch] = number
        self.moment += 0.1
        return self

    def enter(self, name: str, kind: str = "Task", branch: str = "") -> Written:
        return self.add(f"{kind}StateEntered", branch, stateEnteredEventDetails={"name": name, "input": "{}"})

    def leave(self, name: str, kind: str = "Task", branch: str = "") -> Written:
        return self.add(f"{kind}StateExited", branch, stateExitedEventDetails={"name": name, "output": "{}"})

    def call(self, branch: str = "") -> Written:
        return self.add("TaskScheduled", branch, taskScheduledEventDetails={"resource": "invoke"})

    def answer(self, answer: Any = None, branch: str = "") -> Written:
        return self.add("TaskSucceeded", branch, taskSucceededEventDetails={"output": json.dumps({"Payload": answer})})

    def fail(self, error: str, branch: str = "") -> Written:
        return self.add("TaskFailed", branch, taskFailedEventDetails={"error": error, "cause": "<b>why</b>"})

    def task(self, name: str, answer: Any = None, branch: str = "") -> Written:
        """A state that was called, has answered and was left."""
        return self.enter(name, branch=branch).call(branch).answer(answer, branch).leave(name, branch=branch)

    def end(self, kind: str = "ExecutionSucceeded", **details: Any) -> Written:
        return self.add(kind, **details)

    @property
    def unlinked(self) -> list[dict[str, Any]]:
        """The same, where no event says what it follows."""
        return [{name: value for name, value in event.items() if name != "previousEventId"} for event in self.events]


def execution(
    name: str, written: Written, *, workflow: str = "order", status: str = "SUCCEEDED", **given: Any
) -> Execution:
    """An execution with this history, started by the event of a placed order."""
    running = status == "RUNNING"
    return Execution(
        f"arn:aws:states:us-east-1:123456789012:execution:{workflow}:{name}",
        workflow,
        status,
        written.events[0]["timestamp"],
        None if running else written.events[-1]["timestamp"],
        {"order_id": ORDER, "event_id": f"{ORDER}:placed"} | given,
        history.read(written.events),
    )


def stepped(start: float, steps: Sequence[tuple[str, Any]]) -> Written:
    """A history of so many tasks, one after the other."""
    written = Written(start)
    for name, answer in steps:
        written.task(name, answer)
    return written.end()
