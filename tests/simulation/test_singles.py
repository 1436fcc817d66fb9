"""Everything that can go wrong once, does: every fault at every request, in one scenario and the foremost deliveries.

`make prove` goes on with all the others.
"""

from __future__ import annotations

from collections import Counter

import pytest

from simulation.__main__ import account
from simulation.deliveries import DELIVERIES
from simulation.explore import Exhaustive, exhaust, explain
from simulation.faults import AWAY, Fault
from simulation.schedule import Schedule, run
from simulation.singles import COMMON, COSTLY, FOREMOST, ONCE, singles, spread
from tests.exhaustive import exhaustive


@pytest.fixture(scope="module")
def everything() -> Exhaustive:
    return exhaust(FOREMOST, durations=(COMMON,), elsewhere=False, everywhere=False)


@exhaustive
def test_without_faults_every_scenario_keeps_every_promise(everything: Exhaustive) -> None:
    assert not [str(result.schedule) for result in everything.quiet if result.violations]


@exhaustive
def test_no_single_fault_breaks_a_promise(everything: Exhaustive, capsys: pytest.CaptureFixture[str]) -> None:
    summary = everything.summary
    with capsys.disabled():
        lines = *account(everything), f"{summary.schedules:,} schedules, {len(summary.failures)} violations"
        print("", *lines, sep="\n")
    assert not summary.failures, "\n\n".join(explain(failure) for failure in summary.failures[:3])


@exhaustive
def test_every_fault_was_tried_at_every_site(everything: Exhaustive) -> None:
    others = {kind for kind in AWAY if kind != COMMON}  # `make prove` tries these
    assert [one for one in everything.summary.unexercised() if one[1] not in others] == []


def test_each_scenario_has_its_share_of_the_faults_that_several_can_have() -> None:
    faults = [(Fault(f"capture#{number}", "dies before"),) for number in range(200)]
    schedules = [Schedule(scenario, ONCE, faults=fault) for fault in faults for scenario in ("invalid", "declined")]
    chosen, left = spread(schedules)
    assert [one.faults for one in chosen] == faults
    assert {*chosen, *left} == {*schedules}
    assert len(chosen) + len(left) == len(schedules)
    assert min(Counter(one.scenario for one in chosen).values()) > len(faults) / 4


def test_the_foremost_deliveries_are_deliveries() -> None:
    assert set(FOREMOST) < set(DELIVERIES)


def test_a_single_fault_that_is_left_out_is_counted_with_its_reason() -> None:
    quiet = [
        run(Schedule("invalid", COSTLY)),
        run(Schedule("declined", COSTLY)),
        run(Schedule("last unit in another shard", "hours later")),
    ]
    not_run = Counter[str]()
    chosen, every = list(singles(quiet, not_run=not_run)), list(singles(quiet, every=True))
    assert len(set(every)) == len(every) == len(chosen) + not_run.total()
    assert set(chosen) < set(every)
    assert len(not_run) == 3


def test_twenty_deliveries_of_a_fault_are_tried_where_least_is_to_do() -> None:
    quiet = [run(Schedule(scenario, COSTLY)) for scenario in ("declined", "invalid")]
    longer, shorter = sorted(quiet, key=lambda result: -len(result.timeline))
    assert longer is quiet[0]
    chosen = {schedule.faults[0].site: schedule.scenario for schedule in singles(quiet)}
    assert set(chosen) == set(longer.reached) | set(shorter.reached)
    assert all(chosen[site] == shorter.schedule.scenario for site in shorter.reached)
