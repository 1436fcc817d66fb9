"""What a million orders cost, from what a run did and a dated list of prices, compared with the usual design.

The main figures are for a confirmed order of two lines. The mix is the showcase of `make run`, in which half of the
orders fail in one way or another. Free tiers, storage, data transfer, alarms, the dashboard and reading traces and logs
are left out. So are, for both designs, emails and the payment provider's fees; the simulated provider's table, which
takes their place, is shown apart.
"""

from __future__ import annotations

from dataclasses import asdict

from bench import prices, runs, warm
from bench.figures import Figure, Progress, Section
from bench.meter import Tally
from bench.prices import MILLION, PROCESSORS, WORKFLOWS
from bench.simulated import PIPELINE
from bench.usual.design import USUAL

TARGETS = {"STANDARD": 192.0, "EXPRESS": 18.5}


def measure(progress: Progress) -> Section:
    """The section for the report."""
    tallies, cpu = runs.tallies(progress), warm.measured(progress)
    progress("the mix of orders")
    mixes = {design.name: runs.mixed(design) for design in (PIPELINE, USUAL)}
    single = {design.name: runs.confirmed(design, lines=1) for design in (PIPELINE, USUAL)}
    section = Section("Cost per million orders", series={"bills": {}})

    def add(name: str, counted: dict[str, Tally], workflow: str, processor: str, target: float | None = None) -> None:
        """Without a target, the usual design's figure is the target."""
        ours, theirs = (prices.bill(counted[who], cpu[who], workflow, processor) for who in ("pipeline", "usual"))
        target = theirs.total if target is None else target
        section.figures.append(Figure(name, ours.total, "USD", target, theirs.total, "usual design, same type"))
        section.series["bills"][name] = {"pipeline": asdict(ours), "usual": asdict(theirs)}

    for workflow in WORKFLOWS:
        for processor in PROCESSORS:
            add(f"{workflow}, {processor}", tallies, workflow, processor, TARGETS[workflow])
    for workflow in WORKFLOWS:
        add(f"{workflow}, x86_64, the mix", mixes, workflow, "x86_64")
    add("STANDARD, x86_64, one line", single, "STANDARD", "x86_64", TARGETS["STANDARD"])
    section.series["outcomes"] = {name: dict(tally.outcomes) for name, tally in mixes.items()}
    rates = (0.5, 1, 11.6, 100, 1000)
    section.series["traces_usd"] = {rate: MILLION * prices.traces(2, rate) * prices.usd("trace") for rate in rates}
    listed, one = prices.listed(), section.series["bills"]["STANDARD, x86_64"]["pipeline"]
    section.notes += [
        f"Prices of {listed['date']} in {listed['region']} without free tiers; bench/prices.toml has the sources.",
        f"Besides: emails {one['emails']:.2f} USD; the simulated provider's table {one['provider']:.2f} USD.",
        "The mix is the showcase of `make run`: ten orders, one of every kind, of which half are not confirmed.",
    ]
    return section
