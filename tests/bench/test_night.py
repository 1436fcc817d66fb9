"""What a night of the books costs: the sums, and that docs/cost.md shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import night
from bench.prices import MILLION, assumed, usd
from jobs.sources import BRANCHES

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"


def test_the_page_shows_the_table_that_the_command_prints() -> None:
    section = PAGE.read_text("utf-8").partition("\n## A night of the books\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == [*night.rows()]


def test_a_scan_takes_half_a_unit_for_each_four_kilobytes() -> None:
    read = sum(assumed("night_bytes").values()) * MILLION
    assert night.night(MILLION).scans == pytest.approx(read / 8192 * usd("read_unit"))
    assert assumed("night_bytes").keys() == {*BRANCHES}


def test_an_extract_takes_as_long_as_its_read_units_let_it() -> None:
    seconds = assumed("night_bytes")["orders"] * 100 * MILLION / 8192 / 1000
    assert max(night.size(100 * MILLION).seconds) == pytest.approx(seconds + assumed("night_start_seconds"))


def test_more_orders_are_more_containers_and_none_is_there_for_less_than_a_minute() -> None:
    small, large = night.size(MILLION), night.size(10 * MILLION)
    assert (small.partitions, large.partitions) == (10, 100)
    assert len(small.seconds) == 2 + 5 * small.segments + small.partitions
    assert min(small.seconds) == 60


def test_a_container_is_what_the_template_says() -> None:
    assert night.container() == (1.0, 4.0)
    hours = sum(night.size(MILLION).seconds) / 3600
    assert night.night(MILLION).containers == pytest.approx(hours * (0.04048 + 4 * 0.004445))


def test_a_night_takes_a_transition_for_each_state_on_its_way() -> None:
    # Begin, Plan, IsOurs, Extract, its five jobs, Reconcile, MayRepair, Load, Result, AnyFindings, Done, and the start.
    assert night.transitions() == 16


def test_an_incremental_export_pays_below_a_sixth_of_the_table() -> None:
    scanned = 1024**3 / 8192 * usd("read_unit")
    assert scanned == pytest.approx(0.0164, abs=1e-4)
    assert 1 / 7 < scanned / usd("export_gb") < 1 / 6
