"""One fault at a time: what is run, what is inferred and what is left out is in docs/decisions.md."""

from __future__ import annotations

import pytest

from tests.simulation.explore import Exhaustive, exhaust, explain


@pytest.fixture(scope="module")
def everything() -> Exhaustive:
    return exhaust()


def test_without_faults_every_delivery_of_every_scenario_keeps_every_promise(everything: Exhaustive) -> None:
    assert not [str(result.schedule) for result in everything.quiet if result.violations]


def test_no_single_fault_breaks_a_promise(everything: Exhaustive, capsys: pytest.CaptureFixture[str]) -> None:
    summary = everything.summary
    with capsys.disabled():
        print(
            f"\n{len(summary.reached)} sites, {summary.schedules + everything.same:,} schedules "
            f"({everything.singles:,} single faults), {len(summary.failures)} violations, {summary.seconds:.0f} s\n"
            f"{everything.same:,} of them known from two others, {summary.met:,} to where they met another"
        )
    assert not summary.failures, "\n\n".join(explain(failure) for failure in summary.failures[:3])


def test_every_fault_was_tried_at_every_site(everything: Exhaustive) -> None:
    assert everything.summary.unexercised() == []
