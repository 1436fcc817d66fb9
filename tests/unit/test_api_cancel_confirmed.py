"""A confirmed order is taken back by one step of its way, which races the one to the carrier."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, statuses
from orders import Status
from tests.unit.builders import CUSTOMER_ID, a_state, an_order
from tests.unit.calling import cancel, get, kind
from tests.unit.faults import dies_after, fails, just_after, just_before
from tests.unit.stack import MotoStack


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"AfterSale": "yes"}


@pytest.fixture
def states(stack: MotoStack) -> Any:
    """The OrderStates table with an order that is confirmed, and the API's environment."""
    stack.run_as("ApiFunction")
    stack.table("OrdersTable").put_item(Item=an_order())
    stack.table("OrderStatesTable").put_item(Item=a_state())
    return stack.table("OrderStatesTable")


def state(states: Any) -> Any:
    return states.get_item(Key={"order_id": "order-1"})["Item"]


def ship() -> None:
    statuses.advance("order-1", Status.CONFIRMED, Status.SHIPPING)


def test_a_confirmed_order_is_cancelled_and_its_decision_stays(states):
    answer = cancel("order-1")

    assert (answer.status, answer.body["status"]) == (200, "CANCELLED")
    assert (answer.body["decision"]["outcome"], answer.body["decision"]["reason"]) == ("CONFIRMED", "ACCEPTED")
    assert list(answer.body["history"]) == ["PLACED", "CONFIRMED", "CANCELLED"]
    assert answer.body == get("/orders/order-1").body
    after, history = state(states), a_state()["history"] | {"CANCELLED": answer.body["history"]["CANCELLED"]}
    cancelled = {"status": "CANCELLED", "reason": "CANCELLED_BEFORE_SHIPPING", "history": history}
    assert after == a_state() | cancelled


def test_one_that_is_not_decided_is_cancelled_as_ever(states):
    states.delete_item(Key={"order_id": "order-1"})

    assert cancel("order-1").body["decision"]["reason"] == "CANCELLED_BY_CUSTOMER"
    assert "reason" not in state(states)


def test_a_cancellation_that_is_repeated_answers_the_same(states):
    first = cancel("order-1")
    stands = state(states)
    again = cancel("order-1")

    assert (again.status, again.body) == (200, first.body)
    assert state(states) == stands


@pytest.mark.parametrize("status", ["SHIPPING", "DELIVERED", "ARCHIVED", "RETURNED"])
def test_what_is_shipped_is_not_cancelled_and_what_it_has_come_to_is_said(status, states, log):
    states.put_item(Item=a_state(status=status))

    answer = cancel("order-1")

    assert kind(answer) == (409, "already-shipped")
    assert (answer.body["order_status"], answer.body["status"]) == (status, 409)
    assert state(states) == a_state(status=status)
    assert log() == []


@pytest.mark.parametrize(
    ("outcome", "reason"), [("CANCELLED", "OUT_OF_STOCK"), ("CANCELLED", "NOT_APPROVED"), ("REJECTED", "ORDER_INVALID")]
)
def test_what_was_decided_otherwise_stands_and_is_said(outcome, reason, states):
    states.put_item(Item=a_state(outcome, reason))

    assert kind(cancel("order-1")) == (409, "already-decided")
    assert state(states) == a_state(outcome, reason)


def test_where_nobody_looks_after_the_sale_a_confirmed_order_stays_so(states, monkeypatch):
    """Nobody would pay the money back."""
    monkeypatch.setenv("AFTER_SALE", "no")

    assert kind(cancel("order-1")) == (409, "already-decided")
    assert state(states) == a_state()


def test_a_parcel_that_is_booked_in_between_is_first(states):
    with just_before(statuses, "advance", ship):
        answer = cancel("order-1")

    assert kind(answer) == (409, "already-shipped")
    assert answer.body["order_status"] == state(states)["status"] == "SHIPPING"
    assert "reason" not in state(states)


def test_a_cancellation_that_is_first_is_what_the_carriers_step_finds(states):
    assert cancel("order-1").status == 200

    assert statuses.advance("order-1", Status.CONFIRMED, Status.SHIPPING)["status"]["S"] == "CANCELLED"
    assert "SHIPPING" not in state(states)["history"]


def test_a_confirmation_that_comes_in_between_is_cancelled_all_the_same(states):
    states.delete_item(Key={"order_id": "order-1"})

    with just_before(clients.dynamodb(), "update_item", lambda: states.put_item(Item=a_state())):
        answer = cancel("order-1")

    assert (answer.status, state(states)["reason"]) == (200, "CANCELLED_BEFORE_SHIPPING")


def test_of_two_cancellations_at_the_same_time_one_is_written_and_both_answer_it(states):
    answers = []

    with just_before(statuses, "advance", lambda: answers.append(cancel("order-1"))):
        answers.append(cancel("order-1"))

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_who_dies_after_the_write_has_cancelled(states):
    with dies_after(statuses, "advance"):
        cancel("order-1")

    assert cancel("order-1").body["history"]["CANCELLED"] == state(states)["history"]["CANCELLED"]


def test_a_lost_answer_of_the_write_is_no_lost_cancellation(states):
    def the_line_breaks() -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    with just_after(statuses, "advance", the_line_breaks):
        assert kind(cancel("order-1")) == (503, "unavailable")

    assert cancel("order-1").status == 200


def test_a_database_that_is_away_says_when_to_come_again(states):
    with fails(statuses, "advance", ReadTimeoutError(endpoint_url="https://dynamodb")):
        answer = cancel("order-1")

    assert kind(answer) == (503, "unavailable")
    assert state(states) == a_state()


def test_a_cancellation_is_logged_once_and_by_the_orders_id_alone(states, log):
    cancel("order-1")
    cancel("order-1")

    assert [(line["message"], line["order_id"]) for line in log()] == [("order cancelled", "order-1")]


def test_customers_cancel_their_own_orders_and_no_others(states, monkeypatch):
    monkeypatch.setenv("CALLERS", "customers")

    assert kind(cancel("order-1", customer="customer-grace-1906")) == (404, "not-found")
    assert state(states) == a_state()
    assert cancel("order-1", customer=CUSTOMER_ID).status == 200
