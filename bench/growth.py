"""How the pipeline grows: with an order's lines, with the number of orders, and with how many want the same SKU.

All of it runs on the simulation's engine (simulation/): the real template, definition and handlers, MiniStack's
tables and workflow engine in this process, and a clock of its own. So counts and simulated seconds are the same in
every run, and only CPU time is measured.
"""

from __future__ import annotations

import functools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from bench.figures import Figure, Progress, Section
from simulation import clock, deliveries, ministack, stack
from simulation.deliveries import DELIVERIES
from simulation.faults import Injector
from simulation.patching import patched, patched_environment
from simulation.scenarios.world import Scenario, order, stock_item
from simulation.schedule import Violation, check
from simulation.services import Wire
from simulation.world import Matched, World, world

LINES = (1, 10, 50)
ORDERS = (10, 100, 1_000)
SHARDS = (1, 2, 4, 8, 16)
RATES = (12.5, 25, 50, 100, 200, 400)  # orders a second that want the same SKU
RUSH, UNITS = 500, 100
WINDOW = 0.010  # seconds for which a transaction locks its items
REPETITIONS = 3  # of what is timed

# Dollars per million, us-east-1, https://aws.amazon.com/dynamodb/pricing/on-demand/ and
# https://aws.amazon.com/step-functions/pricing/. A retry is one more transition of a Standard workflow.
WRITE_UNIT, READ_UNIT, TRANSITION = 0.625, 0.125, 25.0

_FITS = frozenset(("CONFIRMED", "CANCELLED"))
Item = dict[str, Any]


@dataclass
class Run:
    """What happened to some orders, until the last of them was decided and told.

    `requests` counts by step and operation, `reserves` invocations. The units are those of the Inventory table's
    transactions, conflicts included, and of reading shards.
    """

    orders: int
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    transaction_items: int = 0
    read_units: int = 0
    conflicts: int = 0
    reserves: int = 0
    alerts: int = 0
    seconds: float = 0.0  # simulated, from the first start of a workflow to the last decision
    handler_cpu: float = 0.0  # seconds
    cpu: float = 0.0  # seconds, of handlers, emulator and simulation together
    violations: list[Violation] = field(default_factory=list)

    @property
    def write_units(self) -> int:
        """A transaction takes two for each item of up to a kilobyte."""
        return 2 * self.transaction_items

    @property
    def retries(self) -> int:
        """Invocations of reserve after the first of each order."""
        return self.reserves - self.orders

    @property
    def dollars(self) -> float:
        """What the stock of a million such orders costs in a Standard workflow: units, and transitions for retries."""
        units = WRITE_UNIT * self.write_units + READ_UNIT * self.read_units
        return (units + TRANSITION * self.retries) / self.orders


