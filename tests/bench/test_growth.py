"""What growing costs, in counts that are the same on every machine."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.growth import Run, calm, rush


@pytest.fixture(scope="module")
def hot() -> Run:
    """A hundred orders at the same moment for twenty units."""
    return rush(100, 20)


@pytest.fixture(scope="module")
def hot_in_shards() -> Run:
    """The same, with four shards."""
    return rush(100, 20, shards=4)


@pytest.mark.parametrize("name", ["hot", "hot_in_shards"])
def test_of_a_hundred_orders_for_twenty_units_twenty_are_confirmed_and_none_is_lost(
    name: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(name)
    assert run.outcomes == {"CONFIRMED": 20, "CANCELLED": 80}
    assert run.reasons == {"ACCEPTED": 20, "OUT_OF_STOCK": 80}
    assert run.alerts == 0
    assert run.violations == []


def test_orders_for_one_sku_are_in_each_others_way_and_each_conflict_is_one_retry(hot: Run) -> None:
    assert hot.conflicts == hot.retries == 138


def test_with_shards_fewer_orders_are_in_each_others_way(hot: Run, hot_in_shards: Run) -> None:
    assert hot_in_shards.conflicts == 98 < hot.conflicts
    assert hot_in_shards.dollars < hot.dollars


def test_without_a_window_no_transaction_meets_another() -> None:
    run = rush(20, 20, window=0.0)
    assert (run.outcomes, run.conflicts, run.retries) == ({"CONFIRMED": 20}, 0, 0)


def test_a_rush_goes_the_same_way_again(hot: Run) -> None:
    again = rush(100, 20)
    assert (again.conflicts, again.seconds, again.requests) == (hot.conflicts, hot.seconds, hot.requests)


# What one confirmed order asks of the services, publish apart: its batches are of as many orders as come at once.
REQUESTS = {
    "validate GetItem": 1,
    "validate BatchGetItem": 1,
    "reserve TransactWriteItems": 1,
    "capture GetItem": 1,
    "capture UpdateItem": 1,
    "notify GetItem": 1,
}


@pytest.mark.parametrize("lines", [1, 10, 50])
def test_an_order_takes_as_many_requests_with_fifty_lines_as_with_one(lines: int) -> None:
    run = calm(4, lines)
    assert run.outcomes == {"CONFIRMED": 4}
    assert {name: run.requests[name] / 4 for name in REQUESTS} == REQUESTS
    assert run.transaction_items == 4 * (1 + lines)
    assert run.write_units == 4 * 2 * (1 + lines)


def test_ten_times_the_orders_take_ten_times_the_requests() -> None:
    few, many = calm(3), calm(30)
    assert Counter({n: c * 10 for n, c in few.requests.items() if "publish" not in n}) == Counter(
        {n: c for n, c in many.requests.items() if "publish" not in n}
    )
