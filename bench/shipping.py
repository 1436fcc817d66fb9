"""What an order costs that goes the whole way: the pipeline, and what comes after the sale.

Counts are from the simulation (after_sale.py), CPU is measured as on the warm path. What is said of the time after the
sale is the difference to the same order in a pipeline that stands alone. The pipeline is a Standard or an Express
workflow, and the two that wait are Standard: an Express one ends after five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from bench import after_sale, api, open_orders, prices, runs, warm
from bench.after_sale import CANCELLED, KEPT, PARCELS, PARTLY, Followed
from bench.figures import Figure, Progress, Section
from bench.meter import Tally
from bench.open_orders import SHIPMENTS
from bench.prices import WORKFLOWS, Bill, Cpu
from bench.simulated import PIPELINE

WAITING = 1_000_000
KINDS = (KEPT, PARCELS, PARTLY, CANCELLED)
SWEEPS_OF_A_DAY, ROUNDS_OF_A_DAY = 24 * 60, 24 * 12
# The sweep's three, OrdersFinished of those that were cancelled, and ReturnsFinished.
METRICS = 3 + 2


def measure(progress: Progress) -> Section:
    """The section for the report."""
    progress("an order that ends with its confirmation")
    alone = runs.confirmed(PIPELINE, after_sale.ORDERS)
    ways: dict[str, Followed] = {}
    for kind in KINDS:
        progress(f"orders: {kind}")
        ways[kind] = after_sale.followed(kind)
    ways = _with_the_same_recordings(ways)
    cpu = api.measured_cpu(progress, [ways[KEPT].tally])
    section = Section("After the sale", series={"bills": {}})
    for kind, way in ways.items():
        section.figures += _of_a_way(section, kind, way, alone, cpu)
    section.figures += [*_of_waiting(progress), *_of_nothing(progress)]
    listed = prices.listed()
    section.notes += [
        f"Prices of {listed['date']} in {listed['region']} without free tiers; bench/prices.toml has the sources.",
        "Counts are what an order takes beyond the pipeline, which takes what `ONLY=cost` says of a confirmed one.",
        "In no total: emails, the confirmation's among them, and what the provider and the carrier take.",
        f"An order of two lines; one unit of three comes back. One order after the other, {after_sale.ORDERS} of each.",
        "It is cancelled before it ships, and the event that ships it comes all the same.",
    ]
    return section


def _with_the_same_recordings(ways: Mapping[str, Followed]) -> dict[str, Followed]:
    """Where two kinds have a step, what is billed is that of the first one: it does no less than the other."""
    recordings = {step: recording for kind in reversed(KINDS) for step, recording in ways[kind].cold.recordings.items()}
    return {kind: replace(way, tally=replace(way.tally, recordings=recordings)) for kind, way in ways.items()}


def beyond(tally: Tally, alone: Tally) -> dict[str, float]:
    """What each order takes after its sale: what it took in all, without what one took in a pipeline `alone`."""
    counts = api.minus(tally, alone)
    return {
        **{name.lower(): count for name, count in counts.items() if not name.startswith("Log")},
        "KMS requests": each(tally, "kms.*"),
        "API requests": tally.calls / tally.orders,
        "emails": each(tally, "sesv2.SendEmail") - each(alone, "sesv2.SendEmail"),
    }


def each(tally: Tally, kind: str) -> float:
    """Requests of a kind for each order."""
    return tally.requests_of(kind) / tally.orders


def bills(tally: Tally, alone: Tally, cpu: Mapping[str, Cpu]) -> tuple[Bill, dict[str, Bill]]:
    """What a million orders cost after their sale, and what those cost that end with their confirmation, by the type of
    the pipeline's workflow.
    """
    before = {workflow: prices.bill(alone, dict(cpu), workflow, "x86_64") for workflow in WORKFLOWS}
    whole = prices.bill(tally, dict(cpu), "STANDARD", "x86_64")
    return api.difference(whole, before["STANDARD"]), before


def _of_a_way(section: Section, kind: str, way: Followed, alone: Tally, cpu: Mapping[str, Cpu]) -> list[Figure]:
    after, before = bills(way.tally, alone, cpu)
    section.series["bills"][kind] = asdict(after)
    section.series["bills"] |= {f"the pipeline, {workflow}": asdict(bill) for workflow, bill in before.items()}
    orders = way.tally.orders
    return [
        *(Figure(f"{kind}: {name}", count, "") for name, count in beyond(way.tally, alone).items()),
        Figure(f"{kind}: secrets read, all sandboxes new", each(way.cold, "secretsmanager.*"), ""),
        Figure(f"{kind}: records of the stream", way.stream_records / orders, ""),
        Figure(f"{kind}: of these, read by enlist", way.enlisted / orders, ""),
        Figure(f"{kind}: a million, after the sale", after.total, "USD"),
        Figure(f"{kind}: of these dollars, transitions", after.workflow, "USD"),
        Figure(f"{kind}: of these dollars, write units", after.writes, "USD"),
        *(
            Figure(f"{kind}: a million in all, {workflow}", before[workflow].total + after.total, "USD")
            for workflow in WORKFLOWS
        ),
        Figure(f"{kind}: a million, emails alone", before["STANDARD"].emails + after.emails, "USD"),
    ]


def _of_waiting(progress: Progress) -> list[Figure]:
    """A sweep of a million orders that wait for the carrier, or for whether their customers keep them."""
    progress(f"a sweep of {WAITING:,} orders that wait")
    run = open_orders.swept(WAITING, 0, SHIPMENTS)
    name = f"a sweep of {WAITING:,} that wait"
    return [
        Figure(f"{name}: pages", run.pages, ""),
        Figure(f"{name}: read units", run.reads, ""),
        Figure(f"{name}: lasts", run.seconds, "simulated s"),
        Figure(f"{name}: a thousand runs", 1000 * run.dollars, "USD"),
        Figure(f"{name}: a day", SWEEPS_OF_A_DAY * run.dollars, "USD"),
        Figure(f"{name}: 30 days", 30 * SWEEPS_OF_A_DAY * run.dollars, "USD"),
    ]


def _of_nothing(progress: Progress) -> list[Figure]:
    """What the stack costs in 30 days without an order."""
    progress("what runs without an order")
    empty = open_orders.swept(0, 0, SHIPMENTS)
    tally, seconds = after_sale.empty_round()
    cpu_ms = warm.replayed("pipeline", tally.recordings["apply"], warm_up=1, samples=3, calls=1)["warm"]
    taking_up = open_orders.dollars(tally, seconds, cpu_ms)
    return [
        Figure("30 days of an empty list", 30 * SWEEPS_OF_A_DAY * empty.dollars, "USD"),
        Figure("30 days of an inbox in which nothing waits", 30 * ROUNDS_OF_A_DAY * taking_up, "USD"),
        Figure("the tokens' key, a month", prices.usd("key_month"), "USD"),
        Figure("the senders' two secrets, a month", 2 * prices.usd("secret_month"), "USD"),
        Figure(f"{METRICS} metrics at most, a month", METRICS * prices.usd("metric_month"), "USD"),
    ]
