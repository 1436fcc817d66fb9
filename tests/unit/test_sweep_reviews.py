"""Open orders that a person has to approve: announced as such, and nobody's concern while they may wait."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import an_open_order
from tests.unit.bus import Bus
from tests.unit.sweeping import MINUTE, OPENED, opened, put, sweep


@pytest.fixture(autouse=True)
def bus(open_orders: Any) -> Bus:
    return Bus()


def test_an_order_that_a_person_has_to_approve_is_announced_as_such_each_time(open_orders, bus, clock):
    put(open_orders, *opened(1, review=True), an_open_order(order_id="order-2"))
    for minute in (1, 3):
        clock.now = OPENED + minute * MINUTE
        sweep()

    announced = sorted((detail["order_id"], detail["review"]) for detail in bus.details)
    assert announced == [("order-1", True)] * 2 + [("order-2", False)] * 2


@pytest.mark.parametrize(
    ("parameters", "oldest"), [({"ApprovalHours": "1"}, 30), ({"ApprovalHours": "72"}, 0)], ids=["late", "in time"]
)
def test_the_time_in_which_a_person_may_approve_an_order_does_not_make_it_old(oldest, open_orders, clock, metrics):
    put(open_orders, an_open_order(review=True))
    clock.now = OPENED + 90 * MINUTE
    sweep()

    assert metrics()[0]["OldestOpenOrderMinutes"] == oldest


def test_an_order_that_waits_for_a_person_hides_no_older_one(open_orders, clock, metrics):
    put(open_orders, an_open_order(), an_open_order(order_id="order-2", review=True))
    clock.now = OPENED + 90 * MINUTE
    sweep()

    assert metrics()[0]["OldestOpenOrderMinutes"] == 90
