"""MiniStack's workflow engine, made to write an execution's history as Step Functions does.

It says of an event nothing by which it could be told what the event follows, and of what runs within a Parallel or a
Map only that somebody was called. So nobody could say which of two branches was at what.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

# What of the engine is replaced, and why. A version that renames one of these fails here, by name.
ADD = "_add_event"  # writes an event into the history
INSIDE = "_run_sub_machine"  # runs a branch of a Parallel, or an item of a Map

# The execution that this thread runs, and its latest event here: a branch runs in a thread, and a context, of its own.
_before: ContextVar[tuple[str, int]] = ContextVar("_before", default=("", 0))
_WRITING = threading.Lock()  # of two branches' events at once, one is the first


def link_as_aws(engine: Any) -> None:
    """Make each event say which one it follows, and each state within another be entered and exited.

    Raises AttributeError when it has not got what is replaced.
    """
    add, run = getattr(engine, ADD), getattr(engine, INSIDE)

    def add_and_link(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
        arn, previous = _before.get()
        mine = str(execution.get("executionArn", ""))
        with _WRITING:
            event = add(execution, event_type, details)
        event["previousEventId"] = previous if arn == mine else 0
        _before.set((mine, event["id"]))
        return event

    def run_and_tell(states: Mapping[str, Any], start_at: str, given: Any, execution: Any, context: Any) -> Any:
        told = _Told(states, lambda kind, name, end: add_and_link(execution, f"{kind}State{end}", _details(name, end)))
        result = run(told, start_at, given, execution, context)
        told.leave()
        return result

    setattr(engine, ADD, add_and_link)
    setattr(engine, INSIDE, run_and_tell)


class _Told(dict[str, Any]):
    """The states of a branch, which tells of each that is asked for: so the engine does when it comes to one."""

    def __init__(self, states: Mapping[str, Any], tell: Any) -> None:
        super().__init__(states)
        self._tell = tell
        self._in: tuple[str, str] | None = None

    def get(self, name: str, default: Any = None) -> Any:
        state = super().get(name, default)
        self.leave()
        if state:
            self._in = (str(state.get("Type")), name)
            self._tell(*self._in, "Entered")
        return state

    def leave(self) -> None:
        """Tell that the state which was asked for last is exited."""
        if self._in:
            self._tell(*self._in, "Exited")
            self._in = None


def _details(name: str, end: str) -> dict[str, Any]:
    return {f"state{end}EventDetails": {"name": name}}
