"""Many orders at once, or at a rate, in one process: the pipeline, its meter, and what only a crowd shows.

MiniStack lets no transaction meet another, so that is done here: a transaction locks its items for a while, and is
cancelled if another one is at work on one of them.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench import prices, simulated
from bench.meter import Tally, metered
from bench.simulated import PIPELINE, Change, Matched, World, patched
from bench.units import Item, Units

WINDOW = 0.010  # seconds for which a transaction locks its items


@dataclass
class Crowd:
    """What happened to many orders: the counts, and what only a crowd shows."""

    tally: Tally
    reasons: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    seconds: float = 0.0  # simulated, from the first order or start of a workflow to the last decision
    cpu: float = 0.0  # seconds, of the handlers
    violations: list[str] = field(default_factory=list)

    @property
    def stock(self) -> Units:
        """What reserving takes of the Inventory table, conflicts included."""
        return self.tally.units["reserve", "InventoryTable"]

    @property
    def retries(self) -> int:
        """Attempts to reserve after the first of each order."""
        return self.tally.transitions["Reserve"] - self.tally.orders

    @property
    def dollars(self) -> float:
        """What the stock of a million such orders costs in a Standard workflow: units, and transitions for retries."""
        total = prices.units(self.stock) + self.retries * prices.usd("transition")
        return prices.MILLION * total / self.tally.orders


def rush(orders: int, pieces: int, shards: int = 1, *, rate: float | None = None, window: float = WINDOW) -> Crowd:
    """`orders` for one piece each of one SKU, of which there are `pieces`: at the same moment, or `rate` a second.

    The events are held back until all orders are placed, so that the workflows start at these times and not the orders.
    At the end, every invariant of the simulation is checked.
    """
    items = [simulated.order(f"O{number}", {"mug": 1}) for number in range(orders)]
    with _gathered(items, {"mug": pieces}, shards, window) as (here, crowd):
        waiting: list[Matched] = []
        here.deliver = waiting.append
        _place(here, items)
        begun = here.loop.now
        for number, event in enumerate(waiting):
            start = functools.partial(here.start_target, event)
            here.loop.spawn(start, delay=number / rate if rate else 0.0, name="bus")
        here.loop.settle()
        crowd.seconds = _last_decision(here) - begun
        crowd.violations = simulated.violations(here, items, {"mug": pieces}, shards)
    return crowd


def calm(orders: int, lines: int = 1, skus: int = 50) -> Crowd:
    """`orders` of `lines` lines each, through stream, bus and workflow; there is enough of everything."""
    names = [f"sku-{number}" for number in range(skus)]
    wanted = [{names[(number + line) % skus]: 1 for line in range(lines)} for number in range(orders)]
    items = [simulated.order(f"O{number}", each) for number, each in enumerate(wanted)]
    with _gathered(items, dict.fromkeys(names, 10**6), 1, window=0.0) as (here, crowd):
        begun = here.loop.now
        _place(here, items)
        crowd.seconds = _last_decision(here) - begun
    return crowd


@contextmanager
def _gathered(items: list[Item], stock: dict[str, int], shards: int, window: float) -> Iterator[tuple[World, Crowd]]:
    """A world with this stock, and what is known of the crowd when its orders are decided."""
    with simulated.ready(PIPELINE, [simulated.stock_item(*sku) for sku in stock.items()], shards) as here:
        crowd = Crowd(Tally(PIPELINE.settings))
        # The conflicts are below the meter, which counts them as well; the time is above it.
        with (
            patched([*_conflicts(here, crowd, window)]),
            metered(here, PIPELINE.settings) as crowd.tally,
            patched([*_timed(here, crowd)]),
        ):
            yield here, crowd
        simulated.all_closed(here)
        decisions = [item["decision"] for item in here.items("OrderStatesTable")]
        crowd.tally.orders = len(items)
        crowd.tally.outcomes = Counter(decision["outcome"] for decision in decisions)
        crowd.reasons = Counter(decision["reason"] for decision in decisions)


def _place(here: World, items: list[Item]) -> None:
    for item in items:
        here.put("OrdersTable", item)
    here.loop.settle()


def _last_decision(here: World) -> float:
    """When the last order was decided, in seconds since 1970."""
    decided = (item["decision"]["decided_at"] for item in here.items("OrderStatesTable"))
    return max(datetime.fromisoformat(moment).timestamp() for moment in decided)


def _conflicts(here: World, crowd: Crowd, window: float) -> Iterator[Change]:
    module = here.services.modules["dynamodb"]
    carry_out, busy = module._transact_write_items, set[str]()

    def transact(params: dict[str, Any]) -> Any:
        keys = [_key(write) for member in params["TransactItems"] for write in member.values()]
        taken = [key in busy for key in keys]
        if any(taken):
            crowd.conflicts += 1
            reasons = [{"Code": "TransactionConflict" if conflict else "None"} for conflict in taken]
            code = "TransactionCanceledException"
            body = {"__type": code, "message": "", "CancellationReasons": reasons}
            return 400, {"x-amzn-errortype": code}, json.dumps(body).encode()
        busy.update(keys)
        try:
            here.loop.sleep(window)
            return carry_out(params)
        finally:
            busy.difference_update(keys)

    yield module, "_transact_write_items", transact


def _key(write: dict[str, Any]) -> str:
    key = write.get("Key") or write["Item"]
    return f"{write['TableName']} {key['pk']['S']} {key['sk']['S']}"


def _timed(here: World, crowd: Crowd) -> Iterator[Change]:
    """The handlers' CPU time, without that of their requests. Whoever else runs meanwhile runs during a request."""
    request, since = here.request, 0.0

    def stop() -> None:
        crowd.cpu += time.thread_time() - since

    def go_on() -> None:
        nonlocal since
        since = time.thread_time()

    def requested(*arguments: Any) -> Any:
        stop()
        try:
            return request(*arguments)
        finally:
            go_on()

    def timed(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def call(event: Any, context: Any) -> Any:
            go_on()
            try:
                return handler(event, context)
            finally:
                stop()

        return call

    yield here, "request", requested
    yield here, "handlers", {name: timed(handler) for name, handler in here.handlers.items()}
