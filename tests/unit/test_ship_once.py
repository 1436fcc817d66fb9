"""An order is shipped once: against its customer who cancels it, twice, at once, and after half a booking."""

from __future__ import annotations

from typing import Any

import pytest

from aws import guarded
from aws.item import read_items
from orders.errors import OrderTakenBack
from ship import app, booking
from ship.carrier import Booking
from tests.exhaustive import sampled
from tests.unit.builders import a_product, a_state, as_image
from tests.unit.faults import dies_after, dies_before, just_before
from tests.unit.shipping import (
    MAIN,
    NORTH,
    arrive,
    at_request,
    book,
    bookings,
    cancel,
    carrier_asked,
    dies_at,
    everything,
    read,
    requests_of,
    sell,
    status,
)
from tests.unit.stack import MotoStack

NOW = "2026-01-01T09:00:01.000+00:00"
# The order's items, its reservation, its warehouses, its status, its shipment; of each parcel, a booking and what
# came of it.
REQUESTS = 9


@pytest.fixture(autouse=True)
def sold(stack: MotoStack, clock: Any) -> None:
    """order-1 is confirmed and paid for, and lies in two warehouses."""
    stack.run_as("ShipFunction")
    sell(stack)


# ── Its customer cancels it ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_was_taken_back_is_not_shipped(stack):
    cancel(stack)
    before = everything(stack)

    with pytest.raises(OrderTakenBack):
        book()

    assert everything(stack) == before


@pytest.mark.parametrize("request_", range(1, 5))
def test_whoever_cancels_before_the_order_is_shipping_wins(request_, stack):
    with at_request(request_, lambda: cancel(stack)), pytest.raises(OrderTakenBack):
        book()

    assert (status(stack), read(stack, "ShipmentsTable"), bookings(stack)) == ("CANCELLED", None, {})


@pytest.mark.parametrize("request_", range(5, REQUESTS + 1))
def test_whoever_cancels_after_that_is_too_late(request_, stack):
    def too_late() -> None:
        with pytest.raises(stack.table("OrderStatesTable").meta.client.exceptions.ConditionalCheckFailedException):
            cancel(stack)

    with at_request(request_, too_late):
        book()

    assert (status(stack), len(bookings(stack))) == ("SHIPPING", 2)


# ── Twice, at once, and half-way ────────────────────────────────────────────────────────────────────────────────────


def test_a_parcel_is_asked_for_once_and_not_looked_for_before(monkeypatch):
    asked = carrier_asked(monkeypatch)
    assert len(requests_of(book)) == REQUESTS
    assert [type(one) for one in asked] == [tuple, tuple]

    assert requests_of(book) == ["BatchGetItem"]
    assert len(asked) == 2


@pytest.mark.parametrize("status", ["DELIVERED", "ARCHIVED", "RETURNED"])
def test_an_order_that_is_further_stays_there(status, stack):
    book()
    state = read(stack, "OrderStatesTable")
    stack.table("OrderStatesTable").put_item(Item=state | {"status": status})
    before = everything(stack)

    assert book() == {"shipped_at": NOW}
    assert everything(stack) == before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_on_the_way_is_followed_by_one_who_finishes(number, after, *, stack):
    with dies_at(number, after=after):
        book()

    assert book() == {"shipped_at": NOW}

    parcels = read(stack, "ShipmentsTable")["parcels"]
    assert {name: parcel["tracking"] for name, parcel in parcels.items()} == {
        "main": bookings(stack)[MAIN],
        "north": bookings(stack)[NORTH],
    }
    assert status(stack) == "SHIPPING"


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_of_two_at_once_each_parcel_is_booked_once(number, stack, log):
    with at_request(number, book):
        assert book() == {"shipped_at": NOW}

    parcels = read(stack, "ShipmentsTable")["parcels"]
    assert {parcel["tracking"] for parcel in parcels.values()} == set(bookings(stack).values())
    assert [line["message"] for line in log()].count("parcel booked") == 2
    assert [line["message"] for line in log()].count("shipment planned") == 1


@pytest.mark.parametrize("died", [False, True], ids=["both finish", "the first one dies"])
def test_what_was_planned_first_stands_also_when_the_shelves_have_changed_since(died, stack):
    def another_plans() -> None:
        stack.table("InventoryTable").put_item(Item=a_product("TEA", warehouse="south"))
        if died:
            with dies_before(app.carrier(), "book"):
                book()
        else:
            book()

    with at_request(5, another_plans):
        book()

    assert set(read(stack, "ShipmentsTable")["parcels"]) == {"south", "north"}
    assert set(bookings(stack)) == {"order-1/out/south", NORTH}


def test_an_order_that_another_one_ships_while_it_is_read_is_shipped_since_then(stack, monkeypatch):
    """Of several tables, each is read at a moment of its own."""
    book()

    def in_between(order_id: str, *variables: str) -> Any:
        _, *others = read_items(order_id, *variables)
        return [as_image(a_state()), *others]

    monkeypatch.setattr(booking, "read_items", in_between)

    assert book() == {"shipped_at": NOW}
    assert len(bookings(stack)) == 2


def test_what_an_attempt_asked_for_that_died_is_looked_for_before_it_is_asked_for_again(monkeypatch):
    with dies_after(app.carrier(), "book"):
        book()
    asked = carrier_asked(monkeypatch)
    book()

    assert [one if isinstance(one, str) else one[0] for one in asked] == [MAIN, NORTH, f"{NORTH}:book"]


def test_a_parcel_is_booked_once_also_by_a_carrier_that_has_forgotten_the_key(stack, monkeypatch):
    carrier = app.carrier()
    booked: list[str] = []

    def forgetful(key: str, wanted: Booking) -> str:
        booked.append(wanted.reference)
        return f"TRACKING-{len(booked)}"

    monkeypatch.setattr(carrier, "book", forgetful)
    monkeypatch.setattr(
        carrier, "find", lambda reference: f"TRACKING-{booked.index(reference) + 1}" if reference in booked else None
    )
    with dies_after(carrier, "book"):
        book()
    book()

    assert booked == [MAIN, NORTH]
    assert read(stack, "ShipmentsTable")["parcels"]["main"]["tracking"] == "TRACKING-1"


def test_news_that_is_faster_than_the_booking_stays(stack):
    """A parcel may be delivered before we have written down that it was booked."""
    with just_before(guarded, "write", lambda: arrive(stack, "main")):
        book()

    parcel = read(stack, "ShipmentsTable")["parcels"]["main"]
    assert (parcel["status"], parcel["tracking"]) == ("DELIVERED", bookings(stack)[MAIN])
