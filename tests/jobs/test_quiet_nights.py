"""A night finds nothing in a shop that copes: at no moment of any scenario of the simulation, whatever goes wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from jobs.findings import Code, Finding
from jobs.reconcile import what_is_wrong
from simulation.deliveries import DELIVERIES
from simulation.faults import Fault, faults_at
from simulation.sandboxes import Invocation
from simulation.scenarios import SCENARIOS
from simulation.schedule import Schedule, run
from simulation.world import World, world
from tests.exhaustive import sampled
from tests.jobs import a_shop

A_MINUTE = 60.0  # that a night takes at least, from its claim to its second look
SEEDS = range(12)


@pytest.fixture(autouse=True, scope="module")
def _the_process_is_taken_and_given_back() -> Iterator[None]:
    with a_shop.with_sockets():
        world()
    yield
    world().leave()


@pytest.mark.parametrize("name", sampled(SCENARIOS))
def test_no_scenario_is_a_finding_at_its_end_or_on_its_way(name: str) -> None:
    assert found_on_the_way(Schedule(name)) == []


@pytest.mark.parametrize("seed", sampled(SEEDS))
def test_no_faults_are_a_finding_that_the_shop_copes_with(seed: int) -> None:
    choose = random.Random(seed)
    schedule = Schedule(choose.choice(list(SCENARIOS)), choose.choice(list(DELIVERIES)), (), seed)
    reached = run(schedule).reached
    for _ in range(2):
        site = choose.choice(list(reached))
        fault = Fault(site, choose.choice(faults_at(site)), choose.randrange(min(4, reached[site])))
        schedule = replace(schedule, faults=(*schedule.faults, fault))
    assert found_on_the_way(schedule) == []


def found_on_the_way(schedule: Schedule) -> list[Finding]:
    """What nights would find that come after each invocation, and at the end, in the stock as well."""
    found: list[Finding] = []

    @contextmanager
    def watched(here: World) -> Iterator[None]:
        def watch(_: Invocation) -> None:
            orders = a_shop.cases(here.stored(), here.loop.now - A_MINUTE)
            some = (finding for case in orders for finding in what_is_wrong(case))
            # The schedule that settles news comes every few minutes, and in a scenario at its end.
            found.extend(finding for finding in some if finding.code != Code.WEBHOOK_NOT_APPLIED)

        here.watchers.append(watch)
        yield

    assert run(schedule, watched).violations == []
    stored = a_shop.stored(world(), SCENARIOS[schedule.scenario].stock)
    return found + a_shop.judged(stored, world().loop.now + A_MINUTE)
