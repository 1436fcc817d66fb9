"""Copying tables into the bucket: nothing lost, nothing twice, whoever dies and whoever else is at it."""

import gzip
import json
from collections import Counter
from functools import partial
from itertools import count
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import bucket, extract, places, scan, services
from jobs.extract import Chunk, Incomplete, Segment, extracted, write
from jobs.partitions import partition_of
from jobs.scan import Page
from jobs.settings import Problem
from jobs.sources import BRANCHES, SOURCES
from tests.exhaustive import exhaustive
from tests.jobs.arranging import dies_at
from tests.unit.builders import an_order
from tests.unit.faults import die, dies_after, just_before

ORDERS = [f"order-{number}" for number in range(13)]


@pytest.fixture
def orders(tables):
    table = tables["OrdersTable"]
    for order_id in ORDERS:
        table.put_item(Item=an_order(order_id=order_id))
    return table


@pytest.fixture
def small_chunks(monkeypatch):
    """A segment is several pages, and several chunks."""
    monkeypatch.setattr(scan, "pages", partial(scan.pages, Limit=3))
    monkeypatch.setattr(extract, "CHUNK_BYTES", 400)


@pytest.fixture
def lines(plan, tmp_path):
    """What was extracted of a source, line by line."""

    def read(source="orders", partitions=range(plan.partitions)):
        return [
            json.loads(line)
            for partition in partitions
            for path in extracted(plan.run, source, partition, plan.segments, tmp_path)
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]

    return read


def test_who_the_customer_is_never_leaves_the_table(plan, orders, lines):
    orders.put_item(Item=an_order(order_id="order-1", ship_to="12 High Street", note="ring twice"))

    the_whole_branch(plan)

    read = {name for line in lines() for name in line["item"]}
    assert read == {"order_id", "placed_at", "currency", "lines", "total"}


def the_whole_branch(plan, branch="orders"):
    for segment in range(plan.segments):
        extract.extract(plan, branch, segment)


def progress_of(run, number, source="orders"):
    """How far a segment has come."""
    return json.loads(bucket.get(places.segment_file(run, source, number)) or b"null")


def keys(lines):
    return sorted(line["key"] for line in lines)


def listed(plan, source="orders"):
    """The files that count, each with its content."""
    segments = [progress_of(plan.run, number, source) for number in range(plan.segments)]
    return {key: bucket.get(key) for progress in segments for key in progress["files"]}


class TestAnExtract:
    def test_holds_each_item_once_as_dynamodb_writes_it(self, plan, orders, lines):
        the_whole_branch(plan)

        assert keys(lines()) == sorted(ORDERS)
        assert {line["item"]["order_id"]["S"] for line in lines()} == set(ORDERS)
        assert lines()[0]["item"]["total"] == {"N": "900"}

    def test_of_several_chunks_holds_the_same(self, plan, orders, lines, small_chunks):
        the_whole_branch(plan)

        assert keys(lines()) == sorted(ORDERS)
        assert {key.rsplit("-")[-2] for key in listed(plan)} >= {"000000", "000001"}

    def test_has_each_order_in_the_partition_that_is_its(self, plan, orders, lines):
        the_whole_branch(plan)

        for partition in (0, 1):
            mine = [order_id for order_id in ORDERS if partition_of(order_id, 2) == partition]
            assert keys(lines(partitions=[partition])) == sorted(mine)

    def test_says_how_much_it_is(self, plan, orders):
        the_whole_branch(plan)

        segments = [progress_of(plan.run, number) for number in (0, 1)]
        assert sum(segment["items"] for segment in segments) == len(ORDERS)
        assert [segment["done"] for segment in segments] == [True, True]

    @pytest.mark.parametrize("branch", BRANCHES)
    def test_of_an_empty_branch_is_whole(self, branch, plan, lines):
        the_whole_branch(plan, branch)

        assert [lines(source.name) for source in SOURCES if source.branch == branch] != []

    def test_keeps_binary_attributes_as_dynamodb_writes_them(self, plan, tables, lines):
        tables["PaymentsTable"].put_item(Item={"order_id": "order-1", "note": b"\xff\x00"})
        the_whole_branch(plan, "payments")

        assert lines("payments")[0]["item"]["note"] == {"B": "/wA="}

    def test_of_a_stack_that_is_not_there_is_empty(self, plan, lines, monkeypatch):
        monkeypatch.setenv("APPROVALS_TABLE", "")
        the_whole_branch(plan)

        assert lines("approvals") == []

    def test_without_a_table_that_every_shop_has_is_refused(self, plan, monkeypatch):
        monkeypatch.delenv("ORDERS_TABLE")

        with pytest.raises(Problem, match="ORDERS_TABLE"):
            extract.extract(plan, "orders", 0)

    def test_of_a_segment_that_the_plan_does_not_have_is_refused(self, plan):
        with pytest.raises(Problem, match="no segment 2"):
            extract.extract(plan, "orders", 2)

    def test_reads_no_faster_than_its_share_of_the_units(self, plan, orders, monkeypatch):
        monkeypatch.setenv("READ_UNITS", "50")
        pace = Mock(return_value=scan.Pace(1_000_000))
        monkeypatch.setattr(scan, "Pace", pace)

        extract.extract(plan, "payments", 0)

        pace.assert_called_once_with(25)


