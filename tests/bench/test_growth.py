"""What growing costs, in counts that are the same on every machine."""

from __future__ import annotations

import pytest

from bench.crowd import Crowd, calm, rush


@pytest.fixture(scope="module")
def hot() -> Crowd:
    """A hundred orders at the same moment for twenty units."""
    return rush(100, 20)


@pytest.fixture(scope="module")
def hot_in_shards() -> Crowd:
    """The same, with four shards."""
    return rush(100, 20, shards=4)


@pytest.mark.parametrize("name", ["hot", "hot_in_shards"])
def test_of_a_hundred_orders_for_twenty_units_twenty_are_confirmed_and_none_is_lost(
    name: str, request: pytest.FixtureRequest
) -> None:
    run: Crowd = request.getfixturevalue(name)
    assert run.tally.outcomes == {"CONFIRMED": 20, "CANCELLED": 80}
    assert run.reasons == {"ACCEPTED": 20, "OUT_OF_STOCK": 80}
    assert run.tally.alerts == 0
    assert run.violations == []


def test_orders_for_one_sku_are_in_each_others_way_and_each_conflict_is_one_retry(hot: Crowd) -> None:
    assert hot.conflicts == hot.retries == 135


def test_with_shards_fewer_orders_are_in_each_others_way(hot: Crowd, hot_in_shards: Crowd) -> None:
    assert hot_in_shards.conflicts == 109 < hot.conflicts
    assert hot_in_shards.dollars < hot.dollars


def test_without_a_window_no_transaction_meets_another() -> None:
    run = rush(20, 20, window=0.0)
    assert (run.tally.outcomes, run.conflicts, run.retries) == ({"CONFIRMED": 20}, 0, 0)


def test_a_rush_goes_the_same_way_again(hot: Crowd) -> None:
    again = rush(100, 20)
    assert (again.conflicts, again.seconds, again.tally.requests) == (hot.conflicts, hot.seconds, hot.tally.requests)


def without_publish(crowd: Crowd) -> dict[str, float]:
    """Requests for each order. The batches of publish are of as many orders as come at once."""
    return {name: count for name, count in crowd.tally.each_request().items() if not name.startswith("publish:")}


@pytest.fixture(scope="module")
def of_one_line() -> Crowd:
    """Four orders of one line each."""
    return calm(4)


# The reservation of fifty lines is larger than a kilobyte.
@pytest.mark.parametrize(("lines", "units"), [(1, 4), (10, 22), (50, 104)])
def test_an_order_takes_as_many_requests_with_fifty_lines_as_with_one(
    lines: int, units: int, of_one_line: Crowd
) -> None:
    run = calm(4, lines)
    assert run.tally.outcomes == {"CONFIRMED": 4}
    assert without_publish(run) == without_publish(of_one_line)
    assert run.tally.touched["reserve", "TransactWriteItems"] == 4 * (1 + lines)
    assert run.stock.writes == 4 * units


def test_ten_times_the_orders_take_ten_times_the_requests(of_one_line: Crowd) -> None:
    assert without_publish(calm(40)) == without_publish(of_one_line)
