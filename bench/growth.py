"""How the pipeline grows: with an order's lines, with the number of orders, and with how many want the same SKU.

All of it runs on the simulation's engine (tests/simulation): the real template, definition and handlers, MiniStack's
tables and workflow engine in this process, and a clock of its own, so that counts and simulated seconds are the same
in every run. Only CPU time is measured.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.simulation import clock, deliveries, stack
from tests.simulation.deliveries import DELIVERIES
from tests.simulation.faults import Injector
from tests.simulation.invariants import Violation
from tests.simulation.scenarios import Scenario, order, stock_item
from tests.simulation.schedule import finish
from tests.simulation.services import Wire
from tests.simulation.world import World, patched, patched_environment, world

WINDOW = 0.010  # seconds for which DynamoDB works on a transaction, and no other may have its items


@dataclass
class Run:
    """What happened to some orders. `requests` counts by operation; units are DynamoDB's, of the Inventory table."""

    orders: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    write_units: int = 0
    read_units: int = 0
    conflicts: int = 0
    reserves: int = 0  # invocations
    alerts: int = 0
    seconds: float = 0.0  # simulated, from the first start of a workflow to the last decision
    violations: list[Violation] = field(default_factory=list)


class Contention:
    """What MiniStack doesn't do: a transaction is cancelled if another one is at work on one of its items.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    """

    def __init__(self, here: World, run: Run, window: float) -> None:
        self._here, self._run, self._window = here, run, window
        self._inventory = here.stack.tables["InventoryTable"]
        self._perform = here.services._perform
        self._busy: set[str] = set()

    def perform(self, wire: Wire) -> Any:
        """In place of `Services._perform`: count the request and carry it out, unless it is in conflict."""
        target = str(wire.headers.get("x-amz-target") or wire.headers.get("X-Amz-Target") or wire.service)
        operation = target.rsplit(".", 1)[-1]
        if operation == "TransactWriteItems" and self._inventory in wire.body:
            return self._transact(wire, json.loads(wire.body)["TransactItems"])
        return self._perform(wire)

    def _transact(self, wire: Wire, items: list[dict[str, Any]]) -> Any:
        keys = [_key(item) for item in items]
        taken = [key in self._busy for key in keys]
        self._run.write_units += 2 * len(items)
        if any(taken):
            self._run.conflicts += 1
            reasons = [{"Code": "TransactionConflict" if conflict else "None"} for conflict in taken]
            body = {"__type": "TransactionCanceledException", "message": "", "CancellationReasons": reasons}
            return stack.answer("", 400, {"x-amzn-errortype": "TransactionCanceledException"}, json.dumps(body))
        self._busy.update(keys)
        try:
            self._here.loop.sleep(self._window)
            return self._perform(wire)
        finally:
            self._busy.difference_update(keys)


def _key(item: dict[str, Any]) -> str:
    ((_, write),) = item.items()
    key = write.get("Key") or write["Item"]
    return f"{key['pk']['S']} {key['sk']['S']}"


def hot(
    orders: int, units: int, shards: int = 1, *, rate: float | None = None, window: float = WINDOW, seed: int = 0,
    spread: bool = False, check: bool = True,
) -> Run:
    """`orders` for one unit each of a SKU of which there are `units`: all in the same moment, or `rate` a second."""
    here, run = world(), Run(orders)
    items = tuple(order(f"O{number}", {"mug": 1}) for number in range(orders))
    fits = frozenset(("CONFIRMED", "CANCELLED"))
    scenario = Scenario("hot", items, {"mug": units}, dict.fromkeys((f"O{n}" for n in range(orders)), fits), shards=shards)
    here.begin(seed, Injector(()))
    contention = Contention(here, run, window)
    cap = 4
    changes: list[Any] = [
        (clock, "MAX_STEPS", 10**8),
        (here.services, "_perform", contention.perform),
        (here.states, "_scaled_sleep", lambda s: here.loop.sleep(here.random.uniform(0, min(s, cap)))),
    ]
    with patched_environment({"STOCK_SHARDS": str(shards)}), patched(changes):
        try:
            poller = deliveries.install(here, DELIVERIES["once"])
            waiting: list[tuple[str, str]] = []
            here.deliver = lambda arn, event: waiting.append((arn, event))
            here.put("InventoryTable", stock_item("mug", units))
            for item in items:
                here.put("OrdersTable", item)
            here.loop.settle()
            assert len(waiting) == orders
            begun = here.loop.now
            for number, (arn, event) in enumerate(waiting):
                here.loop.spawn(lambda arn=arn, event=event: here.start_execution(arn, event), delay=number / rate if rate else 0.0)
            here.loop.settle()
            decisions = [item["decision"] for item in here.items("OrdersTable") if "decision" in item]
            run.outcomes = Counter(f"{d['outcome']} {d['reason']}" for d in decisions)
            run.seconds = max(datetime.fromisoformat(d["decided_at"]).timestamp() for d in decisions) - begun
            run.reserves = sum(i.step == "reserve" for i in here.invocations)
            run.alerts = len(here.alerts)
            run.requests = Counter(
                f"{i.step} {call.site.split('.')[-1].split('#')[0]}" for i in here.invocations for call in i.calls
            )
            if check:
                before = (run.conflicts, run.write_units)
                run.violations = finish(here, scenario, poller)
                run.conflicts, run.write_units = before
        finally:
            here.loop.close()
    return run
