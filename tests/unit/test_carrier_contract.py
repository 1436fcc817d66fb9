"""What the ship function relies on, whichever carrier it talks to. A real one's adapter is another parameter here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.errors import Unrecoverable
from ship import app
from ship.carrier import Booking, Carrier, CarrierRefused
from tests.unit.stack import MotoStack

PARCEL = Booking("order-1/out/main", {"TEA": 2}, "an address")
LABEL = Booking("order-1/back/r-1", {"TEA": 1}, "")


@pytest.fixture
def carrier(stack: MotoStack) -> Carrier:
    stack.run_as("ShipFunction")
    return app.carrier()


@pytest.mark.parametrize("wanted", [PARCEL, LABEL], ids=["parcel", "label"])
class TestBook:
    def test_answers_a_tracking_number(self, wanted, carrier):
        assert carrier.book("key", wanted)

    def test_repeated_with_its_key_answers_the_same(self, wanted, carrier):
        assert carrier.book("key", wanted) == carrier.book("key", wanted)

    @pytest.mark.parametrize("other", [{"units": {"TEA": 3}}, {"address": "another address"}], ids=str)
    def test_with_a_known_key_and_another_booking_is_refused(self, other, wanted, carrier):
        tracking = carrier.book("key", wanted)

        with pytest.raises(Unrecoverable, match="idempotency key"):
            carrier.book("key", replace(wanted, **other))

        assert carrier.find(wanted.reference) == tracking

    def test_of_nothing_is_refused(self, wanted, carrier):
        with pytest.raises(CarrierRefused):
            carrier.book("key", replace(wanted, units={}))

        assert carrier.find(wanted.reference) is None

    def test_of_another_parcel_answers_another_number(self, wanted, carrier):
        other = replace(wanted, reference="order-2/out/main")

        assert carrier.book("key", wanted) != carrier.book("another key", other)


class TestFind:
    def test_knows_nothing_of_a_parcel_that_never_came(self, carrier):
        carrier.book("key", PARCEL)

        assert carrier.find("order-1/out/north") is None

    @pytest.mark.parametrize("other", ["order-1/out/MAIN", "order-1/out/main2", "order-1/out", "order-1/back/main"])
    def test_does_not_take_a_similar_one_for_it(self, other, carrier):
        carrier.book("key", PARCEL)

        assert carrier.find(other) is None

    def test_tells_of_what_was_booked(self, carrier):
        tracking = carrier.book("key", PARCEL)

        assert carrier.find(PARCEL.reference) == tracking