class Meter:
    """Stands between the handlers and the emulator: counts, and does what MiniStack doesn't. A transaction is
    cancelled if another one is at work on one of its items.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    """

    def __init__(self, here: World, run: Run, window: float) -> None:
        self._here, self._run, self._window = here, run, window
        self._inventory = json.dumps(here.stack.tables["InventoryTable"])
        self._perform = here.services._perform  # noqa: SLF001 - what a mutant of the simulation replaces as well
        self._busy: set[str] = set()
        # For each actor, in seconds: all its CPU time, and the part of it that was not the handler's.
        self._spent: defaultdict[clock.Actor | None, float] = defaultdict(float)
        self._outside: defaultdict[clock.Actor | None, float] = defaultdict(float)
        self._resumed = 0.0

    def resuming(self, go_on: Callable[[clock.Actor], None]) -> Callable[[clock.Actor], None]:
        """Actors share a thread, so each one's time is taken from when it resumes to when it yields."""

        def timed(actor: clock.Actor) -> None:
            self._resumed = time.thread_time()
            try:
                go_on(actor)
            finally:
                self._spent[actor] += time.thread_time() - self._resumed

        return timed

    def _cpu(self) -> float:
        return self._spent[self._here.loop.running] + time.thread_time() - self._resumed

    def perform(self, wire: Wire) -> Any:
        """In place of `Services._perform`."""
        begun = self._cpu()
        try:
            operation = wire.operation
            if operation == "TransactWriteItems" and self._inventory in wire.body:
                return self._transact(wire, json.loads(wire.body)["TransactItems"])
            if operation == "BatchGetItem" and "SHARD#" in wire.body:
                ((_, wanted),) = json.loads(wire.body)["RequestItems"].items()
                self._run.read_units += len(wanted["Keys"])
            return self._perform(wire)
        finally:
            self._outside[self._here.loop.running] += self._cpu() - begun

    def _transact(self, wire: Wire, items: list[Item]) -> Any:
        keys = [_key(item) for item in items]
        taken = [key in self._busy for key in keys]
        self._run.transaction_items += len(items)
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

    def timed(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """A handler whose CPU time is counted, less that of the emulator for its requests."""

        def call(event: Any, context: Any) -> Any:
            actor = self._here.loop.running
            outside, begun = self._outside[actor], self._cpu()
            try:
                return handler(event, context)
            finally:
                self._run.handler_cpu += self._cpu() - begun - (self._outside[actor] - outside)

        return call


def _key(item: Item) -> str:
    ((_, write),) = item.items()
    key = write.get("Key") or write["Item"]
    return f"{key['pk']['S']} {key['sk']['S']}"


@contextmanager
def _shop(run: Run, stock: dict[str, int], shards: int, window: float) -> Iterator[World]:
    """A world with this stock, in which transactions can conflict, and retries wait as long as on AWS."""
    here = world()
    here.begin(0, Injector(()))
    meter = Meter(here, run, window)
    # The engine ignores MaxDelaySeconds; here it is that of the retrier for conflicts.
    reserve = here.definition()["States"]["Try"]["Branches"][0]["States"]["Reserve"]
    [cap] = [r["MaxDelaySeconds"] for r in reserve["Retry"] if "TransactionConflict" in r["ErrorEquals"]]
    changes: list[tuple[Any, str, Any]] = [
        (clock, "MAX_STEPS", 10**8),
        (clock.Actor, "go_on", meter.resuming(clock.Actor.go_on)),
        (here.services, "_perform", meter.perform),
        (ministack.SLEEP.owner, ministack.SLEEP.name, lambda s: here.loop.sleep(here.random.uniform(0, min(s, cap)))),
        (here, "handlers", {name: meter.timed(handler) for name, handler in here.handlers.items()}),
    ]
    with patched_environment({"STOCK_SHARDS": str(shards)}), patched(changes):
        try:
            for sku, units in stock.items():
                here.put("InventoryTable", stock_item(sku, units))
            deliveries.install(here, DELIVERIES["once"])
            yield here
        finally:
            here.loop.close()


def _close(here: World, run: Run, begun: float) -> None:
    """Take down what has happened up to now."""
    decisions = [item["decision"] for item in here.items("OrderStatesTable")]
    run.outcomes = Counter(decision["outcome"] for decision in decisions)
    run.reasons = Counter(decision["reason"] for decision in decisions)
    run.requests = Counter(
        f"{invocation.step} {call.site.rsplit('.', 1)[1].split('#')[0]}"
        for invocation in here.invocations
        for call in invocation.calls
    )
    run.reserves = sum(invocation.step == "reserve" for invocation in here.invocations)
    run.alerts = len(here.alerts)
    run.seconds = max(datetime.fromisoformat(decision["decided_at"]).timestamp() for decision in decisions) - begun


def rush(orders: int, units: int, shards: int = 1, *, rate: float | None = None, window: float = WINDOW) -> Run:
    """`orders` for one unit each of one SKU, of which there are `units`: at the same moment, or `rate` a second.

    The events are held back until all orders are placed, so that the workflows start at these times and not the orders.
    At the end, every invariant of the simulation is checked.
    """
    run = Run(orders)
    items = tuple(order(f"O{number}", {"mug": 1}) for number in range(orders))
    with _shop(run, {"mug": units}, shards, window) as here:
        waiting: list[Matched] = []
        here.deliver = waiting.append
        for item in items:
            here.put("OrdersTable", item)
        here.loop.settle()
        begun = here.loop.now
        for number, event in enumerate(waiting):
            start = functools.partial(here.start_target, event)
            here.loop.spawn(start, delay=number / rate if rate else 0.0, name="bus")
        here.loop.settle()
        _close(here, run, begun)
        outcomes = {item["order_id"]["S"]: _FITS for item in items}
        run.violations = check(here, Scenario("rush", items, {"mug": units}, outcomes, shards=shards))
    return run


def calm(orders: int, lines: int = 1, skus: int = 50) -> Run:
    """`orders` of `lines` lines each, through stream, bus and workflow; there is enough of everything."""
    run = Run(orders)
    names = [f"sku-{number}" for number in range(skus)]
    with _shop(run, dict.fromkeys(names, 10**6), 1, 0.0) as here:
        begun, cpu = here.loop.now, time.process_time()
        for number in range(orders):
            wanted = {names[(number + line) % skus]: 1 for line in range(lines)}
            here.put("OrdersTable", order(f"O{number}", wanted))
        here.loop.settle()
        run.cpu = time.process_time() - cpu
        _close(here, run, begun)
    return run


# ── The section ─────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(progress: Progress) -> Section:
    """All of it, in a minute or so."""
    section = Section("Growth")
    try:
        _lines(section, progress)
        _numbers(section, progress)
        _hot(section, progress)
        _rates(section, progress)
    finally:
        world().leave()
    section.series["curves"] = list(_curves(section.series))
    section.notes += [
        f"A transaction locks its items for {WINDOW * 1000:.0f} ms; a request takes 2 to 30 ms each way.",
        "A conflict counts like a write. CPU is that of the handlers, without the emulator and without log lines.",
    ]
    return section


def _lines(section: Section, progress: Progress) -> None:
    runs = _repeated(LINES, lambda lines: calm(10, lines), progress, "orders of {} lines")
    base = runs[LINES[0]]
    for lines in LINES:
        run, cpu = runs[lines][0], _ratio(runs[lines], base)
        name = f"order of {lines} line{'s' if lines > 1 else ''}"
        section.figures += [
            Figure(f"{name}: requests", sum(run.requests.values()) / run.orders, "per order"),
            Figure(f"{name}: items in the transaction", run.transaction_items / run.orders, "per order"),
            Figure(f"{name}: write units of stock", run.write_units / run.orders, "per order"),
            Figure(f"{name}: CPU", cpu[0], "×", compared=1.0, compared_with="one line", spread=cpu[1]),
        ]
    section.series["lines"] = {
        "lines": list(LINES),
        "write_units": [runs[n][0].write_units / runs[n][0].orders for n in LINES],
        "cpu": [_ratio(runs[n], base)[0] for n in LINES],
    }


def _numbers(section: Section, progress: Progress) -> None:
    # The first orders of a process pay for imports and parsing.
    runs = {number: [calm(number)] for number in _shown(ORDERS, progress, "{} orders")}
    for number in ORDERS:
        run = runs[number][0]
        section.figures += [
            Figure(f"{number:,} orders: requests", sum(run.requests.values()) / number, "per order"),
            Figure(
                f"{number:,} orders: CPU per order",
                _ratio(runs[number], runs[ORDERS[1]])[0],
                "×",
                compared=1.0,
                compared_with=f"{ORDERS[1]} orders",
            ),
            Figure(f"{number:,} orders placed at once: until the last is decided", run.seconds, "simulated s"),
        ]
    section.series["orders"] = {
        "orders": list(ORDERS),
        "cpu_per_order": [_ratio(runs[number], runs[ORDERS[1]])[0] for number in ORDERS],
        "seconds": [runs[number][0].seconds for number in ORDERS],
    }


def _hot(section: Section, progress: Progress) -> None:
    runs = {
        shards: rush(RUSH, UNITS, shards)
        for shards in _shown(SHARDS, progress, f"{RUSH} orders at once for {UNITS} units, shards: {{}}")
    }
    for shards, run in runs.items():
        name = f"{RUSH} at once for {UNITS}, {shards} shard{'s' if shards > 1 else ''}"
        lost = RUSH - run.outcomes.total()
        section.figures += [
            Figure(f"{name}: confirmed", run.outcomes["CONFIRMED"], "orders"),
            Figure(f"{name}: confirmed, away from {UNITS}", abs(run.outcomes["CONFIRMED"] - UNITS), "orders", target=0),
            Figure(f"{name}: lost", lost, "orders", target=0),
            Figure(f"{name}: gave up", run.reasons["INVENTORY_UNAVAILABLE"], "orders", target=0),
            Figure(f"{name}: need a person", run.alerts, "orders", target=0),
            Figure(f"{name}: conflicts", run.conflicts / RUSH, "per order"),
            Figure(f"{name}: retries", run.retries / RUSH, "per order"),
            Figure(f"{name}: write units of stock", run.write_units / RUSH, "per order"),
            Figure(f"{name}: read units of shards", run.read_units / RUSH, "per order"),
            Figure(f"{name}: until the last is decided", run.seconds, "simulated s"),
            Figure(f"{name}: broken promises", len(run.violations), "", target=0),
        ]
    section.series["rush"] = {
        "shards": list(SHARDS),
        "conflicts": [run.conflicts / RUSH for run in runs.values()],
        "retries": [run.retries / RUSH for run in runs.values()],
        "seconds": [run.seconds for run in runs.values()],
        "dollars": [run.dollars for run in runs.values()],
    }


def _rates(section: Section, progress: Progress) -> None:
    """Orders that arrive one after the other, and stock for all of them: where does sharding begin to pay?"""
    orders, compared = 100, (1, 4, 16)
    runs = {
        (rate, shards): rush(orders, 2 * orders, shards, rate=rate)
        for rate in _shown(RATES, progress, "one SKU, {} orders a second")
        for shards in compared
    }
    for shards in compared[1:]:
        pays = [rate for rate in RATES if runs[rate, shards].dollars < runs[rate, 1].dollars]
        name = f"{shards} shards are cheaper than one from"
        # From that rate on, not only at it.
        point = next((r for r in RATES if all(later in pays for later in RATES if later >= r)), None)
        if point is None:
            section.notes.append(f"{name} no rate that was tried.")
        else:
            section.figures.append(Figure(name, point, "orders a second for one SKU"))
    section.series["rates"] = {
        "rate": list(RATES),
        **{
            f"{what} with {shards}": [getattr(runs[rate, shards], what) / divisor for rate in RATES]
            for shards in compared
            for what, divisor in (("conflicts", orders), ("retries", orders), ("dollars", 1))
        },
    }


def _curves(series: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the plots show."""
    orders, hot, rates = series["orders"], series["rush"], series["rates"]
    yield {
        "name": "orders",
        "title": "CPU of an order, by how many there are",
        "x": "orders",
        "y": f"ratio to {ORDERS[1]} orders",
        "log": True,
        "lines": {"CPU per order": _points(orders["orders"], orders["cpu_per_order"])},
    }
    yield {
        "name": "rush",
        "title": f"{RUSH} orders at once for {UNITS} units of one SKU",
        "x": "shards",
        "y": "per order",
        "log": True,
        "lines": {what: _points(hot["shards"], hot[what]) for what in ("conflicts", "retries")},
    }
    yield {
        "name": "rates",
        "title": "The bill of one SKU's orders, by how fast they come",
        "x": "orders a second",
        "y": "USD per million orders",
        "log": True,
        "lines": {
            f"shards: {name.removeprefix('dollars with ')}": _points(rates["rate"], values)
            for name, values in rates.items()
            if name.startswith("dollars with ")
        },
    }


def _points(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(x, y, strict=True))


def _shown[T](values: Sequence[T], progress: Progress, text: str) -> Iterator[T]:
    for value in values:
        progress(text.format(value))
        yield value


def _repeated(values: Sequence[int], run: Callable[[int], Run], progress: Progress, text: str) -> dict[int, list[Run]]:
    """Each value's runs, taken in turns, so that whatever else the machine does slows all of them alike."""
    run(values[0])  # what a process does once
    runs: dict[int, list[Run]] = {value: [] for value in values}
    for _ in range(REPETITIONS):
        for value in _shown(values, progress, text):
            runs[value].append(run(value))
    return runs


def _ratio(runs: list[Run], base: list[Run]) -> tuple[float, tuple[float, float]]:
    """CPU per order relative to `base`: the median of the pairs, and the lowest and the highest."""
    pairs = [
        one.handler_cpu / one.orders / (other.handler_cpu / other.orders) for one, other in zip(runs, base, strict=True)
    ]
    return median(pairs), (min(pairs), max(pairs))
