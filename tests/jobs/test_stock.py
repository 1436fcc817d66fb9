"""What is on the shelf and what orders hold is what ever came in, for each SKU."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import parquet, schema
from jobs.findings import Code, Finding
from jobs.stock import compare, stock_findings
from orders.tables import Item, stock_key

NOTHING: dict[str, tuple[int, int]] = {}


def a_counter(available: int, received: int | None = None, shard: int = 0, sku: str = "TEA") -> Item:
    known = {} if received is None else {"received": {"N": str(received)}}
    return {**stock_key(sku, shard), "available": {"N": str(available)}, **known}


def found(counters: list[Item], units: dict[str, tuple[int, int]]) -> list[Finding]:
    return compare(counters, units)[0]


def test_stock_that_adds_up_is_no_finding() -> None:
    assert found([a_counter(7, received=10)], {"TEA": (3, 0)}) == []


@pytest.mark.parametrize("available", [6, 8])
def test_a_unit_too_few_or_too_many_is_a_finding(available: int) -> None:
    [finding] = found([a_counter(available, received=10)], {"TEA": (3, 0)})
    assert (finding.code, finding.order_id, finding.subject) == (Code.STOCK_DOES_NOT_ADD_UP, "", "TEA")
    assert (finding.expected, finding.found) == (10, available + 3)


def test_stock_that_was_never_sold_has_to_add_up_as_well() -> None:
    assert [one.subject for one in found([a_counter(9, received=10)], NOTHING)] == ["TEA"]


def test_a_sku_has_several_counters_and_they_are_one_stock() -> None:
    counters = [a_counter(2, received=10), a_counter(4, shard=1), a_counter(1, shard=2)]
    assert found(counters, {"TEA": (3, 0)}) == []
    assert found(counters[:2], {"TEA": (3, 0)}) != []


@pytest.mark.parametrize(("moving", "findings"), [(0, 1), (1, 1), (2, 0), (5, 0)])
def test_what_orders_under_way_may_have_moved_is_no_finding(moving: int, findings: int) -> None:
    assert len(found([a_counter(5, received=10)], {"TEA": (3, moving)})) == findings
    assert len(found([a_counter(9, received=10)], {"TEA": (3, moving)})) == findings


def test_orders_under_way_explain_nothing_of_another_sku() -> None:
    counters = [a_counter(5, received=10), a_counter(1, received=1, sku="POT")]
    assert [one.subject for one in found(counters, {"TEA": (3, 0), "POT": (0, 9)})] == ["TEA"]


def test_a_counter_below_zero_is_one_finding_and_its_sum_no_second_one() -> None:
    [finding] = found([a_counter(9, received=10), a_counter(-2, shard=1)], NOTHING)
    assert (finding.code, finding.subject, finding.found) == (Code.STOCK_BELOW_ZERO, "TEA", -2)


def test_stock_of_which_nobody_knows_what_was_received_is_counted_and_not_checked() -> None:
    counters = [a_counter(5), a_counter(1, received=1, sku="POT"), a_counter(-1, sku="MUG")]
    findings, not_checked = compare(counters, {"TEA": (3, 0), "GONE": (1, 0)})
    assert [(one.code, one.subject) for one in findings] == [(Code.STOCK_BELOW_ZERO, "MUG")]
    assert not_checked == 3  # TEA, MUG, and GONE, of which there is no counter


def test_the_partitions_are_summed_up(tmp_path: Path) -> None:
    files = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    with parquet.connect(tmp_path) as database:
        for number, file in enumerate(files):
            database.execute(schema.create(f"held{number}", schema.HELD))
            database.execute(f"INSERT INTO held{number} VALUES ('TEA', 2, 0), ('POT', {number}, 1)")
            parquet.write(database, f"SELECT * FROM held{number}", file)
    counters = [a_counter(6, received=10), a_counter(0, received=4, sku="POT")]
    findings, not_checked = stock_findings(counters, files)
    assert ([one.subject for one in findings], not_checked) == (["POT"], 0)
    assert stock_findings([a_counter(1, received=1)], []) == ([], 0)
