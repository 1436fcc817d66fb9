"""Giving back a hold that only the provider knows: the nightly books find it, and ask for this (jobs/repair.py)."""

from typing import Any

import pytest

from orders import Charge
from orders.errors import Unrecoverable
from payment import app
from payment.gateway import GatewayUnavailable
from tests.unit.faults import dies_before, fails
from tests.unit.paying import GIVEN_BACK, NO_ANSWER, ONE_HOLD, TAKEN, authorize, capture, decline, void, voided

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


def stray() -> str:
    """A hold at the provider that nobody here knows of."""
    charge = Charge("order-1", 900, "EUR", "pm_card_visa")
    return app.gateway().authorize("an attempt that was forgotten", charge).reference


def void_stray(reference: str) -> dict[str, Any]:
    event = {"action": "void", "order_id": "order-1", "reason": "OUT_OF_STOCK", "intent": reference}
    return app.handler(event, None)


@pytest.mark.parametrize("repeated", [1, 2])
def test_a_hold_that_no_record_knows_of_is_given_back(repeated, intents, payment):
    void("OUT_OF_STOCK")
    reference = stray()

    assert [void_stray(reference) for _ in range(repeated)] == [voided("OUT_OF_STOCK")] * repeated

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "VOIDED"


def test_a_hold_beside_a_declined_card_is_given_back(intents):
    decline()
    reference = stray()

    void_stray(reference)

    assert ("requires_capture", 900) not in intents()
    assert ("canceled", 900) in intents()


def test_a_hold_that_turns_out_to_be_the_orders_own_is_given_back_once(intents, payment):
    authorize()

    void_stray(payment()["provider_reference"])

    assert intents() == GIVEN_BACK


def test_of_an_order_that_was_captured_nothing_is_given_back(intents):
    authorize()
    capture()
    reference = stray()

    with pytest.raises(Unrecoverable):
        void_stray(reference)

    assert sorted(intents()) == sorted([*TAKEN, *ONE_HOLD])


def test_no_capture_can_come_between(intents):
    """The record says VOIDED before the provider is asked."""
    authorize()
    reference = stray()
    with dies_before(app, "void_stray"):
        void_stray(reference)

    with pytest.raises(Unrecoverable):
        capture()


def test_a_provider_that_does_not_answer_is_asked_again(intents):
    void()
    reference = stray()
    with fails(app.gateway(), "cancel", NO_ANSWER), pytest.raises(GatewayUnavailable):
        void_stray(reference)

    void_stray(reference)

    assert intents() == GIVEN_BACK
