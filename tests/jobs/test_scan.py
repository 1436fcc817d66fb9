"""Reading a table from one end to the other."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs import scan, services
from jobs.scan import Pace
from tests.unit.builders import an_order
from tests.unit.sweeping import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pace(clock):
    """Ten units a second."""
    return Pace(10, clock.time, clock.sleep)


@pytest.fixture
def orders(tables):
    table = tables["OrdersTable"]
    for number in range(30):
        table.put_item(Item=an_order(order_id=f"order-{number}"))
    return table


def answering(monkeypatch, *answers):
    """A table that answers a scan with these pages, one after another; answers what it was asked for."""
    asked, left = [], list(answers)

    def scanned(**request):
        asked.append(request)
        return left.pop(0)

    monkeypatch.setattr(scan, "dynamodb", lambda: SimpleNamespace(scan=scanned))
    return asked


def an_answer(*, units=1.0, count=0, last=None):
    items = [{"order_id": {"S": "order-1"}}] * count
    answer = {"Items": items, "Count": count, "ConsumedCapacity": {"CapacityUnits": units}}
    return answer | ({"LastEvaluatedKey": last} if last else {})


def ids(pages):
    return [item["order_id"]["S"] for page in pages for item in page.items]


@pytest.mark.parametrize("segments", [1, 2, 5])
def test_the_segments_together_are_the_table_and_each_item_is_in_one(segments, orders, pace):
    found = [
        order_id
        for segment in range(segments)
        for order_id in ids(scan.pages(orders.name, pace, segment=segment, segments=segments, Limit=4))
    ]

    assert sorted(found) == sorted(f"order-{number}" for number in range(30))


def test_a_scan_goes_on_from_where_a_page_said_that_the_next_begins(orders, pace):
    whole = ids(scan.pages(orders.name, pace, Limit=7))
    first, *_ = scan.pages(orders.name, pace, Limit=7)

    rest = ids(scan.pages(orders.name, pace, first.next, Limit=7))

    assert [*ids([first]), *rest] == whole


def test_the_last_page_says_that_there_is_no_other(orders, pace):
    *others, last = scan.pages(orders.name, pace, Limit=7)

    assert last.next is None
    assert None not in [page.next for page in others]


def test_a_scan_asks_what_it_has_cost_and_reads_eventually(pace, monkeypatch):
    asked = answering(monkeypatch, an_answer())

    list(scan.pages("Orders", pace, segment=1, segments=3))

    assert asked == [{"TableName": "Orders", "ReturnConsumedCapacity": "TOTAL", "Segment": 1, "TotalSegments": 3}]


def test_a_page_waits_until_those_before_it_are_paid(clock, pace, monkeypatch):
    next_one = {"order_id": {"S": "order-1"}}
    answering(monkeypatch, an_answer(units=128, last=next_one), an_answer(units=5, last=next_one), an_answer(units=70))

    list(scan.pages("Orders", pace))

    assert clock.slept == pytest.approx([12.8, 0.5])  # the last one is waited for by whoever reads next


def test_time_that_passes_between_two_pages_counts(clock, pace):
    pace.spend(50)
    clock.now += 3
    pace.wait()

    assert clock.slept == pytest.approx([2])


def test_time_in_which_nothing_was_read_is_not_saved_up(clock, pace):
    clock.now += 60 * 60
    pace.spend(100)
    pace.wait()

    assert clock.slept == pytest.approx([10])


def test_what_is_paid_needs_no_waiting(clock, pace):
    pace.spend(10)
    clock.now += 1
    pace.wait()

    assert clock.slept == []


def test_counting_a_small_table_counts_all_of_it(orders, pace):
    assert scan.count(orders.name, pace, 3) == (30, True)


def test_counting_a_large_table_ends_after_so_many_pages(pace, monkeypatch):
    next_one = {"order_id": {"S": "order-1"}}
    asked = answering(monkeypatch, an_answer(count=9, last=next_one), an_answer(count=8, last=next_one))

    assert scan.count("Orders", pace, 2) == (17, False)
    assert [request["Select"] for request in asked] == ["COUNT", "COUNT"]


def test_an_answer_that_is_slow_or_throttled_is_waited_for(tables):
    retries: Any = services.dynamodb().meta.config

    assert retries.read_timeout >= 30
    assert retries.retries["total_max_attempts"] >= 5
