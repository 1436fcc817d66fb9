"""What a million orders cost, from what a run did and a dated list of prices, compared with the usual design.

The main figures are for a confirmed order of two lines. The mix is the showcase of `make run`, in which half of the
orders fail in one way or another. Free tiers, storage, data transfer, alarms, the dashboard and reading traces and logs
are left out. So are, for both designs, emails and the payment provider's fees; the simulated provider's table, which
takes their place, is shown apart.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from bench import meter, warm
from bench.figures import Figure, Progress, Section
from bench.meter import PIPELINE, PROVIDER, SHOP, USUAL_DESIGN, Tally
from bench.warm import Cpu
from demo import shop
from simulation.world import world

MILLION = 1_000_000
WORKFLOWS, PROCESSORS = ("STANDARD", "EXPRESS"), ("x86_64", "arm64")
TARGETS = {"STANDARD": 215.0, "EXPRESS": 20.0}
PROVIDER_TABLE = "SimulatedGatewayTable"  # stands for the provider's fees
ORDERS = 20

STEPS_OF_CANCELS = {"release": "reserve", "void": "capture"}  # these are not measured; the most similar step that is


@dataclass(frozen=True)
class Bill:
    """US dollars for a million orders, by what they are for. `mails` and `provider` are not in the total."""

    workflow: float
    lambda_requests: float
    lambda_duration: float
    cold_starts: float
    writes: float
    reads: float
    events: float
    logs: float
    traces: float
    alerts: float
    mails: float
    provider: float

    @property
    def total(self) -> float:
        """Besides mails and payment fees."""
        return float(sum(asdict(self).values())) - self.mails - self.provider


@functools.cache
def prices() -> dict[str, Any]:
    """prices.toml."""
    return tomllib.loads((Path(__file__).parent / "prices.toml").read_text("utf-8"))


def _usd(name: str) -> float:
    return float(prices()["prices"][name]["usd"])


# ── What was done ─────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def tallies(progress: Progress) -> dict[str, Tally]:
    """Both designs' runs of confirmed orders; made once in a process."""
    found = {}
    for design in (PIPELINE, USUAL_DESIGN):
        progress(f"{ORDERS} orders through the {design.name} design")
        found[design.name] = happy(design)
    return found


def happy(design: meter.Design, orders: int = ORDERS, lines: int = 2) -> Tally:
    """A run of `orders` that are confirmed, of two lines each, as in events/order.json, or of one."""
    wanted = dict([("TEA-100", 2), ("MUG-BLUE", 1)][:lines])
    return _run(design, [shop.order(f"order-{number:014}", wanted) for number in range(orders)])


def mixed(design: meter.Design) -> Tally:
    """A run of the showcase: one order of every kind."""
    placements = shop.showcase()
    copies = frozenset(one.order_id for one in placements if one.deliveries > 1)
    return _run(design, [one.item for one in placements], copies)


def _run(design: meter.Design, items: list[dict[str, Any]], copies: frozenset[str] = frozenset()) -> Tally:
    serialize = TypeSerializer().serialize
    catalogue = [
        {
            "pk": f"SKU#{product.sku}",
            "sk": "STOCK",
            "available": product.available,
            "unit_price": product.unit_price,
            "currency": shop.CURRENCY,
            "name": product.name,
        }
        for product in shop.CATALOGUE
    ]

    def written(plain: dict[str, Any]) -> dict[str, Any]:
        return {name: serialize(value) for name, value in plain.items()}

    try:
        return meter.run(design, [written(item) for item in items], [written(item) for item in catalogue], copies)
    finally:
        world().leave()


def counts(tally: Tally) -> dict[str, float]:
    """What the bill is made of, for each order, without the simulated provider's table."""
    ours = {who_kind: count for who_kind, count in tally.requests.items() if who_kind[0] not in (PROVIDER, SHOP)}
    units = [units for table, units in tally.units.items() if table != PROVIDER_TABLE]
    found = {
        "State transitions": tally.transitions.total(),
        "Invocations": tally.invocations.total(),
        "Requests": sum(ours.values()),
        "Write units": sum(one.writes for one in units),
        "Read units": sum(one.reads for one in units),
        "Events": tally.events,
        "Log lines": tally.log_lines.total(),
        "Log bytes": tally.log_bytes.total(),
    }
    return {name: count / tally.orders for name, count in found.items()}


def requests(tally: Tally) -> dict[str, float]:
    """Requests for each order, as `who: service.Operation`."""
    return {f"{who}: {kind}": count / tally.orders for (who, kind), count in sorted(tally.requests.items())}


def units_by_table(tally: Tally) -> dict[str, dict[str, float]]:
    """Units for each order, by table."""
    return {
        table: {"reads": units.reads / tally.orders, "writes": units.writes / tally.orders}
        for table, units in tally.units.items()
    }


