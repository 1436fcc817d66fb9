"""The list of open orders, as the harness sees it: when the sweep is due, who took what on, and who was called."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from simulation import ministack, stack
from simulation.sandboxes import Sandboxes

EVERY_MINUTE = "rate(1 minute)"
DAY = 24 * 60 * 60


class Alert(NamedTuple):
    """A person was called, `at` seconds after the schedule began. `recorded` are the orders for which that was written
    down, by a sweep that nobody had given up on. `told`: it is what somebody told us, and not what a sweep found.
    """

    at: float
    invocation: int  # the sweep's number
    message: dict[str, Any]
    openings: Counter[str]  # how often each order had been opened by then
    recorded: set[str]
    told: bool = False


class OpenOrders(Sandboxes):
    """The part of the world that runs what is scheduled for every minute. `World` empties it for each schedule."""

    born: float  # when the schedule began
    placed: dict[str, list[dict[str, Any]]]

    def forget_open_orders(self) -> None:
        """Nothing was opened, swept or called for yet."""
        self.alerts: list[Alert] = []
        self.openings: Counter[str] = Counter()  # how often each order was put on the list of what is to do
        self.claims: Counter[tuple[str, str]] = Counter()  # by order and sweep
        self.given_back: Counter[str] = Counter()  # sweeps of each order that started nothing
        self.put_off: Counter[str] = Counter()  # how often an order had come further, and its sweeps began anew
        self.horizon = 2 * DAY  # after which nothing is swept any more: an order that is still open never ends
        self.absent = stack.AFTER_SALE  # the stacks that do not stand in this schedule
        self.metrics: Counter[str] = Counter()  # how often each was written
        self.called: Callable[[], None] = lambda: None  # a person was called
        self.scheduled = True  # whether what the template schedules runs
        self._next_tick: float | None = None

    def invocation_ended(self) -> None:
        """Open orders may be due at another time than before."""
        self.tick_when_due()

    def tick_when_due(self) -> None:
        """See to it that what is scheduled for every minute runs at the first minute at which an open order is due.
        In the minutes before, it would find nothing to do.
        """
        tables = ministack.TABLES.get()
        items = [items for table in self.stack.lists for items in tables[table]["items"].values()]
        if not (items and self.scheduled):
            return
        by_key = (item for by_sort in items for item in by_sort.values())
        due = [float(item.get("sweep_at", {"N": "0"})["N"]) for item in by_key]
        if not due:
            return
        minutes = math.floor((self.loop.now - self.born) / 60) + 1
        at = self.born + 60 * max(minutes, math.ceil((min(due) - self.born) / 60))
        if at > self.born + self.horizon or (self._next_tick is not None and self._next_tick <= at):
            return
        self._next_tick = at
        self.loop.spawn(lambda: self._tick(at), delay=at - self.loop.now, name="scheduler")

    def _tick(self, at: float) -> None:
        if self._next_tick != at:
            return  # an earlier one has taken its place
        self._next_tick = None
        for schedule in self.stack.schedules:
            if schedule.expression == EVERY_MINUTE and self.stack.stack_of(schedule.target) not in self.absent:
                for _ in range(2):  # EventBridge Scheduler delivers at least once
                    function, event = schedule.target.rsplit(":", 1)[1], json.loads(schedule.payload)
                    self.loop.spawn(functools.partial(self.invoke, function, event), name=schedule.name)
        self.tick_when_due()

    def person_called(self, message: dict[str, Any]) -> None:
        """The alert topic got a message."""
        invocation, at = self.invocation(), self.loop.now - self.born
        told = not invocation.step.endswith("sweep")
        self.alerts.append(Alert(at, invocation.number, message, self.openings.copy(), set(), told))
        self.log("request", "", "a person is called")
        self.called()

    def written(self, request: dict[str, Any]) -> None:
        """Something was written; of open orders it is remembered how often each was opened, who took on a sweep, and
        which calls of a person are on record.
        """
        if request.get("TableName") == self.stack.tables["OrdersTable"] and "Item" in request:
            self.placed.setdefault(request["Item"]["order_id"]["S"], []).append(request["Item"])
        for table in self.stack.lists:
            for write in request.get("RequestItems", {}).get(table, []):
                self.openings[write["PutRequest"]["Item"]["order_id"]["S"]] += 1
        if request.get("TableName") not in self.stack.lists:
            return
        values = request.get("ExpressionAttributeValues", {})
        order_id = (request.get("Key") or request["Item"])["order_id"]["S"]
        if "Item" in request:
            self.openings[order_id] += 1
        elif ":at" in values:
            invocation = self.invocation()
            for alert in self.alerts:
                if alert.invocation == invocation.number and not invocation.zombie:
                    alert.recorded.add(order_id)
        elif ":moment" in values:
            self.put_off[order_id] += 1
        elif ":before" in values:
            self.given_back[order_id] += 1
        elif ":sweeps" in values:
            number = int(values[":sweeps"]["N"]) + self.given_back[order_id]
            opening = f"opening {self.openings[order_id]}, put off {self.put_off[order_id]} times"
            table = request["TableName"].rsplit("-", 1)[0]
            self.claims[order_id, f"{number}. sweep of {table}, {opening}"] += 1

    def metric(self, values: dict[str, Any], *_: Any, **__: Any) -> None:
        """In place of the functions' metrics, which would be printed."""
        self.metrics.update(values.keys())
