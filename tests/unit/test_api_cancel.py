"""A cancellation through the API is one more writer of the decision."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, logger
from tests.unit.builders import EMAIL, a_state, an_order
from tests.unit.calling import an_event, call, cancel, get, kind
from tests.unit.faults import fails, just_after, just_before
from tests.unit.stack import MotoStack


@pytest.fixture
def orders(stack: MotoStack) -> Any:
    """The Orders table with an order in it, and the API's environment."""
    stack.run_as("ApiFunction")
    stack.table("OrdersTable").put_item(Item=an_order())
    return stack.table("OrdersTable")


@pytest.fixture
def states(orders: Any, stack: MotoStack) -> Any:
    return stack.table("OrderStatesTable")


def test_an_order_that_is_not_decided_is_cancelled(orders, states):
    answer = cancel("order-1")

    decision = answer.body["decision"]
    assert (answer.status, answer.body["status"]) == (200, "CANCELLED")
    assert (decision["outcome"], decision["reason"]) == ("CANCELLED", "CANCELLED_BY_CUSTOMER")
    assert answer.body["history"] == {"PLACED": "2026-01-01T09:00:00Z", "CANCELLED": decision["decided_at"]}
    assert states.get_item(Key={"order_id": "order-1"})["Item"]["decision"] == decision
    assert answer.body == get("/orders/order-1").body


def test_a_cancellation_that_is_repeated_answers_the_same(orders):
    first, again = cancel("order-1"), cancel("order-1")

    assert (again.status, again.body) == (200, first.body)


def test_a_cancellation_is_logged_once_and_by_the_orders_id_alone(orders, log, caplog):
    cancel("order-1")
    cancel("order-1")
    assert [(line["message"], line["order_id"]) for line in log()] == [("order cancelled", "order-1")]

    caplog.set_level("DEBUG", logger=logger.name)
    cancel("order-1")
    assert [line["message"] for line in log()] == ["order cancelled", "order was cancelled already"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("CONFIRMED", "ACCEPTED"),
        ("CANCELLED", "OUT_OF_STOCK"),
        ("CANCELLED", "NOT_APPROVED"),
        ("REJECTED", "ORDER_INVALID"),
    ],
)
def test_what_was_decided_before_stands_and_is_said(outcome, reason, states, log):
    state = a_state(outcome, reason)
    states.put_item(Item=state)

    answer = cancel("order-1")

    assert kind(answer) == (409, "already-decided")
    assert answer.body["decision"] == {"outcome": outcome, "reason": reason, "decided_at": "2026-01-01T09:00:05Z"}
    assert states.get_item(Key={"order_id": "order-1"})["Item"] == state
    assert log() == []


def test_a_decision_that_comes_in_between_is_the_first(states):
    with just_before(clients.dynamodb(), "update_item", lambda: states.put_item(Item=a_state())):
        answer = cancel("order-1")

    assert kind(answer) == (409, "already-decided")
    assert answer.body["decision"]["outcome"] == "CONFIRMED"


def test_of_two_cancellations_at_the_same_time_one_is_written_and_both_answer_it(orders):
    answers = []

    with just_before(clients.dynamodb(), "update_item", lambda: answers.append(cancel("order-1"))):
        answers.append(cancel("order-1"))

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_a_lost_answer_of_the_write_is_no_lost_cancellation(orders):
    def the_line_breaks() -> None:
        raise ReadTimeoutError(endpoint_url=f"https://dynamodb/?{EMAIL}")

    with just_after(clients.dynamodb(), "update_item", the_line_breaks):
        assert kind(cancel("order-1")) == (503, "unavailable")

    assert cancel("order-1").status == 200


def test_a_database_that_is_away_says_when_to_come_again(orders):
    with fails(clients.dynamodb(), "update_item", ReadTimeoutError(endpoint_url="https://dynamodb")):
        answer = cancel("order-1")

    assert kind(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("order_id", ["order-2", "%", "☕", "o" * 129, "order-1%20", "a%2Fb"])
def test_what_is_no_order_cannot_be_cancelled(order_id, states):
    assert kind(cancel(order_id)) == (404, "not-found")
    assert states.scan()["Count"] == 0


def test_a_malformed_order_can_be_cancelled(orders):
    orders.put_item(Item={"order_id": "order-3", "lines": 7})

    assert cancel("order-3").body["status"] == "CANCELLED"


@pytest.mark.parametrize("body", [None, "", "{", "null", "\ud800", "x" * 100_000])
def test_no_body_is_read(body, orders):
    answer = call(an_event("POST", "/orders/order-1/cancel", body, base64=True))

    assert answer.status == 200
