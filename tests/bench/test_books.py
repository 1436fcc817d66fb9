"""The books' benchmark: its orders are real ones, and both ways to reconcile them come to the same."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import bench.__main__ as command
from bench import books, container, lives, synthetic
from bench.books import Extract, Measured, Reconciled
from bench.container import Task, Took, Work
from bench.damage import DAMAGES
from bench.lives import KINDS
from bench.synthetic import Written
from jobs import extract
from jobs.partitions import partition_of
from jobs.sources import SOURCES
from tests.exhaustive import exhaustive

ORDERS, PARTITIONS, EVERY = 1_200, 4, 50
ARRAY = 2  # each of whose partitions takes two of the extract's


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extract")


@pytest.fixture(scope="module")
def written(folder: Path) -> Written:
    """An extract, in which every fiftieth order is damaged."""
    return synthetic.write(ORDERS, PARTITIONS, folder, every=EVERY)


def lines(folder: Path, source: str) -> list[tuple[int, str]]:
    """What a source's files hold, each with its partition."""
    return [
        (int(path.parent.name), line)
        for path in sorted((folder / source).rglob("*.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    ]


@exhaustive
def test_each_line_is_as_the_extract_writes_it_and_in_its_orders_partition(folder: Path, written: Written) -> None:
    for source in SOURCES:
        found = lines(folder, source.name)
        assert len(found) == written.rows[source.name]
        for partition, line in found:
            read = json.loads(line)
            assert source.key(read["item"]) == read["key"]
            # In another order, for what the copies' keys begin with is theirs.
            as_extracted = extract._line(read["key"], read["item"]).decode()
            assert (sorted(as_extracted), json.loads(as_extracted)) == (sorted(line), read)
            assert partition_of(read["key"], PARTITIONS) == partition


def test_no_two_orders_share_an_id_of_anything(folder: Path, written: Written) -> None:
    for source, name in (("orders", "order_id"), ("provider", "id"), ("carrier", "id"), ("inbox", "id")):
        ids = [json.loads(line)["item"][name]["S"] for _, line in lines(folder, source)]
        assert len(ids) == len(set(ids)) > 0
    assert written.orders == ORDERS


@exhaustive
def test_the_same_seed_makes_the_same_orders_and_another_one_others(
    folder: Path, written: Written, tmp_path: Path
) -> None:
    again = synthetic.write(ORDERS, PARTITIONS, tmp_path / "again", every=EVERY)
    other = synthetic.write(ORDERS, PARTITIONS, tmp_path / "other", seed=2, every=EVERY)
    assert again == written != other
    assert lines(tmp_path / "again", "payments") == lines(folder, "payments")


def test_there_are_orders_of_every_kind_and_every_end(folder: Path, written: Written) -> None:
    assert sum(kind.percent for kind in KINDS) == 100
    ends = Counter(json.loads(line)["item"]["status"]["S"] for _, line in lines(folder, "states"))
    assert set(ends) >= {"ARCHIVED", "DELIVERED", "RETURNED", "CANCELLED", "REJECTED"}
    assert ends.most_common(1)[0][0] == "ARCHIVED"
    assert len(written.damaged) == ORDERS // EVERY
    assert set(written.damaged.values()) <= {damage.code for damage in DAMAGES}


def test_every_damage_is_of_a_kind_that_there_is() -> None:
    assert {damage.kind for damage in DAMAGES} <= {kind.name for kind in KINDS} == set(lives.ENDS)


@pytest.fixture(scope="module")
def buckets(folder: Path, written: Written, tmp_path_factory: pytest.TempPathFactory) -> dict[Work, Path]:
    """What both ways to reconcile leave, each in processes of its own."""
    assert written.orders
    made = {work: tmp_path_factory.mktemp(work) for work in (Work.JOBS, Work.PANDAS)}
    for work, bucket in made.items():
        done = books.reconciled(work, Extract(folder, ORDERS, PARTITIONS), bucket, ARRAY)
        assert all(took.cpu > 0 and took.peak > 10 * books.MB for took in done.took)
    return made


@exhaustive
def test_both_find_all_the_damage_and_nothing_else(buckets: dict[Work, Path], written: Written) -> None:
    assert books.found(buckets[Work.JOBS], ARRAY) == books.expected(written)
    assert books.found(buckets[Work.PANDAS], ARRAY) == books.expected(written)


@exhaustive
def test_both_come_to_the_same_findings_rows_sums_and_counts(buckets: dict[Work, Path]) -> None:
    assert books.compared(buckets[Work.JOBS], buckets[Work.PANDAS], ARRAY) == 0
    for partition in range(ARRAY):
        ours, theirs = (books.part(bucket, partition)["counts"] for bucket in buckets.values())
        assert ours == theirs


@exhaustive
def test_what_differs_is_counted(buckets: dict[Work, Path]) -> None:
    # The same results, but for a part of them.
    assert books.compared(buckets[Work.JOBS], buckets[Work.PANDAS], 1) == 0
    with books.opened(buckets[Work.JOBS], 1) as one, books.opened(buckets[Work.JOBS], ARRAY) as both:
        counts = [each.execute("SELECT count(*) FROM held").fetchall() for each in (one, both)]
    assert counts[0] < counts[1]


@exhaustive
def test_the_day_that_is_loaded_misses_one_unit_of_the_stock(
    folder: Path, buckets: dict[Work, Path], written: Written
) -> None:
    container.run([Task(Work.LOAD, folder, buckets[Work.JOBS], PARTITIONS, ARRAY)])
    assert books.stock_wrong(buckets[Work.JOBS], written) == 0
    assert books.stock_wrong(buckets[Work.JOBS], dataclasses.replace(written, short="another")) == 2


def test_a_process_that_fails_is_told_of_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        container.run([Task(Work.LOAD, tmp_path, tmp_path, 1, 1)])


def reconciled(seconds: float, peak: int, partitions: int = 2) -> Reconciled:
    return Reconciled(1_000, partitions, [Took(seconds, seconds, peak * books.MB)] * partitions, seconds)


def a_run(**differing: Any) -> Measured:
    """A thousand orders in two partitions, and whatever differs."""
    written = Written(rows=Counter(orders=1_000, states=1_000), orders=1_000, damaged={"A": "HOLD_LOST"})
    ours = reconciled(2.0, 100)
    arrays = {2: ours, 4: reconciled(2.0, 80, 4)}
    run = Measured(written, arrays, Took(1.0, 1.0, 1), reconciled(5.0, 400), [ours], differences=0, wrong=0)
    return dataclasses.replace(run, **differing)


def test_the_section_says_what_each_figure_is_and_what_has_to_be_reached() -> None:
    made = books.section(a_run())
    figures = {figure.name: figure for figure in made.figures}

    assert not any(figure.missed for figure in made.figures)
    assert (figures["reconciled"].value, figures["reconciled"].compared) == (2.0, 5.0)
    assert figures["items a second"].value == 1_000
    assert figures["pandas takes the time"].value == 2.5
    assert figures["CPU"].unit == "µs per order"
    assert all(figure.unit == "MB" for name, figure in figures.items() if "peak memory" in name)
    assert [curve["name"] for curve in made.series["curves"]] == ["array", "memory"]


def test_slower_than_pandas_too_large_larger_with_more_orders_or_wrong_misses_its_target() -> None:
    slow = reconciled(6.0, books.ROOM + 1)
    made = books.section(a_run(arrays={2: slow}, sizes=[reconciled(1.0, 100), slow], differences=1, wrong=1))

    assert {figure.name for figure in made.figures if figure.missed} == {
        "reconciled",
        "peak memory of a process",
        "rows that pandas has otherwise",
        "damage missed or made up",
        "memory for the most orders, to the fewest",
    }


@pytest.mark.parametrize(("orders", "partitions"), [(1_000, 2), (50_000, 2), (100_000, 4), (1_000_000, 16)])
def test_what_is_compared_is_no_race_of_starting_python(orders: int, partitions: int) -> None:
    assert books.compared_array(orders) == partitions


@pytest.mark.parametrize("arguments", [["--orders", "2000"], ["--only", "books", "--orders", "2000", "--keep"]])
def test_fewer_orders_are_for_a_look_only(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
