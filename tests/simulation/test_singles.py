"""Everything that can go wrong once, does: every fault at every request, in every scenario and delivery."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.simulation.explore import Summary, explain, fault_free, on_the_way_back, run_all, singles
from tests.simulation.schedule import Result


@dataclass
class Exhaustive:
    """Three rounds: nothing fails; one request fails; and a request fails that was made because one had failed."""

    quiet: list[Result]
    summary: Summary
    singles: int


@pytest.fixture(scope="module")
def exhaustive() -> Exhaustive:
    quiet: list[Result] = []
    summary = run_all(fault_free(), keep=quiet.append)
    known = {(result.schedule.scenario, site) for result in quiet for site in result.reached}
    todo = list(singles(quiet))
    run_all(todo, summary)
    run_all(list(on_the_way_back(summary, known)), summary)
    return Exhaustive(quiet, summary, len(todo))


def test_without_faults_every_delivery_of_every_scenario_keeps_every_promise(exhaustive: Exhaustive) -> None:
    assert not [str(result.schedule) for result in exhaustive.quiet if result.violations]


def test_no_single_fault_breaks_a_promise(exhaustive: Exhaustive, capsys: pytest.CaptureFixture[str]) -> None:
    summary = exhaustive.summary
    with capsys.disabled():
        print(
            f"\n{len(summary.reached)} sites, {summary.schedules:,} schedules ({exhaustive.singles:,} single faults), "
            f"{len(summary.failures)} violations, {summary.rate:.0f} schedules/s"
        )
    assert not summary.failures, "\n\n".join(explain(failure) for failure in summary.failures[:3])


def test_every_fault_was_tried_at_every_site(exhaustive: Exhaustive) -> None:
    assert exhaustive.summary.unexercised() == []
