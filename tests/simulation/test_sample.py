"""Pairs and triples of faults with random latencies, by seed. `make simulate` goes on where this stops."""

from __future__ import annotations

import pytest

from simulation.explore import explain, run_all

SEEDS = range(100)


def test_no_combination_of_faults_in_the_sample_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_all(SEEDS)
    with capsys.disabled():
        print(f"\n{len(SEEDS)} seeds, {summary.schedules} schedules, {len(summary.failures)} violations")
    assert not summary.failures, "\n\n".join(explain(failure) for failure in summary.failures[:3])
