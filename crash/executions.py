"""The executions of the order workflow, and what their histories say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.stack import RunningStack

# An attempt that ended like this may have done its work.
CUT_OFF = frozenset({"Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"})


@dataclass(frozen=True)
class Execution:
    """A workflow that has ended: its failed attempts as state and error, and whether it has alerted a person."""

    order_id: str
    status: str
    failures: list[tuple[str, str]]
    alerted: bool


class Executions:
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

    def histories(self) -> list[Execution]:
        """What became of each execution."""
        return [
            execution_from(
                one["status"],
                self._client.get_execution_history(executionArn=one["executionArn"], maxResults=1000)["events"],
            )
            for one in self._list()
        ]

    def _list(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        return [execution for page in pages for execution in page["executions"]]


def execution_from(status: str, events: Sequence[dict[str, Any]]) -> Execution:
    """Read an execution's history."""
    order_id, state, failures, alerted = "", "", [], False
    for event in events:
        if started := event.get("executionStartedEventDetails"):
            order_id = json.loads(started["input"])["order_id"]
        elif entered := event.get("stateEnteredEventDetails"):
            state = entered["name"]
        elif failed := event.get("taskFailedEventDetails"):
            failures.append((state, failed["error"]))
        elif (succeeded := event.get("taskSucceededEventDetails")) and succeeded["resource"].endswith("sns:publish"):
            alerted = True
    return Execution(order_id, status, failures, alerted)


def interrupted_notices(executions: Sequence[Execution]) -> Counter[str]:
    """By order, how many attempts to write to the customer were cut off."""
    return Counter(
        execution.order_id
        for execution in executions
        for state, error in execution.failures
        if state == "Notify" and error in CUT_OFF
    )
