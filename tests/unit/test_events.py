"""The contract on the bus. Who changes one of these changes it for every consumer."""

import pytest

from orders import NEXT, Status
from orders.events import BECAME, PLACED, RETURN_REQUESTED, REVIEWED, SOURCE, OrderEvent

EVENTS = [PLACED, REVIEWED, *BECAME.values(), RETURN_REQUESTED]


@pytest.mark.parametrize(
    ("detail_type", "what", "more"),
    [
        ("OrderPlaced", "placed", {"review": False}),
        ("OrderReviewed", "reviewed", {}),
        ("OrderConfirmed", "confirmed", {}),
        ("OrderCancelled", "cancelled", {}),
        ("OrderRejected", "rejected", {}),
        ("OrderShipped", "shipped", {}),
        ("OrderDelivered", "delivered", {}),
        ("OrderArchived", "archived", {}),
        ("OrderReturned", "returned", {}),
    ],
)
def test_an_event_says_which_order_and_nothing_else_of_it(detail_type, what, more):
    assert OrderEvent(detail_type, "order-1", "2026-01-01T09:00:00+00:00").detail == {
        "version": 1,
        "event_id": f"order-1:{what}",
        "order_id": "order-1",
        "occurred_at": "2026-01-01T09:00:00+00:00",
        **more,
    }


def test_a_placed_order_says_either_way_whether_a_person_has_to_approve_it():
    # Rules match it: one for true, another for false, so every order starts one workflow.
    assert OrderEvent(PLACED, "order-1", "2026-01-01T09:00:00+00:00", review=True).detail["review"] is True
    assert OrderEvent(PLACED, "order-1", "2026-01-01T09:00:00+00:00").detail["review"] is False


def test_a_reviewed_order_says_what_was_approved_or_nothing():
    approved = OrderEvent(REVIEWED, "order-1", "2026-01-01T09:00:00+00:00", approved="a-digest")
    denied = OrderEvent(REVIEWED, "order-1", "2026-01-01T09:00:00+00:00")

    assert approved.detail == denied.detail | {"approved": "a-digest"}
    assert "review" not in approved.detail


def test_what_became_of_an_order_says_why():
    cancelled = OrderEvent(BECAME["CANCELLED"], "order-1", "2026-01-01T09:00:00+00:00", reason="CANCELLED_BY_CUSTOMER")

    assert cancelled.detail["reason"] == "CANCELLED_BY_CUSTOMER"


def test_the_names_on_the_bus():
    assert (SOURCE, PLACED, REVIEWED, RETURN_REQUESTED) == (
        "orders",
        "OrderPlaced",
        "OrderReviewed",
        "ReturnRequested",
    )
    assert BECAME == {
        "CONFIRMED": "OrderConfirmed",
        "CANCELLED": "OrderCancelled",
        "REJECTED": "OrderRejected",
        "SHIPPING": "OrderShipped",
        "DELIVERED": "OrderDelivered",
        "ARCHIVED": "OrderArchived",
        "RETURNED": "OrderReturned",
    }


def test_every_status_that_an_order_can_come_to_is_said_on_the_bus():
    assert set(BECAME) == {later for after in NEXT.values() for later in after} == set(Status) - {Status.PLACED}


def test_a_return_says_which_one_it_is():
    asked = OrderEvent(RETURN_REQUESTED, "order-1", "2026-01-01T09:00:00+00:00", return_id="r-1")

    assert asked.detail == {
        "version": 1,
        "event_id": "order-1:returnrequested:r-1",
        "order_id": "order-1",
        "occurred_at": "2026-01-01T09:00:00+00:00",
        "return_id": "r-1",
    }


@pytest.mark.parametrize("detail_type", [PLACED, REVIEWED, BECAME["CONFIRMED"], RETURN_REQUESTED])
def test_an_event_that_is_sent_again_says_for_how_long_its_order_has_been_tried_and_is_the_same_otherwise(detail_type):
    first = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:00+00:00")
    again = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:00+00:00", tried_minutes=15)

    assert again.detail == first.detail | {"tried_minutes": 15}


@pytest.mark.parametrize("detail_type", EVENTS)
def test_the_id_is_of_what_happened_and_not_of_the_attempt_to_say_so(detail_type):
    first = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:00+00:00")
    again = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:07+00:00")

    assert first.detail["event_id"] == again.detail["event_id"]


def test_no_two_things_that_happen_share_an_id():
    happened = [
        OrderEvent(detail_type, order_id, "2026-01-01T09:00:00+00:00")
        for detail_type in EVENTS
        for order_id in ("order-1", "order-2", "order-1:placed")
    ] + [
        OrderEvent(RETURN_REQUESTED, order_id, "2026-01-01T09:00:00+00:00", return_id=return_id)
        for order_id in ("order-1", "order-2")
        for return_id in ("r-1", "r-2")
    ]

    assert len({event.detail["event_id"] for event in happened}) == len(happened)
