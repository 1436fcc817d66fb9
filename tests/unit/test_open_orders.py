"""The list of what is still to do, for those who put something on it or know when it is due again."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients, open_orders
from orders import OpenOrder
from tests.unit.builders import PERSONAL, an_open_order
from tests.unit.faults import just_before
from tests.unit.stack import MotoStack
from tests.unit.sweeping import DAY, MINUTE, OPENED, Clock, put

AT = "2026-01-01T09:00:01+00:00"
CONFIRMED = OpenOrder("order-1", AT, sweep_at=OPENED + MINUTE, what="OrderConfirmed")
RETURN = OpenOrder("order-1", AT, sweep_at=OPENED + MINUTE, what="ReturnRequested", return_id="r-1")


@pytest.fixture(autouse=True)
def entries(stack: MotoStack, clock: Clock) -> Any:
    stack.run_as("ShipFunction")
    return stack.table("OpenShipmentsTable")


def on_the_list(entries: Any) -> dict[str, dict[str, Any]]:
    return {item["order_id"]: item for item in entries.scan()["Items"]}


# ── On the list ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_and_its_returns_are_put_on_the_list_side_by_side(entries):
    assert [open_orders.enlist(CONFIRMED), open_orders.enlist(RETURN)] == [True, True]

    assert on_the_list(entries) == {
        "order-1": an_open_order(what="OrderConfirmed", sweep_at=OPENED + MINUTE),
        "order-1/r-1": an_open_order(
            order_id="order-1/r-1", what="ReturnRequested", return_id="r-1", sweep_at=OPENED + MINUTE
        ),
    }


def test_what_is_on_the_list_already_keeps_what_was_seen_of_it(entries):
    seen = an_open_order(sweeps=7, sweep_at=OPENED + DAY, stuck={"step": "Book", "error": "Unrecoverable"})
    put(entries, seen)

    assert open_orders.enlist(CONFIRMED) is False

    assert on_the_list(entries) == {"order-1": seen}


def test_of_two_who_enlist_at_once_the_first_stands(entries):
    later = OpenOrder("order-1", AT, sweep_at=OPENED + DAY, what="OrderConfirmed")
    answers = []

    with just_before(clients.dynamodb(), "put_item", lambda: answers.append(open_orders.enlist(CONFIRMED))):
        answers.append(open_orders.enlist(later))

    assert answers == [True, False]
    assert on_the_list(entries)["order-1"]["sweep_at"] == OPENED + MINUTE


def test_what_is_finished_may_be_put_on_the_list_again(entries):
    open_orders.enlist(CONFIRMED)
    open_orders.close("order-1")

    assert open_orders.enlist(CONFIRMED) is True


def test_the_list_is_this_stacks_and_the_pipelines_stays_as_it_is(stack):
    open_orders.enlist(CONFIRMED)
    open_orders.close("order-1")

    assert stack.table("OpenOrdersTable").scan()["Items"] == []


def test_nothing_personal_is_on_the_list(entries):
    open_orders.enlist(CONFIRMED)

    assert [secret for secret in PERSONAL if secret in str(on_the_list(entries))] == []


# ── When it is due again ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_has_come_further_is_not_swept_before_its_time_and_was_not_tried_yet(entries):
    put(entries, an_open_order(sweeps=7), an_open_order(order_id="order-1/r-1", return_id="r-1", sweeps=3))

    open_orders.look_again_at(OPENED + 10 * DAY + 0.9, "order-1")

    assert on_the_list(entries) == {
        "order-1": an_open_order(sweeps=0, sweep_at=OPENED + 10 * DAY),
        "order-1/r-1": an_open_order(order_id="order-1/r-1", return_id="r-1", sweeps=3),
    }


def test_a_return_is_put_off_without_its_order(entries):
    put(entries, an_open_order(sweeps=7), an_open_order(order_id="order-1/r-1", return_id="r-1", sweeps=3))

    open_orders.look_again_at(OPENED + 10 * DAY, "order-1", "r-1")

    assert on_the_list(entries)["order-1"] == an_open_order(sweeps=7)
    assert on_the_list(entries)["order-1/r-1"]["sweep_at"] == OPENED + 10 * DAY


def test_news_brings_the_sweep_a_minute_later_however_far_off_it_was(entries, clock):
    put(entries, an_open_order(sweep_at=OPENED + 30 * DAY))
    clock.now = OPENED + 3 * DAY + 0.5

    open_orders.look_soon("order-1")

    assert on_the_list(entries)["order-1"]["sweep_at"] == OPENED + 3 * DAY + MINUTE


@pytest.mark.parametrize("look", [open_orders.look_soon, lambda *of: open_orders.look_again_at(OPENED + DAY, *of)])
def test_what_is_off_the_list_is_not_put_on_it_by_news_that_comes_late(look, entries):
    look("order-1")
    look("order-1", "r-1")

    assert on_the_list(entries) == {}


def test_what_is_closed_while_news_comes_stays_closed(entries):
    put(entries, an_open_order())

    with just_before(clients.dynamodb(), "update_item", lambda: open_orders.close("order-1")):
        open_orders.look_soon("order-1")

    assert on_the_list(entries) == {}


# ── Off the list ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("closed", "left"), [(("order-1",), "order-1/r-1"), (("order-1", "r-1"), "order-1")], ids=["order", "return"]
)
def test_what_is_finished_is_closed_by_itself_and_may_be_closed_again(closed, left, entries):
    put(entries, an_open_order(), an_open_order(order_id="order-1/r-1", return_id="r-1"))

    for _ in range(2):
        open_orders.close(*closed)

    assert set(on_the_list(entries)) == {left}
