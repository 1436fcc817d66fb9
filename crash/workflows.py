"""The executions of the order workflow, as they change and as they have ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from invariants.books import Execution
from local.stack import RunningStack

# An attempt that ended like this may have done its work.
CUT_OFF = frozenset({"Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"})


class Attempt(NamedTuple):
    """A failed attempt at a step: the workflow's state, and the error."""

    state: str
    error: str


class History(NamedTuple):
    """What an execution went through: its failed attempts, and the state in which it is or has ended."""

    attempts: list[Attempt]
    state: str


class Workflows:
    """The executions of the order workflow, read as they change."""

    def __init__(self, stack: RunningStack) -> None:
        self._client = stack.client("stepfunctions")
        self._arn = stack.outputs["OrderWorkflowArn"]

    @property
    def running(self) -> int:
        """How many run now."""
        return sum(execution["status"] == "RUNNING" for execution in self._list())

    def histories(self) -> dict[Execution, History]:
        """What became of each execution."""
        return dict(self._history(one) for one in self._list())

    def _history(self, execution: dict[str, Any]) -> tuple[Execution, History]:
        arn = execution["executionArn"]
        events = self._client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return execution_from(execution["name"], execution["status"], events)

    def _list(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        return [execution for page in pages for execution in page["executions"]]


def execution_from(name: str, status: str, events: Sequence[dict[str, Any]]) -> tuple[Execution, History]:
    """Read an execution's history."""
    order_id, state, attempts = "", "", list[Attempt]()
    for event in events:
        if started := event.get("executionStartedEventDetails"):
            order_id = json.loads(started["input"])["order_id"]
        elif entered := event.get("stateEnteredEventDetails"):
            state = entered["name"]
        elif failed := event.get("taskFailedEventDetails"):
            attempts.append(Attempt(state, failed["error"]))
    error = f"{attempts[-1].state}: {attempts[-1].error}" if attempts else ""
    return Execution(name, order_id, status, error), History(attempts, state)


def interrupted_notices(histories: Mapping[Execution, History]) -> Counter[str]:
    """By order, how many attempts to write to the customer were cut off. Each may have sent its email and left no
    record of it, so the next one sends it again (docs/patterns.md).
    """
    return Counter(
        execution.order_id
        for execution, history in histories.items()
        for attempt in history.attempts
        if attempt.state == "Notify" and attempt.error in CUT_OFF
    )
