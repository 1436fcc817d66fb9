"""A sweep of a list as long as it may become, in counts that are the same on every machine."""

from __future__ import annotations

from typing import Any

import pytest

from bench import open_orders, simulated, warm
from bench.open_orders import PAGE, open_order, swept
from bench.simulated import PIPELINE
from bench.units import item_size
from sweep.app import MAX_PAGES

LONG = 12_000  # more than a page of 1 MB


@pytest.fixture(autouse=True)
def _no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time is not what is tested here."""
    monkeypatch.setattr(warm, "replayed", lambda *_, **__: {"warm": 0.0})


def scanned(here: simulated.World, **options: Any) -> dict[str, Any]:
    table = here.stack.tables["OpenOrdersTable"]
    answer: dict[str, Any] = here.services.client("dynamodb").scan(TableName=table, **options)
    return answer


def test_the_emulators_scan_ends_a_page_at_one_megabyte_and_goes_on_behind_it() -> None:
    with simulated.ready(PIPELINE, []) as here:
        simulated.fill(here, "OpenOrdersTable", open_orders.open_orders(LONG, 0, here.loop.now))
        one = open_order(0, 0, here.loop.now)
        first = scanned(here)
        second = scanned(here, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert first["ScannedCount"] == PAGE // item_size(one)
    assert "LastEvaluatedKey" not in second
    assert len({item["order_id"]["S"] for page in (first, second) for item in page["Items"]}) == LONG


def test_the_emulators_segments_are_the_whole_table() -> None:
    with simulated.ready(PIPELINE, []) as here:
        simulated.fill(here, "OpenOrdersTable", open_orders.open_orders(1_000, 0, here.loop.now))
        parts = [scanned(here, Segment=number, TotalSegments=4)["Items"] for number in range(4)]

    assert sum(map(len, parts)) == 1_000
    assert len({item["order_id"]["S"] for part in parts for item in part}) == 1_000


def test_an_empty_list_costs_one_half_read_unit() -> None:
    run = swept(0, 0)
    assert (run.pages, run.reads, run.writes, run.events) == (1, 0.5, 0, 0)


def test_each_order_that_is_due_takes_one_write_unit_and_one_event() -> None:
    run = swept(200, 10)
    assert (run.seen, run.due, run.swept) == (200, 20, 20)
    assert (run.pages, run.reads, run.writes, run.events) == (1, 2.5, 20, 20)  # 200 orders are 20 KB


def test_a_run_reads_no_more_pages_of_a_long_list_and_counts_it_within_a_twentieth() -> None:
    run = swept(LONG, 0)
    assert run.pages == MAX_PAGES
    assert run.reads == pytest.approx(128 + 19 * 2.5, rel=0.05)  # a whole page, and 19 of 64 parts
    assert run.seen == pytest.approx(LONG, rel=0.05)


def test_a_run_sends_ten_events_a_second_again_and_ends_within_its_minute() -> None:
    run = swept(LONG, 2)
    assert (run.swept, run.writes, run.events) == (450, 450, 450)
    assert 44 <= run.seconds <= 45


def test_a_run_costs_what_it_reads_writes_and_sends_and_the_time_it_lasts() -> None:
    run = swept(200, 10)
    units_and_events = run.reads * 0.125e-6 + run.writes * 0.625e-6 + run.events * 1e-6
    assert run.dollars > units_and_events + run.seconds * 0.25 * 0.0000166667


def test_a_burst_keeps_no_more_functions_busy_than_there_may_be() -> None:
    burst, ran = simulated.at_once(30, 5)
    assert burst.violations == []
    assert 0.2 < ran / burst.seconds / burst.concurrency <= 1