class TestAReader:
    @pytest.mark.parametrize("done", [[], [0], [1]])
    def test_refuses_what_is_not_done(self, done, plan, orders, lines):
        for segment in done:
            extract.extract(plan, "orders", segment)

        with pytest.raises(Incomplete, match="orders is not extracted"):
            lines()

    def test_refuses_a_segment_that_is_under_way(self, plan, orders, lines, small_chunks):
        with dies_after(bucket, "replace"):
            extract.extract(plan, "orders", 0)
        extract.extract(plan, "orders", 1)

        with pytest.raises(Incomplete, match="segment 0"):
            lines()

    def test_passes_over_files_that_nobody_lists(self, plan, orders, lines):
        the_whole_branch(plan)
        bucket.put(f"{next(iter(listed(plan))).rsplit('/', 1)[0]}/0000-000009-left.jsonl.gz", b"half a fi")

        assert keys(lines()) == sorted(ORDERS)


class TestAJobThatDies:
    @pytest.mark.usefixtures("small_chunks")
    @pytest.mark.parametrize("when", [pytest.param("before", marks=exhaustive), "after"])
    def test_at_any_request_and_is_run_again_leaves_the_same_files(self, when, plan, tables):
        for order_id in ORDERS:
            tables["PaymentsTable"].put_item(Item={"order_id": order_id, "status": "VOIDED", "reason": "x" * 300})
        the_whole_branch(plan, "payments")
        whole = listed(plan, "payments")
        for request in range(100):
            bucket.delete(bucket.keys("work/"))
            died = dies_at(request, when, lambda: extract.extract(plan, "payments", 0))
            the_whole_branch(plan, "payments")
            assert listed(plan, "payments") == whole
            if not died:
                break
        assert 5 < request < 99
        assert progress_of(plan.run, 0, "payments")["chunks"] > 1

    def test_goes_on_from_its_last_chunk(self, plan, orders, small_chunks, monkeypatch):
        with dies_after(bucket, "replace"):
            extract.extract(plan, "orders", 0)
        progress = progress_of(plan.run, 0)
        scanning = Mock(wraps=services.dynamodb().scan)
        monkeypatch.setattr(services.dynamodb(), "scan", scanning)

        extract.extract(plan, "orders", 0)

        assert scanning.call_args_list[0].kwargs["ExclusiveStartKey"] == progress["next"]
        assert progress_of(plan.run, 0)["files"][: len(progress["files"])] == progress["files"]

    def test_when_it_was_done_reads_nothing_again(self, plan, orders, monkeypatch):
        the_whole_branch(plan)
        monkeypatch.setattr(services.dynamodb(), "scan", lambda **_: die())

        the_whole_branch(plan)


class TestTwoJobsOfOneSegment:
    """A submission that was repeated runs beside the first, and reads pages of another size at another time."""

    def test_leave_what_one_would_have_left(self, plan, orders, small_chunks, lines):
        with just_before(bucket, "replace", lambda: extract.extract(plan, "orders", 0)):
            extract.extract(plan, "orders", 0)
        extract.extract(plan, "orders", 1)

        assert keys(lines()) == sorted(ORDERS)

    @pytest.mark.parametrize("chunk", [1, 2, 3])
    @pytest.mark.usefixtures("small_chunks")
    def test_lose_and_repeat_nothing_when_they_see_different_things(self, chunk, plan, orders, lines, monkeypatch):
        """The other one gets in before a chunk is written down, and orders were changed meanwhile."""

        def the_other_one():
            for order_id in ORDERS:
                orders.put_item(Item=an_order(order_id=order_id, note="x" * 300))
            monkeypatch.setattr(extract, "CHUNK_BYTES", 3000)
            extract.extract(plan, "orders", 0)

        replace, asked = bucket.replace, count(1)

        def replacing(*arguments):
            if next(asked) == chunk:
                the_other_one()
            return replace(*arguments)

        monkeypatch.setattr(bucket, "replace", replacing)
        extract.extract(plan, "orders", 0)
        extract.extract(plan, "orders", 1)

        assert keys(lines()) == sorted(ORDERS)


class TestMemory:
    def test_is_let_go_of_at_a_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr(extract, "MEMORY_BYTES", 1000)
        chunk, most = Chunk(tmp_path), 0
        for number in range(1000):
            chunk.add(number % 7, b"x" * 99 + b"\n")
            most = max(most, sum(map(len, (line for lines in chunk._lines.values() for line in lines))))

        assert most <= 1000
        assert {len(gzip.decompress(path.read_bytes())) for path in chunk.files().values()} == {14200, 14300}

    def test_a_chunk_ends_with_the_page_that_fills_it(self, books_bucket, tables, monkeypatch):
        monkeypatch.setattr(extract, "CHUNK_BYTES", 1000)
        item = {"id": {"S": "a" * 100}}
        pages = [Page([item] * 3, {"page": number + 1} if number < 9 else None) for number in range(10)]

        write(Segment("run", "orders", 0, 1, lambda item: item["id"]["S"]), lambda start: iter(pages))

        progress = progress_of("run", 0)
        assert (progress["chunks"], progress["items"], progress["done"]) == (5, 30, True)


@given(
    order_ids=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True),
    partitions=st.integers(2, 9),
)
def test_partitions_are_disjoint_and_complete(order_ids, partitions, books_bucket, tmp_path):
    bucket.delete(bucket.keys(""))
    pages = [Page([{"id": {"S": order_id}} for order_id in order_ids], None)]
    write(Segment("run", "orders", 0, partitions, lambda item: item["id"]["S"]), lambda _: iter(pages))

    found = Counter(
        (json.loads(line)["key"], partition)
        for partition in range(partitions)
        for path in extracted("run", "orders", partition, 1, tmp_path)
        for line in gzip.decompress(path.read_bytes()).splitlines()
    )

    assert found == {(order_id, partition_of(order_id, partitions)): 1 for order_id in order_ids}


def test_partitions_are_the_same_everywhere():
    assert [partition_of(order_id, 7) for order_id in ("order-1", "order-2", "Ä")] == [6, 6, 3]
