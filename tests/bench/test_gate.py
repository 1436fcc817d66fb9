"""The regression gate: what an order takes, counted, with the number in the test. Whoever changes one changes the bill.

Timings and prices are `make bench`'s; what is here is the same on every machine.
"""

from __future__ import annotations

from collections import Counter

import pytest

from bench import runs
from bench.meter import Tally
from bench.simulated import PIPELINE
from bench.usual.design import USUAL

ORDERS = 3


@pytest.fixture(scope="module")
def confirmed() -> Tally:
    return runs.confirmed(PIPELINE, ORDERS)


@pytest.fixture(scope="module")
def mixed() -> Tally:
    return runs.mixed(PIPELINE)


@pytest.fixture(scope="module")
def usual() -> Tally:
    return runs.confirmed(USUAL, ORDERS)


def test_a_confirmed_order_takes_seven_transitions(confirmed: Tally) -> None:
    assert confirmed.outcomes == {"CONFIRMED": ORDERS}
    states = ("Validate", "Try", "Reserve", "Authorize", "Confirm", "Capture", "Notify")
    assert confirmed.transitions == Counter(dict.fromkeys(states, ORDERS))


def test_a_confirmed_order_takes_seven_invocations(confirmed: Tally) -> None:
    steps = dict.fromkeys(("validate", "reserve", "authorize", "capture", "notify"), ORDERS)
    assert confirmed.invocations == {"publish": 2 * ORDERS, **steps}


def test_a_confirmed_order_takes_sixteen_requests_of_these_kinds(confirmed: Tally) -> None:
    assert {who: n for who, n in confirmed.each_request().items() if not who.startswith(("provider:", "shop:"))} == {
        "publish: dynamodb.BatchWriteItem": 1,
        "publish: events.PutEvents": 2,  # placed, decided
        "validate: dynamodb.BatchGetItem": 2,  # the order and what became of it, the catalogue
        "reserve: dynamodb.TransactWriteItems": 1,
        "authorize: dynamodb.PutItem": 1,
        "authorize: dynamodb.UpdateItem": 1,
        "workflow: dynamodb.UpdateItem": 1,
        "capture: dynamodb.GetItem": 1,
        "capture: dynamodb.UpdateItem": 1,
        "notify: dynamodb.GetItem": 1,
        "notify: dynamodb.PutItem": 1,
        "notify: dynamodb.UpdateItem": 1,
        "notify: sesv2.SendEmail": 1,
        "notify: dynamodb.DeleteItem": 1,
    }
    assert confirmed.counts()["Requests"] == 16


def test_a_confirmed_order_takes_fifteen_write_units_and_six_read_units(confirmed: Tally) -> None:
    assert confirmed.units_by_table() == {
        "OrdersTable": {"reads": 2, "writes": 1},
        "OrderStatesTable": {"reads": 1, "writes": 1},
        "OpenOrdersTable": {"reads": 0, "writes": 2},
        "InventoryTable": {"reads": 2, "writes": 6},  # the reservation and two lines, in a transaction
        "PaymentsTable": {"reads": 1, "writes": 3},
        "IdempotencyTable": {"reads": 0, "writes": 2},
        "SimulatedGatewayTable": {"reads": 0, "writes": 4},  # with its index; the provider's, and not in the sum
    }
    counts = confirmed.counts()
    assert (counts["Write units"], counts["Read units"]) == (15, 6)


def test_a_confirmed_order_puts_two_events_on_the_bus(confirmed: Tally) -> None:
    assert confirmed.counts()["Events"] == 2


def test_a_confirmed_order_logs_four_lines_of_1130_bytes_and_one_of_them_is_its_metrics(confirmed: Tally) -> None:
    assert confirmed.log_lines == Counter(
        {(step, "handler"): ORDERS for step in ("reserve", "authorize", "capture", "notify")}
    )
    assert confirmed.counts()["Log bytes"] <= 1_130


def test_orders_of_every_kind_take_less_than_nine_transitions_on_average(mixed: Tally) -> None:
    assert mixed.outcomes == {"CONFIRMED": 4, "CANCELLED": 3, "REJECTED": 3}
    assert mixed.counts()["State transitions"] == 8.3
    assert mixed.executions == 11  # one event is delivered twice


def test_orders_of_every_kind_log_less_than_1720_bytes(mixed: Tally) -> None:
    assert mixed.counts()["Log bytes"] <= 1_720


def test_what_the_pipeline_is_compared_with_stays_what_it_is(usual: Tally) -> None:
    assert usual.outcomes == {"CONFIRMED": ORDERS}
    counts = usual.counts()
    assert (counts["State transitions"], counts["Invocations"], counts["Requests"]) == (10, 7, 25)
    assert (counts["Write units"], counts["Read units"], counts["Events"]) == (24, 5, 2)


def test_the_usual_design_comes_to_the_same_outcomes() -> None:
    assert runs.mixed(USUAL).outcomes == {"CONFIRMED": 4, "CANCELLED": 3, "REJECTED": 3}
