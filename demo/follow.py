"""Place orders and follow them on their way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rich.console import Group
from rich.live import Live
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.shop import GENERATED, Placement
from demo.show import orders_of, tally
from invariants.books import Books
from local.books import look
from local.console import bar_column, console
from local.stack import RunningStack

POLL_SECONDS = 0.4
UNDER_WAY = 10
# States that only route are left out of a path.
_STEPS = ("Validate", "Try", "Confirm", "Decline", "Capture", "Undo", "Escalate", "Later", "Notify")


def follow(
    stack: RunningStack, placements: Sequence[Placement], place: Callable[[Placement], None], seconds: float
) -> Books:
    """Place the orders and show them moving until everything has ended, for at most `seconds`; answers the last look.

    Generated orders arrive as customers do, one by one, and no more are under way than two cores can take.
    """
    shown = [placement for placement in placements if placement.title != GENERATED]
    waiting = [placement for placement in placements if placement.title == GENERATED]
    others = [placement.order_id for placement in waiting]
    deliveries = sum(placement.deliveries for placement in placements)
    for placement in shown:
        place(placement)
    paths = Paths(stack, {placement.order_id for placement in shown})
    deadline = time.monotonic() + seconds
    bar = Progress(TextColumn("generated orders"), bar_column(), MofNCompleteColumn(), TimeElapsedColumn())
    task = bar.add_task("generated", total=len(others))
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        ended = False
        while True:
            now = look(stack)
            settled = sum(map(now.settled, others))
            for _ in range(UNDER_WAY - (len(others) - len(waiting) - settled)):
                if waiting:
                    place(waiting.pop(0))
            bar.update(task, completed=settled)
            table = orders_of(shown, now, paths.update())
            live.update(Group(table, tally(now, others), bar) if others else table, refresh=True)
            if ended:
                return now
            # Not when the orders are settled: a duplicate may still be under way, and must change nothing either.
            ended = (paths.ended >= deliveries and not paths.running) or time.monotonic() > deadline
            time.sleep(POLL_SECONDS)


class Paths:
    """The steps that each order's executions have taken so far."""

    def __init__(self, stack: RunningStack, order_ids: set[str], since: datetime | None = None) -> None:
        """Executions that started before `since` are left out."""
        self._client = stack.client("stepfunctions")
        self._arn = stack.outputs["OrderWorkflowArn"]
        self._wanted = order_ids
        self._since = since or datetime.min.replace(tzinfo=UTC)
        self._ended: dict[str, str] = {}
        self.running = 0
        self._steps: dict[str, tuple[str, list[str]]] = {}

    @property
    def ended(self) -> int:
        """How many executions have come to an end."""
        return len(self._ended)

    def update(self) -> dict[str, list[list[str]]]:
        """By order id, the steps of each of its executions, oldest first."""
        self.running = 0
        for page in self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn):
            for execution in page["executions"]:
                arn = execution["executionArn"]
                if arn in self._ended or execution["startDate"] < self._since:
                    continue
                if execution["status"] == "RUNNING":
                    self.running += 1
                else:
                    self._ended[arn] = execution["status"]
                self._read(arn)
        by_order: dict[str, list[list[str]]] = {}
        for order_id, steps in self._steps.values():
            by_order.setdefault(order_id, []).append(steps)
        return by_order

    def ends(self, order_id: str) -> set[str]:
        """How the order's executions ended; nothing while one of them runs, or before the first."""
        arns = [arn for arn, (whose, _) in self._steps.items() if whose == order_id]
        return {self._ended[arn] for arn in arns} if all(arn in self._ended for arn in arns) else set()

    def _read(self, arn: str) -> None:
        if arn in self._steps and self._steps[arn][0] not in self._wanted:
            return
        events = self._client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        order_id = json.loads(events[0]["executionStartedEventDetails"]["input"])["order_id"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        steps = [name for name in entered if name in _STEPS]
        # Confirm is also where it is found out that an order has to be declined.
        declined = "Decline" in steps
        self._steps[arn] = (order_id, [name for name in steps if not (declined and name == "Confirm")])
