"""The ledger itself; what both providers promise is in test_gateway_contract.py."""

from decimal import Decimal
from typing import Any

import pytest

from aws import clients
from orders import Charge
from orders.errors import Unrecoverable
from payment.gateway import GatewayRefused
from payment.simulated import SimulatedGateway
from tests.unit.faults import just_before
from tests.unit.stack import MotoStack

CHARGE = Charge("order-1", 900, "EUR", "pm_card_visa")


@pytest.fixture(autouse=True)
def ledger(stack: MotoStack) -> Any:
    stack.run_as("PaymentFunction")
    return stack.table("SimulatedGatewayTable")


@pytest.fixture
def gateway() -> SimulatedGateway:
    return SimulatedGateway()


def test_an_intent_is_one_item_with_every_key_that_it_answered(gateway, ledger):
    reference = gateway.authorize("order-1:authorize", CHARGE).reference
    gateway.capture("order-1:capture", reference)

    (item,) = ledger.scan()["Items"]
    answers = item.pop("answers")
    assert item == {
        "id": reference,
        "order_id": "order-1",
        "amount": Decimal(900),
        "currency": "EUR",
        "status": "succeeded",
    }
    assert {key: answer["status"] for key, answer in answers.items()} == {
        "order-1:authorize": "requires_capture",
        "order-1:capture": "succeeded",
    }


def test_the_ledger_outlives_the_sandbox(gateway):
    reference = gateway.authorize("key", CHARGE).reference

    assert SimulatedGateway().capture("capture", reference).status == "succeeded"


def test_nothing_of_the_card_is_kept(gateway, ledger):
    gateway.authorize("key", CHARGE)

    assert "pm_card_visa" not in str(ledger.scan()["Items"])


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_anything"])
def test_cards_succeed(method, gateway):
    assert gateway.authorize("key", Charge("order-1", 900, "EUR", method)).status == "requires_capture"


@pytest.mark.parametrize("method", ["pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds"])
def test_cards_that_stripe_made_for_declining_decline(method, gateway):
    assert gateway.authorize("key", Charge("order-1", 900, "EUR", method)).status == "requires_payment_method"


@pytest.mark.parametrize(("first", "second"), [("capture", "cancel"), ("cancel", "capture")])
def test_a_key_of_one_call_is_refused_by_the_other(first, second, gateway):
    reference = gateway.authorize("key", CHARGE).reference
    getattr(gateway, first)("finish", reference)

    with pytest.raises(Unrecoverable, match="idempotency key"):
        getattr(gateway, second)("finish", reference)


def test_a_capture_and_a_cancel_at_once_end_in_one_of_them(gateway, ledger):
    reference = gateway.authorize("key", CHARGE).reference

    with (
        just_before(clients.dynamodb(), "update_item", lambda: gateway.cancel("cancel", reference)),
        pytest.raises(GatewayRefused, match="payment_intent_unexpected_state"),
    ):
        gateway.capture("capture", reference)

    assert [item["status"] for item in ledger.scan()["Items"]] == ["canceled"]


def test_two_authorizations_at_once_with_one_key_make_one_intent(gateway, ledger):
    with just_before(clients.dynamodb(), "put_item", lambda: gateway.authorize("key", CHARGE)):
        gateway.authorize("key", CHARGE)

    assert len(ledger.scan()["Items"]) == 1
