"""The simulated carrier's ledger; what every carrier promises is in test_carrier_contract.py."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients
from ship.carrier import Booking, CarrierRefused
from ship.simulated import SimulatedCarrier
from tests.unit.builders import SHIP_TO
from tests.unit.faults import just_before
from tests.unit.stack import MotoStack

PARCEL = Booking("order-1/out/main", {"TEA": 2, "POT": 1}, SHIP_TO)


@pytest.fixture(autouse=True)
def ledger(stack: MotoStack) -> Any:
    stack.run_as("ShipFunction")
    return stack.table("SimulatedCarrierTable")


@pytest.fixture
def carrier() -> SimulatedCarrier:
    return SimulatedCarrier()


def test_a_booking_is_one_item_that_says_what_is_carried(carrier, ledger):
    tracking = carrier.book("key", PARCEL)

    [item] = ledger.scan()["Items"]
    assert len(item.pop("request")) == 64
    assert item == {"id": tracking, "reference": PARCEL.reference, "units": {"TEA": 2, "POT": 1}, "key": "key"}
    assert tracking.startswith("SIM-")


def test_the_ledger_outlives_the_sandbox(carrier):
    tracking = carrier.book("key", PARCEL)

    assert SimulatedCarrier().find(PARCEL.reference) == tracking


def test_nothing_of_the_address_is_kept(carrier, ledger):
    carrier.book("key", PARCEL)

    written = str(ledger.scan()["Items"])
    assert [line for line in SHIP_TO.splitlines() if line in written] == []


def test_a_reference_is_booked_once_under_whatever_key(carrier, ledger):
    carrier.book("key", PARCEL)

    with pytest.raises(CarrierRefused, match="reference_in_use"):
        carrier.book("another key", PARCEL)

    assert len(ledger.scan()["Items"]) == 1


def test_two_bookings_at_once_with_one_key_make_one(carrier, ledger):
    with just_before(clients.dynamodb(), "put_item", lambda: carrier.book("key", PARCEL)):
        carrier.book("key", PARCEL)

    assert len(ledger.scan()["Items"]) == 1


def test_the_order_of_the_units_makes_no_other_request(carrier):
    tracking = carrier.book("key", PARCEL)

    assert carrier.book("key", Booking(PARCEL.reference, {"POT": 1, "TEA": 2}, SHIP_TO)) == tracking
