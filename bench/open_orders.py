"""What open orders take: a sweep of a list that is short, long or very long, and how fast a burst gets off it.

A run of the sweep goes over the list as DynamoDB hands it out, in pages of 1 MB and by segments, which the emulator
does as well. What the orders that it sends again cost after that is not in here: an execution each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from bench import prices, simulated, warm
from bench.figures import Figure, Progress, Section
from bench.meter import Tally, metered
from bench.simulated import PIPELINE
from bench.units import Item, item_size
from orders import OpenOrder, Reason, Status
from orders.events import BECAME, PLACED
from orders.tables import open_order_item

OPEN = (0, 1_000, 100_000, 1_000_000)
DUE = (0, 10)  # none, or every tenth
MINUTES_OF_A_DAY = 24 * 60
PAGE = 1024 * 1024  # bytes
BURSTS, CONCURRENCIES = (200, 1_000), (10, 20, 50, 100)
# OrdersFinished and SecondsFromPlacedToTold by reason, OrdersReopened, and the sweep's three.
METRICS = 2 * len(Reason) + 1 + 3


@dataclass(frozen=True)
class List:
    """A list of what is still to do: its stack, its table's logical name, what its sweep is called in a tally, and the
    event that is sent again.
    """

    stack: str
    table: str
    sweep: str
    what: str


ORDERS = List("orders", "OpenOrdersTable", "sweep", PLACED)
SHIPMENTS = List("shipping", "OpenShipmentsTable", "shipping sweep", BECAME[Status.CONFIRMED])


@dataclass(frozen=True)
class Run:
    """One run of the sweep over `open` orders: `seconds` are simulated, `cpu_ms` measured, `dollars` for all of it."""

    open: int
    due: int
    seen: int  # how many orders are open by the run's own estimate
    swept: int
    pages: int
    reads: float
    writes: float
    events: int
    seconds: float
    cpu_ms: float
    dollars: float


def measure(progress: Progress) -> Section:
    """The section for the report."""
    section = Section("Open orders")
    one = item_size(open_order(0, 0, int(time.time())))
    section.figures.append(Figure("open orders in a page of 1 MB", PAGE // one, "orders"))
    runs = []
    for count in OPEN:
        for every in DUE if count else DUE[:1]:
            progress(f"{count:,} open orders{', every tenth is due' if every else ''}")
            runs.append(swept(count, every))
    for run in runs:
        name = f"{run.open:,} open, {run.due:,} due"
        section.figures += [
            Figure(f"{name}: pages", run.pages, ""),
            Figure(f"{name}: read units", run.reads, ""),
            Figure(f"{name}: claims", run.writes, "write units"),
            Figure(f"{name}: events", run.events, ""),
            Figure(f"{name}: lasts", run.seconds, "simulated s"),
            Figure(f"{name}: CPU", run.cpu_ms, "ms"),
            Figure(f"{name}: a thousand runs", 1000 * run.dollars, "USD"),
            Figure(f"{name}: if it were so all day", MINUTES_OF_A_DAY * run.dollars, "USD"),
        ]
    month = 30 * MINUTES_OF_A_DAY * runs[0].dollars
    section.figures.append(Figure("a month of an empty list", month, "USD"))
    section.figures.append(Figure(f"{METRICS} metrics at most, a month", METRICS * prices.usd("metric_month"), "USD"))
    bursts = []
    for orders in BURSTS:
        for concurrency in CONCURRENCIES:
            progress(f"{orders:,} orders at once, concurrency {concurrency}")
            bursts.append(simulated.at_once(orders, concurrency))
    for crowd, ran in bursts:
        name = f"{crowd.orders:,} at once, concurrency {crowd.concurrency}"
        section.figures += [
            Figure(f"{name}: until the last is told", crowd.seconds, "simulated s"),
            Figure(f"{name}: told", crowd.orders / crowd.seconds, "orders a second"),
            Figure(f"{name}: functions run", ran / crowd.orders, "s per order"),
            Figure(f"{name}: busy", 100 * ran / crowd.seconds / crowd.concurrency, "%"),
            Figure(f"{name}: turned away", crowd.throttled / crowd.orders, "calls per order"),
            Figure(f"{name}: sweeps", crowd.sweeps, ""),
            Figure(f"{name}: violated invariants", len(crowd.violations), "", target=0),
        ]
    section.series = {"runs": [asdict(run) for run in runs]}
    section.notes += [
        "A request takes 2 to 30 ms each way. CPU is handler and SDK, as on the warm path.",
        "Dollars are for the requests, the time that a run lasts, and then its CPU time at its share of a processor.",
        "What the orders that are sent again cost is not in it: an execution each.",
    ]
    return section


def open_order(number: int, every: int, now: float, what: str = PLACED) -> Item:
    """One of many open orders, with an id as long as a UUID. Of so many, one is due `now`; none, if `every` is 0."""
    due = every and number % every == 0
    placed = datetime.fromtimestamp(now - 90, UTC).isoformat()
    at = int(now) + (-30 if due else 30)
    return open_order_item(OpenOrder(f"{number:036}", placed, sweep_at=at, what=what))


def open_orders(count: int, every: int, now: float, what: str = PLACED) -> Iterator[Item]:
    """So many of them, whose equal values are the same objects: a million take less than a gigabyte."""
    same: dict[str, dict[str, str]] = {}
    for number in range(count):
        item = open_order(number, every, now, what)
        yield {
            name: same.setdefault(str(value), value) if name != "order_id" else value for name, value in item.items()
        }


def swept(count: int, every: int, of: List = ORDERS) -> Run:
    """Sweep once over so many open orders, of which one in `every` is due."""
    with simulated.ready(PIPELINE, []) as here:
        simulated.fill(here, of.table, open_orders(count, every, here.loop.now, of.what))
        with metered(here, PIPELINE.settings) as tally:
            answer, seconds = simulated.sweep(here, of.stack)
    tally.orders = max(1, count)
    units = tally.units[of.sweep, of.table]
    cpu_ms = warm.replayed("pipeline", tally.recordings[of.sweep], warm_up=1, samples=3, calls=1)["warm"]
    return Run(
        open=count,
        due=len(range(0, count, every)) if every else 0,
        seen=answer["open"],
        swept=answer["swept"],
        pages=tally.requests[of.sweep, "dynamodb.Scan"],
        reads=units.reads,
        writes=units.writes,
        events=tally.events,
        seconds=seconds,
        cpu_ms=cpu_ms,
        dollars=dollars(tally, seconds, cpu_ms),
    )


def dollars(tally: Tally, seconds: float, cpu_ms: float) -> float:
    """What one run costs, with its schedule and its log."""
    billed = seconds + prices.slowness(tally.settings) * cpu_ms / 1000
    return (
        prices.usd("schedule")
        + prices.usd("lambda_request")
        + billed * tally.settings.memory / 1024 * prices.usd("lambda_gb_second_x86_64")
        + prices.units(tally.own_units)
        + tally.events * prices.usd("event")
        + tally.log_bytes.total() / 1e9 * prices.usd("log_gb")
    )
