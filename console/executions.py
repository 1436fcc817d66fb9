"""Which executions an order has, of whichever workflow: those whose input names it.

Nobody can ask Step Functions that, so each execution's input is read once and remembered. What runs is read again, and
what has ended never is.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from console import history, machine
from console.history import History
from console.machine import Machine
from console.parts import words
from console.place import Place

AT_ONCE = 8  # requests
PAGE = 100  # executions in a list
LOOKED_THROUGH = 5000  # of each workflow at most, newest first
PATIENCE_SECONDS = 1.0  # for what is not known yet; the page is told when it is

ARN = "WorkflowArn"  # what the outputs end with that tell of a workflow
MENTION = "order_id"  # what a definition names that is about orders, one by one


@dataclass(frozen=True)
class Workflow:
    """A workflow that works on orders one by one. `listed` is false where its executions can't be listed, because they
    are Express on AWS.
    """

    name: str
    arn: str
    machine: Machine = field(repr=False, compare=False)
    listed: bool = True


@dataclass(frozen=True)
class Execution:
    """One execution of a workflow for an order. `status` is Step Functions' word; `given` is its input."""

    arn: str
    workflow: str
    status: str
    started: datetime
    stopped: datetime | None
    given: Mapping[str, Any] = field(repr=False)
    history: History = field(default_factory=History, repr=False)

    @property
    def runs(self) -> bool:
        return self.status == "RUNNING"

    @property
    def event_id(self) -> str:
        """The id of the event that started it."""
        return str(self.given.get("event_id", ""))

    @property
    def what_happened(self) -> str:
        """What that event said, as its id has it: `placed`, `confirmed`."""
        return self.event_id.removeprefix(f"{self.given.get('order_id')}:").partition(":")[0]

    @property
    def about(self) -> str:
        """Which of the order's returns it is about; empty for the order itself."""
        return str(self.given.get("return_id", ""))


class Executions:
    """What is known of a place's executions by now. Threads may share it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="executions")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="executions")
        self._reading: Future[None] | None = None
        self._lock = threading.Lock()
        self._workflows: dict[str, Workflow] | None = None
        self._given: dict[str, Mapping[str, Any]] = {}  # each execution's input, by its ARN
        self._by_order: dict[str, dict[str, str]] = {}  # of each order, the workflow by the execution's ARN
        self._ended: dict[str, Execution] = {}

    def workflows(self) -> dict[str, Workflow]:
        """The workflows that work on orders, by name. Raises what boto3 raises."""
        with self._lock:
            if self._workflows is None:
                self._workflows = {one.name: one for one in self._found_workflows()}
            return self._workflows

    def of(self, order_id: str) -> list[Execution]:
        """An order's executions, oldest first, as far as they are known. Raises what boto3 raises."""
        with self._lock:
            if self._reading is None or self._reading.done():
                self._reading = self._reader.submit(self._read_new)
            reading = self._reading
        with contextlib.suppress(
            TooLong
        ):  # there are many: what is known by now is answered, the rest with the next look
            reading.result(PATIENCE_SECONDS)
        known = list(self._by_order.get(order_id, {}).items())
        found = self._pool.map(lambda one: self._execution(*one), known)
        return sorted((one for one in found if one), key=lambda one: (one.started, one.arn))

    def _found_workflows(self) -> Iterator[Workflow]:
        client = self._place.client("stepfunctions")
        for output, arn in self._place.outputs.items():
            if output.endswith(ARN):
                described = client.describe_state_machine(stateMachineArn=arn)
                if MENTION in described["definition"]:
                    listed = self._place.embedded or described["type"] == "STANDARD"
                    definition = machine.read(json.loads(described["definition"]))
                    yield Workflow(words(output.removesuffix(ARN)), arn, definition, listed)

    def _read_new(self) -> None:
        for workflow in self.workflows().values():
            if workflow.listed:
                for arns in self._new(workflow):
                    for arn, given in zip(arns, self._pool.map(self._input, arns), strict=True):
                        self._given[arn] = given
                        order_id = given.get("order_id")
                        if isinstance(order_id, str):
                            self._by_order.setdefault(order_id, {})[arn] = workflow.name

    def _new(self, workflow: Workflow) -> Iterator[list[str]]:
        """The ARNs that are not known, page by page, newest first, until there are none. What runs is asked for by
        itself: it began before much of what has ended may have.
        """
        pages = self._place.client("stepfunctions").get_paginator("list_executions")
        asked = {"stateMachineArn": workflow.arn, "PaginationConfig": {"PageSize": PAGE, "MaxItems": LOOKED_THROUGH}}
        for only in ({"statusFilter": "RUNNING"}, {}):
            for page in pages.paginate(**asked, **only):
                new = [one["executionArn"] for one in page["executions"] if one["executionArn"] not in self._given]
                if not new:
                    break
                yield new

    def _input(self, arn: str) -> Mapping[str, Any]:
        try:
            described = self._place.client("stepfunctions").describe_execution(executionArn=arn)
            given = json.loads(described["input"])
        except (ClientError, KeyError, ValueError):  # it is gone, or was too long
            return {}
        return given if isinstance(given, dict) else {}

    def _execution(self, arn: str, workflow: str) -> Execution | None:
        if ended := self._ended.get(arn):
            return ended
        client = self._place.client("stepfunctions")
        try:
            described = client.describe_execution(executionArn=arn)
            pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
            events: list[dict[str, Any]] = [event for page in pages for event in page["events"]]
        except ClientError:  # its time is over
            return None
        found = Execution(
            arn,
            workflow,
            described["status"],
            described["startDate"],
            described.get("stopDate"),
            self._given[arn],
            history.read(events),
        )
        if not found.runs and found.history.over:
            self._ended[arn] = found
        return found


def by_subject(executions: Sequence[Execution]) -> dict[tuple[str, str], list[Execution]]:
    """The executions that may do the same thing twice: by workflow, and by what of the order they are about."""
    found: dict[tuple[str, str], list[Execution]] = {}
    for one in executions:
        found.setdefault((one.workflow, one.about), []).append(one)
    return found
