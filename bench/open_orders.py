"""How much the sweep costs by the number of open orders, and how many orders a second a limited concurrency takes.

The list is filled directly, without an order behind any entry; nothing is started. DynamoDB ends a page at 1 MB and
splits a table into segments, and the emulator's engine does both by its own rules, so the pages are made here.
"""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import prices, simulated
from bench.figures import Figure, Progress, Section
from bench.units import Item, item_size, read_units
from orders import OpenOrder
from orders.tables import open_order_item

OPEN = (0, 1_000, 100_000, 1_000_000)
PAGE_BYTES = 1024 * 1024  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.Pagination
RUNS_A_DAY = 24 * 60
BURSTS = ((200, 10), (1_000, 10), (1_000, 20), (1_000, 50))  # orders, concurrency


@dataclass
class List:
    """Open orders in the order of their hashes, as Scan sees them, and what was asked of it."""

    items: list[Item]
    pages: int = 0
    reads: float = 0.0
    writes: int = 0

    def scan(self, *, Segment: int = 0, TotalSegments: int = 1, **request: Any) -> dict[str, Any]:  # noqa: N803
        """A page of a segment, from where the last one ended."""
        begins, ends = (len(self.items) * part // TotalSegments for part in (Segment, Segment + 1))
        at = begins = int(request.get("ExclusiveStartKey", {"at": begins})["at"])
        size = 0
        while at < ends and size < PAGE_BYTES:
            size += item_size(self.items[at])
            at += 1
        now = int(request["ExpressionAttributeValues"][":now"]["N"])
        self.pages, self.reads = self.pages + 1, self.reads + read_units(size, consistent=False)
        due = [item for item in self.items[begins:at] if int(item["sweep_at"]["N"]) <= now]
        return {"Items": due, "ScannedCount": at - begins} | ({"LastEvaluatedKey": {"at": at}} if at < ends else {})

    def update_item(self, **_: Any) -> dict[str, Any]:
        """A claim: one unit."""
        self.writes += 1
        return {}


@dataclass(frozen=True)
class Swept:
    """What one run of the sweep took, with `open` orders on the list: CPU in seconds, `dollars` for the run."""

    open: int
    pages: int
    reads: float
    writes: int
    events: int
    cpu: float

    @property
    def dollars(self) -> float:
        """Reads, claims, and events."""
        each = {"read_unit": self.reads, "write_unit": self.writes, "event": self.events}
        return sum(number * prices.usd(name) for name, number in each.items())


def sweep(orders: int) -> Swept:
    """One run over a list of so many, half of which are due."""
    app: Any = importlib.import_module("sweep.app")
    now = int(time.time())
    chance = random.Random(0)  # noqa: S311 - which of them are due
    table = List([_entry(number, now + chance.choice((-60, 600))) for number in range(orders)])
    events: list[Any] = []

    def put_events(*, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        events.extend(Entries)
        return {"Entries": [{} for _ in Entries]}

    bus = type("Bus", (), {"put_events": staticmethod(put_events)})
    variables = {
        "OPEN_ORDERS_TABLE": "open",
        "EVENT_BUS_NAME": "orders",
        "ALERT_TOPIC_ARN": "alerts",
        "OPEN_LIMIT_MINUTES": "120",
        "SWEEPS_PER_SECOND": "10",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "orders",
    }
    clock = _Clock()
    with (
        simulated.patched_environment(variables),
        simulated.patched(
            [
                (app.clients, "dynamodb", lambda: table),
                (app.clients, "events", lambda: bus),
                (app, "time", clock),
                (app, "emit", lambda *_, **__: None),
                (app.logger, "info", lambda *_, **__: None),
            ]
        ),
    ):
        began = time.process_time()
        app.handler({}, None)
        cpu = time.process_time() - began
    return Swept(orders, table.pages, table.reads, table.writes, len(events), cpu)


class _Clock:
    """Sleeping takes no time of ours."""

    def __init__(self) -> None:
        self._slept = 0.0

    def time(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


def _entry(number: int, sweep_at: int) -> Item:
    order_id = f"{number:08x}-0000-4000-8000-000000000000"
    return open_order_item(OpenOrder(order_id, "2026-11-25T09:00:01+00:00", sweeps=1, sweep_at=sweep_at))


def measure(progress: Progress) -> Section:
    """The section for the report."""
    section = Section("Open orders, and bursts", series={"sweeps": [], "bursts": []})
    for swept in _sweeps(progress):
        name = f"{swept.open:,} open: a day of sweeps"
        section.figures.append(Figure(name, swept.dollars * RUNS_A_DAY, "USD"))
        section.series["sweeps"].append(json.loads(json.dumps(swept.__dict__)) | {"dollars": swept.dollars})
        section.notes.append(
            f"{swept.open:,} open: {swept.pages} pages, {swept.reads:g} read units, {swept.writes} claims, "
            f"{swept.events} events, {swept.cpu:.2f} s of CPU in a run."
        )
    for orders, concurrency in BURSTS:
        progress(f"{orders} orders through {concurrency}")
        done = simulated.burst.run(orders, concurrency)
        name = f"{orders:,} orders at once, concurrency {concurrency}"
        section.figures.append(Figure(name, orders / done.seconds, "orders/s"))
        section.series["bursts"].append([orders, concurrency, done.seconds, done.throttled, done.sweeps])
        section.notes.append(
            f"{name}: the last is told after {done.seconds:.0f} s, {done.throttled} calls turned away, "
            f"{done.sweeps} sweeps, {len(done.violations)} violations."
        )
    return section


def _sweeps(progress: Progress) -> Iterator[Swept]:
    for orders in OPEN:
        progress(f"{orders:,} open orders")
        yield sweep(orders)
