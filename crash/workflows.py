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


class Workflows:
    """The executions of the order workflow, read as they change."""

    def __init__(self, stack: RunningStack) -> None:
        self._client = stack.client("stepfunctions")
        self._arn = stack.outputs["OrderWorkflowArn"]
        self._orders: dict[str, str] = {}
        self.running = 0
        self.failed: dict[str, str] = {}

    @property
    def orders(self) -> set[str]:
        """The orders for which a workflow was started."""
        return set(self._orders.values())

    def update(self) -> None:
        """Count those that are `running`, and put those that `failed` in a map of execution to order."""
        self.running = 0
        for execution in self._list():
            arn, status = execution["executionArn"], execution["status"]
            if arn not in self._orders:
                described = self._client.describe_execution(executionArn=arn)
                self._orders[arn] = json.loads(described["input"])["order_id"]
            self.running += status == "RUNNING"
            if status not in ("RUNNING", "SUCCEEDED"):
                self.failed[arn] = self._orders[arn]

    def histories(self) -> dict[Execution, list[Attempt]]:
        """What became of each execution, and the attempts at its steps that failed."""
        return dict(self._history(one) for one in self._list())

    def _history(self, execution: dict[str, Any]) -> tuple[Execution, list[Attempt]]:
        arn = execution["executionArn"]
        events = self._client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return execution_from(execution["name"], execution["status"], events)

    def _list(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        return [execution for page in pages for execution in page["executions"]]


def execution_from(name: str, status: str, events: Sequence[dict[str, Any]]) -> tuple[Execution, list[Attempt]]:
    """Read an execution's history."""
    order_id, state, attempts, alerted = "", "", list[Attempt](), False
    for event in events:
        if started := event.get("executionStartedEventDetails"):
            order_id = json.loads(started["input"])["order_id"]
        elif entered := event.get("stateEnteredEventDetails"):
            state = entered["name"]
        elif failed := event.get("taskFailedEventDetails"):
            attempts.append(Attempt(state, failed["error"]))
        elif (succeeded := event.get("taskSucceededEventDetails")) and succeeded["resource"].endswith("sns:publish"):
            alerted = True
    error = f"{attempts[-1].state}: {attempts[-1].error}" if attempts else ""
    return Execution(name, order_id, status, error, alerted), attempts


def interrupted_notices(histories: Mapping[Execution, Sequence[Attempt]]) -> Counter[str]:
    """By order, how many attempts to write to the customer were cut off. Each may have sent its email and left no
    record of it, so the next one sends it again (docs/patterns.md).
    """
    return Counter(
        execution.order_id
        for execution, attempts in histories.items()
        for attempt in attempts
        if attempt.state == "Notify" and attempt.error in CUT_OFF
    )
