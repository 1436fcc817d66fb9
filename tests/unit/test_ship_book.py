"""An order is shipped once, as it was reserved and paid for, unless its customer was faster."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients
from orders.errors import Unrecoverable
from ship import app, booking
from ship.carrier import Booking, CarrierRefused, CarrierUnavailable
from tests.unit.builders import PERSONAL, SHIP_TO, a_line, a_product, a_state, an_order
from tests.unit.faults import dies_before, fails
from tests.unit.shipping import (
    MAIN,
    NORTH,
    POT,
    a_payment,
    a_reservation,
    book,
    bookings,
    carrier_asked,
    everything,
    read,
    sell,
    status,
)
from tests.unit.stack import MotoStack

NOW = "2026-01-01T09:00:01.000+00:00"


@pytest.fixture(autouse=True)
def sold(stack: MotoStack, clock: Any) -> None:
    """order-1 is confirmed and paid for, and lies in two warehouses."""
    stack.run_as("ShipFunction")
    sell(stack)


# ── One order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_goes_in_one_parcel_from_each_warehouse(stack, log):
    assert book() == {"shipped_at": NOW}

    trackings = bookings(stack)
    assert set(trackings) == {MAIN, NORTH}
    assert read(stack, "ShipmentsTable") == {
        "order_id": "order-1",
        "prices": {"TEA": 450, "POT": 2900},
        "parcels": {
            "main": {"units": {"TEA": 2}, "status": "PLANNED", "tracking": trackings[MAIN]},
            "north": {"units": {"POT": 1}, "status": "PLANNED", "tracking": trackings[NORTH]},
        },
    }
    assert read(stack, "OrderStatesTable")["history"]["SHIPPING"] == NOW
    assert status(stack) == "SHIPPING"
    assert [line["message"] for line in log()] == ["shipment planned", "parcel booked", "parcel booked"]


def test_what_lies_in_one_warehouse_goes_in_one_parcel(stack):
    stack.table("InventoryTable").put_item(Item=a_product("POT"))
    book()

    assert set(bookings(stack)) == {MAIN}
    assert read(stack, "ShipmentsTable")["parcels"]["main"]["units"] == {"TEA": 2, "POT": 1}


@pytest.mark.parametrize("stock", [a_product("POT", warehouse=""), a_product("POT", warehouse=3), None], ids=str)
def test_what_no_warehouse_is_known_of_lies_in_the_main_one(stock, stack):
    table = stack.table("InventoryTable")
    table.delete_item(Key={"pk": "SKU#POT", "sk": "STOCK"})
    if stock:
        table.put_item(Item=stock)
    book()

    assert set(bookings(stack)) == {MAIN}


def test_an_order_of_as_many_lines_as_there_may_be_is_shipped(stack):
    lines = [a_line(sku=f"SKU-{number}", quantity=1, unit_price=10) for number in range(50)]
    sell(stack, *lines)
    stack.table("InventoryTable").put_item(Item=a_product("SKU-7", warehouse="north"))
    book()

    parcels = read(stack, "ShipmentsTable")["parcels"]
    assert (len(parcels["main"]["units"]), parcels["north"]["units"]) == (49, {"SKU-7": 1})


def test_what_is_shipped_is_what_was_reserved_whatever_the_order_says_by_now(stack):
    changed = an_order(lines=[a_line(quantity=7), a_line(sku="CUP")])
    stack.table("OrdersTable").put_item(Item=changed)
    book()

    parcels = read(stack, "ShipmentsTable")["parcels"]
    assert {name: parcel["units"] for name, parcel in parcels.items()} == {"main": {"TEA": 2}, "north": {"POT": 1}}


def test_the_address_goes_to_the_carrier_and_nowhere_else(stack, monkeypatch):
    asked = carrier_asked(monkeypatch)
    answer = book()

    assert asked == [
        (f"{MAIN}:book", Booking(MAIN, {"TEA": 2}, SHIP_TO)),
        (f"{NORTH}:book", Booking(NORTH, {"POT": 1}, SHIP_TO)),
    ]
    written = str([everything(stack), answer])
    assert [secret for secret in (SHIP_TO, *PERSONAL) if secret in written] == []


@pytest.mark.parametrize("ship_to", ["", None, ["a", "b"]], ids=["empty", "null", "a list"])
def test_an_order_without_an_address_is_the_carriers_to_judge(ship_to, stack, monkeypatch):
    asked = carrier_asked(monkeypatch)
    stack.table("OrdersTable").put_item(Item=an_order(ship_to=ship_to))
    book()

    assert {wanted.address for _, wanted in asked} == {""}


# ── Not yet, and not at all ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("payment", [None, "AUTHORIZING", "AUTHORIZED", "DECLINED", "VOIDED"])
def test_nothing_is_shipped_that_is_not_paid_for(payment, stack):
    stack.table("PaymentsTable").delete_item(Key={"order_id": "order-1"})
    if payment:
        stack.table("PaymentsTable").put_item(Item=a_payment(status=payment))
    before = everything(stack)

    with pytest.raises(booking.PaymentOutstanding, match=f"the payment is {payment or 'missing'}"):
        book()

    assert everything(stack) == before


def test_nothing_is_shipped_before_it_is_decided(stack):
    stack.table("OrderStatesTable").delete_item(Key={"order_id": "order-1"})

    with pytest.raises(booking.PaymentOutstanding):
        book()

    assert bookings(stack) == {}


@pytest.mark.parametrize("outcome", ["CANCELLED", "REJECTED"])
def test_an_order_that_was_never_confirmed_is_a_persons_to_look_at(outcome, stack):
    """Were it undone like one that was, its stock would be put back twice."""
    stack.table("OrderStatesTable").put_item(Item=a_state(outcome, "OUT_OF_STOCK"))

    with pytest.raises(Unrecoverable, match=r"^cannot ship an order that was never confirmed$"):
        book()


def without_order(stack: MotoStack) -> None:
    stack.table("OrdersTable").delete_item(Key={"order_id": "order-1"})


def without_reservation(stack: MotoStack) -> None:
    stack.table("InventoryTable").delete_item(Key={"pk": "ORDER#order-1", "sk": "RESERVATION"})


def released(stack: MotoStack) -> None:
    stack.table("InventoryTable").put_item(Item=a_reservation(a_line(), POT, status="RELEASED"))


def another_sum(stack: MotoStack) -> None:
    stack.table("InventoryTable").put_item(Item=a_reservation(a_line(quantity=3), POT))


def without_prices(stack: MotoStack) -> None:
    stack.table("InventoryTable").put_item(Item=a_reservation({"sku": "TEA", "quantity": 2}))


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        (without_order, "the order was deleted, and with it where to ship it"),
        (without_reservation, "cannot ship a reservation that is missing"),
        (released, "cannot ship a reservation that is RELEASED"),
        (another_sum, "what is reserved does not come to what was paid"),
        (without_prices, "what is reserved does not come to what was paid"),
    ],
)
def test_what_cannot_be_shipped_is_found_while_its_customer_can_still_cancel_it(happens, message, stack):
    happens(stack)
    before = everything(stack)

    with pytest.raises(Unrecoverable, match=f"^{message}$"):
        book()

    assert everything(stack) == before


def test_an_order_that_was_deleted_is_shipped_no_further(stack):
    with dies_before(app.carrier(), "book"):
        book()
    without_order(stack)

    with pytest.raises(Unrecoverable, match="was deleted"):
        book()

    assert bookings(stack) == {}


def test_an_order_that_was_deleted_after_its_parcels_were_booked_goes_on(stack):
    book()
    without_order(stack)

    assert book() == {"shipped_at": NOW}


# ── The carrier ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_carrier_that_cannot_say_is_asked_again(stack):
    with fails(app.carrier(), "book", CarrierUnavailable("timeout")), pytest.raises(CarrierUnavailable):
        book()
    assert (status(stack), bookings(stack)) == ("SHIPPING", {})

    assert book() == {"shipped_at": NOW}
    assert len(bookings(stack)) == 2


def test_what_the_carrier_refuses_is_a_persons_to_look_at(stack):
    with (
        fails(app.carrier(), "book", CarrierRefused("address_unknown")),
        pytest.raises(Unrecoverable, match=r"^the carrier refused: address_unknown$"),
    ):
        book()

    assert status(stack) == "SHIPPING"


def test_what_could_not_be_read_whole_is_read_again(stack, monkeypatch):
    monkeypatch.setattr(
        clients.dynamodb(),
        "batch_get_item",
        lambda **request: {"Responses": {}, "UnprocessedKeys": request["RequestItems"]},
    )

    with pytest.raises(TimeoutError):
        book()


def test_a_warehouse_that_could_not_be_read_is_not_taken_for_the_main_one(stack, monkeypatch):
    client: Any = clients.dynamodb()
    batch_get_item = client.batch_get_item

    def short(**request: Any) -> Any:
        if stack["InventoryTable"] in request["RequestItems"]:
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        return batch_get_item(**request)

    monkeypatch.setattr(client, "batch_get_item", short)

    with pytest.raises(TimeoutError):
        book()

    assert status(stack) == "CONFIRMED"


def test_an_action_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="unknown action lose"):
        app.handler({"action": "lose", "order_id": "order-1"}, None)
