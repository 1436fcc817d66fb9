"""What the front door takes: calls of the API in requests, units, CPU, dollars and time, and an approval.

Counts and dollars are from the simulation (door.py), CPU is measured as on the warm path, and latencies on the embedded
stack (latency.py). A placed order's own way through the pipeline is in none of the calls' figures: it is the bill's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields

from bench import door, latency, prices, warm
from bench.door import Approvals
from bench.figures import Figure, Progress, Section
from bench.latency import NOTHING, percentile, straight
from bench.meter import Tally
from bench.prices import Bill, Cpu

WAITS = (0.5, 2, 24)  # hours until an approver answers


def measure(progress: Progress) -> Section:
    """The section for the report."""
    progress("calls of the API, and an approval")
    calls, approvals = door.calls(), door.approvals()
    cpu = measured_cpu(progress, [*calls.values(), approvals.after_a_sweep])
    idle = measured_cpu(progress, [approvals.empty_sweep])
    section = Section("The front door", series={"bills": {}})
    for name, tally in calls.items():
        [step] = tally.invocations
        counts, bill = tally.counts(), billed(tally, cpu)
        section.series["bills"][name] = asdict(bill)
        section.figures += [
            Figure(f"{name}: requests", counts["Requests"], ""),
            Figure(f"{name}: write units", counts["Write units"], ""),
            Figure(f"{name}: read units", counts["Read units"], ""),
            Figure(f"{name}: CPU", cpu[step].warm, "ms", spread=(cpu[step].lowest, cpu[step].highest)),
            Figure(f"{name}: a million", bill.total, "USD"),
        ]
    section.figures += _of_approvals(section, approvals, cpu, idle)
    section.figures += _of_latency(section, latency.measured(progress))
    listed = prices.listed()
    section.notes += [
        f"Prices of {listed['date']} in {listed['region']} without free tiers; bench/prices.toml has the sources.",
        f"A call is one of {door.CALLS}; the page that is listed has {door.CALLS} orders, an order two lines.",
        "What becomes of a placed or cancelled order is the pipeline's bill (cost).",
        f"Percentiles of {latency.ROUNDS} warm calls on the embedded stack, beside DynamoDB requests alone.",
    ]
    return section


def measured_cpu(progress: Progress, tallies: Iterable[Tally]) -> dict[str, Cpu]:
    """CPU of every step of these runs."""
    recordings = {step: recording for tally in tallies for step, recording in tally.recordings.items()}
    found = {}
    for step, recording in recordings.items():
        progress(f"CPU of {step}")
        found[step] = warm.summary([warm.replayed("pipeline", recording) for _ in range(warm.PROCESSES)])
    return found


def billed(tally: Tally, cpu: Mapping[str, Cpu]) -> Bill:
    """A million times what a run did. The approval's workflow is a Standard one, whatever the pipeline's is."""
    return prices.bill(tally, dict(cpu), "STANDARD", "x86_64")


def difference(bill: Bill, *without: Bill) -> Bill:
    """What is on a bill beyond others."""
    names = [field.name for field in fields(Bill)]
    return Bill(**{name: getattr(bill, name) - sum(getattr(one, name) for one in without) for name in names})


def _of_approvals(
    section: Section, approvals: Approvals, cpu: Mapping[str, Cpu], idle: Mapping[str, Cpu]
) -> list[Figure]:
    """An approval is what an order over the limit takes beyond one under it. A sweep is what the first one adds,
    without the run itself, which is a minute's and no order's.
    """
    under, over, after = (billed(tally, cpu) for tally in (approvals.under, approvals.over, approvals.after_a_sweep))
    approval = difference(over, under)
    sweep = difference(after, over, billed(approvals.empty_sweep, idle))
    section.series["bills"] |= {"an approval": asdict(approval), "a sweep while it waits": asdict(sweep)}
    figures = [
        Figure(f"an approval: {name.lower()}", count, "")
        for name, count in minus(approvals.over, approvals.under).items()
        if name not in ("Log lines", "Log bytes")
    ]
    beyond = minus(approvals.after_a_sweep, approvals.over, approvals.empty_sweep)
    figures += [
        Figure("an approval: KMS requests", approvals.over.requests_of("kms.*"), ""),
        Figure("an approval: a million", approval.total, "USD"),
        Figure("an approval: a million emails", approval.emails, "USD"),
        Figure("a sweep while it waits: transitions", beyond["State transitions"], ""),
        Figure("a sweep while it waits: requests", beyond["Requests"], ""),
        Figure("a sweep while it waits: a million", sweep.total, "USD"),
    ]
    for hours in WAITS:
        name, sweeps = f"answered after {hours:g} h", door.sweeps_within(60 * hours)
        figures += [
            Figure(f"{name}: sweeps", sweeps, ""),
            Figure(f"{name}: a thousand approvals", (approval.total + sweeps * sweep.total) / 1000, "USD"),
        ]
    return [*figures, Figure("the tokens' key, a month", prices.usd("key_month"), "USD")]


def minus(tally: Tally, *without: Tally) -> dict[str, float]:
    """What was counted in a run beyond others, which did as many orders."""
    return {name: count - sum(one.counts()[name] for one in without) for name, count in tally.counts().items()}


def _of_latency(section: Section, taken: Mapping[str, list[float]]) -> list[Figure]:
    section.series["milliseconds"] = {
        name: {f"p{percent}": round(1000 * percentile(values, percent), 2) for percent in (50, 95)}
        for name, values in taken.items()
    }
    return [
        Figure(
            f"{one}: p{percent}",
            percentile(taken[one], percent) / percentile(taken[straight(call)], percent),
            f"× the requests of {call}",
        )
        for call, nothing in NOTHING.items()
        for one in (call, nothing)
        for percent in (50, 95)
    ]