# ── What it costs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def bill(tally: Tally, cpu: dict[str, Cpu], workflow: str, processor: str) -> Bill:
    """A million orders like those of the run."""
    given, chosen, scale = prices()["assumptions"], tally.settings, MILLION / tally.orders
    slowness = max(1.0, given["full_cpu_mb"] / chosen.memory)
    billed_ms = cold_ms = 0.0
    for step, count in tally.invocations.items():
        known = cpu[STEPS_OF_CANCELS.get(step, step)]
        waits = sum(_wait(f"{e.service}.{e.operation}") for e in tally.recordings[step].exchanges)
        billed_ms += count * math.ceil(known.warm * slowness + waits + given["runtime_ms"])
        cold_ms += count * given["cold_share"] * (known.cold - known.warm) * slowness
    gb_second = chosen.memory / 1024 / 1000 * _usd(f"lambda_gb_second_{processor}")
    ours = [units for table, units in tally.units.items() if table != PROVIDER_TABLE]
    theirs = tally.units.get(PROVIDER_TABLE)
    kinds: Counter[str] = tally.kinds
    return Bill(
        workflow=scale * _workflow(tally, workflow, billed_ms),
        lambda_requests=scale * tally.invocations.total() * _usd("lambda_request"),
        lambda_duration=scale * billed_ms * gb_second,
        cold_starts=scale * cold_ms * gb_second,
        writes=scale * sum(units.writes for units in ours) * _usd("write_unit"),
        reads=scale * sum(units.reads for units in ours) * _usd("read_unit"),
        events=scale * tally.events * _usd("event"),
        logs=scale * tally.log_bytes.total() / 1e9 * _usd("log_gb"),
        traces=MILLION
        * chosen.traced
        * traces(tally.invocations["publish"] / tally.orders, given["rate"])
        * _usd("trace"),
        alerts=scale * (tally.alerts * _usd("notification") + kinds["sqs.SendMessage"] * _usd("queue_request")),
        mails=scale * kinds["sesv2.SendEmail"] * _usd("mail"),
        provider=scale * (theirs.writes * _usd("write_unit") + theirs.reads * _usd("read_unit")) if theirs else 0.0,
    )


def _wait(kind: str) -> float:
    waits: dict[str, float] = prices()["assumptions"]["wait_ms"]
    return waits[kind] if kind in waits else waits[kind.split(".", maxsplit=1)[0]]


def _workflow(tally: Tally, workflow: str, billed_ms: float) -> float:
    """All executions of a run. An Express execution is taken to last as long as all invocations one after another."""
    if workflow == "STANDARD":
        return tally.transitions.total() * _usd("transition")
    given = prices()["assumptions"]
    lasts = billed_ms / tally.executions + given["state_ms"] * tally.transitions.total() / tally.executions
    gb = 64 * math.ceil(given["express_base_mb"] / 64) / 1024  # definition and data take some ten KB
    seconds = math.ceil(lasts / 100) / 10
    return tally.executions * float(_usd("express_request") + gb * seconds * _usd("express_gb_second"))


def traces(roots: float, rate: float) -> float:
    """Traces that are recorded for each order, each of which begins `roots` of them, at `rate` orders a second."""
    given = prices()["assumptions"]
    begun = roots * rate
    first = min(begun, given["trace_reservoir"])
    return float((first + given["trace_share"] * (begun - first)) / rate)


def measure(progress: Progress) -> Section:
    """The section for the report."""
    runs, cpu = tallies(progress), warm.measured(progress)
    progress("the mix of orders")
    mixes = {design.name: mixed(design) for design in (PIPELINE, USUAL_DESIGN)}
    section = Section("Cost per million orders")
    bills: dict[str, dict[str, Any]] = {}
    for workflow in WORKFLOWS:
        for processor in PROCESSORS:
            ours = bill(runs["pipeline"], cpu["pipeline"], workflow, processor)
            theirs = bill(runs["usual"], cpu["usual"], workflow, processor)
            name = f"{workflow}, {processor}"
            section.figures.append(
                Figure(name, ours.total, "USD", TARGETS[workflow], theirs.total, "usual design, same type")
            )
            bills[name] = {"pipeline": asdict(ours), "usual": asdict(theirs)}
    for workflow in WORKFLOWS:
        mix = {name: bill(tally, cpu[name], workflow, "x86_64") for name, tally in mixes.items()}
        section.figures.append(
            Figure(
                f"{workflow}, x86_64, the mix", mix["pipeline"].total, "USD", None, mix["usual"].total, "usual design"
            )
        )
        bills[f"{workflow}, x86_64, the mix"] = {name: asdict(one) for name, one in mix.items()}
    single = bill(happy(PIPELINE, lines=1), cpu["pipeline"], "STANDARD", "x86_64")
    theirs = bill(happy(USUAL_DESIGN, lines=1), cpu["usual"], "STANDARD", "x86_64")
    section.figures.append(
        Figure("STANDARD, x86_64, one line", single.total, "USD", TARGETS["STANDARD"], theirs.total, "usual design")
    )
    bills["STANDARD, x86_64, one line"] = {"pipeline": asdict(single), "usual": asdict(theirs)}
    section.series["bills"] = bills
    section.series["outcomes"] = {name: dict(tally.outcomes) for name, tally in mixes.items()}
    section.series["traces_usd"] = {
        rate: MILLION * traces(2, rate) * _usd("trace") for rate in (0.5, 1, 11.6, 100, 1000)
    }
    one = next(iter(bills.values()))["pipeline"]
    section.notes += [
        f"Prices of {prices()['date']} in {prices()['region']} without free tiers; bench/prices.toml has the sources.",
        f"Besides: mails {one['mails']:.2f} USD; the simulated provider's table {one['provider']:.2f} USD.",
        "The mix is the showcase of `make run`: ten orders, one of every kind, of which half are not confirmed.",
    ]
    return section
