"""What an execution has done, from its history: for each state, whether it runs, has succeeded, was retried or failed.

The history is that of GetExecutionHistory. An event's `previousEventId` says which state it belongs to where branches
run side by side. A history without is read in its order, and what is within a Parallel stands as the Parallel does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from console.machine import Kind, Machine


class Standing(StrEnum):
    """How far a state has come. The value is the class of what is drawn."""

    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    DONE = "done"
    CAUGHT = "caught"
    FAILED = "failed"
    STOPPED = "stopped"


# A standing is never told by its colour alone.
SIGNS = {
    Standing.RUNNING: "▶",
    Standing.WAITING: "…",
    Standing.RETRYING: "↻",
    Standing.DONE: "✓",
    Standing.CAUGHT: "↷",
    Standing.FAILED: "✗",
    Standing.STOPPED: "■",
}
UNDER_WAY = frozenset({Standing.RUNNING, Standing.WAITING, Standing.RETRYING})

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
_ATTEMPTS = ("TaskScheduled", "LambdaFunctionScheduled")
_SUCCEEDED = ("TaskSucceeded", "LambdaFunctionSucceeded", "ParallelStateSucceeded", "MapStateSucceeded")
_FAILED = (
    *("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed", "LambdaFunctionFailed"),
    *("LambdaFunctionScheduleFailed", "LambdaFunctionTimedOut", "ParallelStateFailed", "MapStateFailed"),
)


@dataclass
class Visit:
    """One time that an execution came to a state, and what happened there. `came_from` and `went_to` are the states
    before and after it at the same level, `answer` what was answered by what it called.
    """

    state: str
    kind: str
    entered: datetime
    exited: datetime | None = None
    attempts: int = 0
    errors: list[str] = field(default_factory=list)
    answer: Any = None
    failing: bool = False
    came_from: str | None = None
    went_to: str | None = None

    @property
    def retries(self) -> int:
        return max(0, self.attempts - 1) if self.kind == "Task" else 0


@dataclass(frozen=True)
class Progress:
    """What an execution has come to at one state: how it stands, how often it was entered and retried in all, and the
    errors that it met.
    """

    standing: Standing
    times: int = 1
    retries: int = 0
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """An execution's visits in the order in which they began. `over` says that nothing more will come, and `error` why
    it failed, if it did.
    """

    visits: tuple[Visit, ...] = ()
    over: bool = False
    error: str = ""

    @property
    def taken(self) -> list[tuple[str, str]]:
        """The ways that were taken, from state to state."""
        return [(visit.came_from, visit.state) for visit in self.visits if visit.came_from]


def read(events: Sequence[Mapping[str, Any]]) -> History:
    """Read a history, whole or as far as it goes."""
    linked = any(event.get("previousEventId") for event in events)
    visits: list[Visit] = []
    owner: dict[int, Visit] = {}  # by the id of an event, the visit that it is part of
    over, error = False, ""
    for event in events:
        kind = str(event["type"])
        if kind.startswith("Execution"):
            over = over or kind != "ExecutionStarted"
            error = error or next(iter(_errors(event)), "")
            continue
        before = owner.get(event.get("previousEventId", 0)) if linked else next(reversed(visits), None)
        visit = _visit(visits, before, kind, event)
        if visit:
            owner[event["id"]] = visit
    return History(tuple(visits), over, error)


def _visit(visits: list[Visit], before: Visit | None, kind: str, event: Mapping[str, Any]) -> Visit | None:
    """The visit that an event is part of, which now knows of it. None where nobody can tell."""
    if kind.endswith("StateEntered"):
        visit = Visit(event["stateEnteredEventDetails"]["name"], kind.removesuffix("StateEntered"), event["timestamp"])
        if before and before.exited:  # else it is the Parallel that this begins a branch of
            visit.came_from, before.went_to = before.state, visit.state
        visits.append(visit)
        return visit
    if kind.endswith("StateExited"):
        name = event["stateExitedEventDetails"]["name"]
        mine = before if before and before.state == name and not before.exited else _last_open(visits, name)
        if mine:
            mine.exited = event["timestamp"]
        return mine
    if before:
        _note(before, kind, event)
    return before


def _last_open(visits: Sequence[Visit], name: str) -> Visit | None:
    return next((visit for visit in reversed(visits) if visit.state == name and not visit.exited), None)


def _note(visit: Visit, kind: str, event: Mapping[str, Any]) -> None:
    if kind in _ATTEMPTS:
        visit.attempts += 1
        visit.failing = False
    elif kind in _FAILED:
        visit.errors += _errors(event)
        visit.failing = True
    elif kind in _SUCCEEDED:
        visit.failing = False
        visit.answer = _answer(event)


def _errors(event: Mapping[str, Any]) -> Iterator[str]:
    for name, details in event.items():
        if name.endswith("EventDetails") and isinstance(details, dict) and details.get("error"):
            yield str(details["error"])


def _answer(event: Mapping[str, Any]) -> Any:
    """What was answered, without what differs from call to call: a function's result, an item's attributes."""
    details = event.get("taskSucceededEventDetails") or event.get("lambdaFunctionSucceededEventDetails") or {}
    try:
        answer = json.loads(details.get("output", "null"))
    except ValueError:  # it was too long for the history
        return None
    if not isinstance(answer, dict):
        return answer
    return next((answer[part] for part in ("Payload", "Attributes", "Item") if part in answer), answer)


def progress(machine: Machine, history: History) -> dict[str, Progress]:
    """How each state stands that was come to."""
    by_state: dict[str, list[Visit]] = {}
    for visit in history.visits:
        by_state.setdefault(visit.state, []).append(visit)
    found: dict[str, Progress] = {}
    for name in machine.states:
        if visits := by_state.get(name):
            found[name] = Progress(
                _standing(machine, history, visits[-1]),
                len(visits),
                sum(visit.retries for visit in visits),
                tuple(error for visit in visits for error in visit.errors),
            )
    for name, state in machine.states.items():
        inside = [inner for branch in state.branches for inner in branch]
        if name in found and not any(inner in found for inner in inside) and found[name].standing != Standing.CAUGHT:
            found |= {inner: Progress(found[name].standing) for inner in _usual(machine, inside)}
    return found


def _standing(machine: Machine, history: History, visit: Visit) -> Standing:
    if visit.exited:
        ways = {way.kind for way in machine.between(visit.state, visit.went_to)} if visit.went_to else set()
        return Standing.CAUGHT if visit.failing or ways == {Kind.CATCH} else Standing.DONE
    if visit.kind == "Fail" or (history.over and visit.failing):
        return Standing.FAILED
    if history.over or _outlived(machine, history, visit):
        return Standing.STOPPED
    if visit.failing:
        return Standing.RETRYING
    return Standing.WAITING if machine.states[visit.state].waits else Standing.RUNNING


def _outlived(machine: Machine, history: History, visit: Visit) -> bool:
    """Whether what this is part of has ended without it: another branch failed."""
    parent = machine.states[visit.state].parent
    around = [one for one in history.visits if one.state == parent and one.entered <= visit.entered]
    return bool(around and around[-1].exited)


def _usual(machine: Machine, names: Sequence[str]) -> list[str]:
    """Of the states within another, those that are come to where nothing fails."""
    caught = {way.target for way in machine.ways if way.kind == Kind.CATCH}
    return [name for name in names if name not in caught]
