"""The contract on the bus. Who changes one of these changes it for every consumer."""

import pytest

from orders.events import BECAME, PLACED, SOURCE, OrderEvent


def test_an_event_says_which_order_and_nothing_else_of_it():
    assert OrderEvent("OrderPlaced", "order-1", "2026-01-01T09:00:00+00:00").detail == {
        "version": 1,
        "event_id": "order-1:placed",
        "order_id": "order-1",
        "occurred_at": "2026-01-01T09:00:00+00:00",
    }


def test_the_names_on_the_bus():
    assert (SOURCE, PLACED) == ("orders", "OrderPlaced")
    assert BECAME == {"CONFIRMED": "OrderConfirmed", "CANCELLED": "OrderCancelled", "REJECTED": "OrderRejected"}


def test_an_event_that_is_sent_again_says_for_how_long_its_order_has_been_tried_and_is_the_same_otherwise():
    first = OrderEvent(PLACED, "order-1", "2026-01-01T09:00:00+00:00")
    again = OrderEvent(PLACED, "order-1", "2026-01-01T09:00:00+00:00", tried_minutes=15)

    assert again.detail == first.detail | {"tried_minutes": 15}


@pytest.mark.parametrize("detail_type", [PLACED, *BECAME.values()])
def test_the_id_is_of_what_happened_and_not_of_the_attempt_to_say_so(detail_type):
    first = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:00+00:00")
    again = OrderEvent(detail_type, "order-1", "2026-01-01T09:00:07+00:00")

    assert first.detail["event_id"] == again.detail["event_id"]


def test_no_two_things_that_happen_share_an_id():
    happened = [
        OrderEvent(detail_type, order_id, "2026-01-01T09:00:00+00:00")
        for detail_type in (PLACED, *BECAME.values())
        for order_id in ("order-1", "order-2", "order-1:placed")
    ]

    assert len({event.detail["event_id"] for event in happened}) == len(happened)
