"""How the pipeline grows: with an order's lines, with the number of orders, and with how many want the same SKU.

All of it runs in the simulation, whose clock is its own. So counts and simulated seconds are the same in every run, and
only CPU time is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from bench.crowd import WINDOW, Crowd, calm, rush
from bench.figures import Figure, Progress, Section
from orders import Outcome, Reason

LINES = (1, 10, 50)
ORDERS = (10, 100, 1_000)
SHARDS = (1, 2, 4, 8, 16)
RATES = (12.5, 25, 50, 100, 200, 400)  # orders a second that want the same SKU
RATED_SHARDS, RATED_ORDERS = (1, 4, 16), 100
RUSH, PIECES = 500, 100
REPETITIONS = 3  # of what is timed


def measure(progress: Progress) -> Section:
    """All of it, in a minute or so."""
    section = Section("Growth", series={"curves": []})
    for part in (_lines, _numbers, _hot, _rates):
        part(section, progress)
    section.notes += [
        f"A transaction locks its items for {WINDOW * 1000:.0f} ms; a request takes 2 to 30 ms each way.",
        "A conflict counts like a write. CPU is that of the handlers, without the emulator.",
    ]
    return section


def _lines(section: Section, progress: Progress) -> None:
    runs = _repeated(LINES, lambda lines: calm(10, lines), progress, "orders of {} lines")
    for lines in LINES:
        run, (cpu, *spread) = runs[lines][0], _cpu(runs[lines], runs[LINES[0]])
        name = f"order of {_several(lines, 'line')}"
        items = run.tally.touched["reserve", "TransactWriteItems"]
        section.figures += [
            Figure(f"{name}: requests", _requests(run), "per order"),
            Figure(f"{name}: items in the transaction", items / run.tally.orders, "per order"),
            Figure(f"{name}: write units of stock", run.stock.writes / run.tally.orders, "per order"),
            Figure(f"{name}: CPU", cpu, "×", compared=1.0, compared_with="one line", spread=(spread[0], spread[1])),
        ]


def _numbers(section: Section, progress: Progress) -> None:
    runs = {number: calm(number) for number in _shown(ORDERS, progress, "{} orders")}
    base = ORDERS[1]
    cpu = {number: _cpu([run], [runs[base]])[0] for number, run in runs.items()}
    for number, run in runs.items():
        name, other = f"{number:,} orders", f"{base} orders"
        section.figures += [
            Figure(f"{name}: requests", _requests(run), "per order"),
            Figure(f"{name}: CPU per order", cpu[number], "×", compared=1.0, compared_with=other),
            Figure(f"{name} placed at once: until the last is decided", run.seconds, "simulated s"),
        ]
    curve = _curve("orders", "CPU of an order, by how many there are", "orders", f"ratio to {base} orders")
    section.series["curves"].append(curve | {"lines": {"CPU per order": list(cpu.items())}})


def _hot(section: Section, progress: Progress) -> None:
    runs = {
        shards: rush(RUSH, PIECES, shards)
        for shards in _shown(SHARDS, progress, f"{RUSH} orders at once for {PIECES} pieces, shards: {{}}")
    }
    for shards, run in runs.items():
        name = f"{RUSH} at once for {PIECES}, {_several(shards, 'shard')}"
        confirmed = run.tally.outcomes[Outcome.CONFIRMED]
        section.figures += [
            Figure(f"{name}: confirmed", confirmed, "orders"),
            Figure(f"{name}: confirmed, away from {PIECES}", abs(confirmed - PIECES), "orders", target=0),
            Figure(f"{name}: lost", RUSH - run.tally.outcomes.total(), "orders", target=0),
            Figure(f"{name}: gave up", run.reasons[Reason.INVENTORY_UNAVAILABLE], "orders", target=0),
            Figure(f"{name}: need a person", run.tally.alerts, "orders", target=0),
            Figure(f"{name}: conflicts", run.conflicts / RUSH, "per order"),
            Figure(f"{name}: retries", run.retries / RUSH, "per order"),
            Figure(f"{name}: write units of stock", run.stock.writes / RUSH, "per order"),
            Figure(f"{name}: read units of stock", run.stock.reads / RUSH, "per order"),
            Figure(f"{name}: stock", run.dollars, "USD per million orders"),
            Figure(f"{name}: until the last is decided", run.seconds, "simulated s"),
            Figure(f"{name}: violated invariants", len(run.violations), "", target=0),
        ]
    curve = _curve("rush", f"{RUSH} orders at once for {PIECES} pieces of one SKU", "shards", "per order")
    lines = {
        "conflicts": [(shards, run.conflicts / RUSH) for shards, run in runs.items()],
        "retries": [(shards, run.retries / RUSH) for shards, run in runs.items()],
    }
    section.series["curves"].append(curve | {"lines": lines})


def _rates(section: Section, progress: Progress) -> None:
    """Orders that arrive one after the other, and stock for all of them: where does sharding begin to pay?"""
    runs = {
        shards: {rate: rush(RATED_ORDERS, 2 * RATED_ORDERS, shards, rate=rate) for rate in RATES}
        for shards in _shown(RATED_SHARDS, progress, "one SKU, by orders a second, shards: {}")
    }
    dollars = {shards: {rate: run.dollars for rate, run in by_rate.items()} for shards, by_rate in runs.items()}
    for shards in RATED_SHARDS[1:]:
        name = f"{shards} shards are cheaper than one from"
        dearer = [rate for rate in RATES if dollars[shards][rate] >= dollars[1][rate]]
        # From that rate on, not only at it.
        pays = [rate for rate in RATES if rate > max(dearer, default=0)]
        if pays:
            section.figures.append(Figure(name, pays[0], "orders a second for one SKU"))
        else:
            section.notes.append(f"{name} no rate that was tried.")
    section.series["rates"] = {
        str(shards): {
            rate: {"conflicts": run.conflicts / RATED_ORDERS, "dollars": run.dollars} for rate, run in by_rate.items()
        }
        for shards, by_rate in runs.items()
    }
    title = "The bill of one SKU's orders, by how fast they come"
    lines = {f"shards: {shards}": list(by_rate.items()) for shards, by_rate in dollars.items()}
    section.series["curves"].append(
        _curve("rates", title, "orders a second", "USD per million orders") | {"lines": lines}
    )


def _curve(name: str, title: str, x: str, y: str) -> dict[str, Any]:
    return {"name": name, "title": title, "x": x, "y": y, "log": True}


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _requests(run: Crowd) -> float:
    return run.tally.counts()["Requests"]


def _cpu(runs: Iterable[Crowd], base: Iterable[Crowd]) -> tuple[float, float, float]:
    """CPU per order relative to `base`: the median of the pairs, the lowest and the highest."""
    pairs = [
        (one.cpu / one.tally.orders) / (other.cpu / other.tally.orders) for one, other in zip(runs, base, strict=True)
    ]
    return median(pairs), min(pairs), max(pairs)


def _shown[T](values: Sequence[T], progress: Progress, text: str) -> Iterator[T]:
    for value in values:
        progress(text.format(value))
        yield value


def _repeated(
    values: Sequence[int], run: Callable[[int], Crowd], progress: Progress, text: str
) -> dict[int, list[Crowd]]:
    """Each value's runs, taken in turns, so that whatever else the machine does slows all of them alike."""
    run(values[0])  # the first orders of a process pay for imports and parsing
    runs: dict[int, list[Crowd]] = {value: [] for value in values}
    for _ in range(REPETITIONS):
        for value in _shown(values, progress, text):
            runs[value].append(run(value))
    return runs
