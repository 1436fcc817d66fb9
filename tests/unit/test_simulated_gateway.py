"""The ledger itself; what both providers promise is in test_gateway_contract.py."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from aws import clients
from orders import Charge
from orders.errors import Unrecoverable
from payment.gateway import GatewayRefused, Intent, RefundRequest
from payment.simulated import SimulatedGateway, intent_from
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


@pytest.fixture
def wanted(gateway: SimulatedGateway) -> RefundRequest:
    """To give back 400 of 900 that were taken."""
    reference = gateway.authorize("authorize", CHARGE).reference
    gateway.capture("capture", reference)
    return RefundRequest("order-1", "r-1", reference, 400, "EUR")


def test_refunds_are_written_at_their_intent_and_add_up_there(gateway, ledger, wanted):
    first = gateway.refund("first", wanted)
    second = gateway.refund("second", replace(wanted, return_id="r-2", amount=500))

    (item,) = ledger.scan()["Items"]
    assert item["amount_refunded"] == Decimal(900)
    assert item[first] == {"return_id": "r-1", "amount": Decimal(400), "status": "succeeded"}
    assert item[second] == {"return_id": "r-2", "amount": Decimal(500), "status": "succeeded"}
    assert {"first", "second"} <= set(item["answers"])
    assert item["status"] == "succeeded"


def test_an_intent_tells_how_much_of_it_was_given_back(gateway, ledger, wanted):
    gateway.refund("refund", wanted)

    item = clients.dynamodb().get_item(TableName=ledger.name, Key={"id": {"S": wanted.reference}})["Item"]
    assert intent_from(item) == Intent(wanted.reference, "succeeded", 900, "EUR", refunded=400)


def test_of_two_refunds_at_once_that_do_not_both_fit_one_is_made(gateway, ledger, wanted):
    other = replace(wanted, return_id="r-2", amount=501)

    with (
        just_before(clients.dynamodb(), "update_item", lambda: gateway.refund("other", other)),
        pytest.raises(GatewayRefused, match="amount_too_large"),
    ):
        gateway.refund("refund", wanted)

    assert [item["amount_refunded"] for item in ledger.scan()["Items"]] == [Decimal(501)]


def test_two_refunds_at_once_with_one_key_are_one(gateway, ledger, wanted):
    with just_before(clients.dynamodb(), "update_item", lambda: gateway.refund("refund", wanted)):
        gateway.refund("refund", wanted)

    assert [item["amount_refunded"] for item in ledger.scan()["Items"]] == [Decimal(400)]


def test_a_dispute_that_comes_at_the_same_moment_is_before_the_refund_or_after_it(gateway, ledger, wanted):
    def dispute() -> None:
        (item,) = ledger.scan()["Items"]
        ledger.put_item(Item=item | {"disputed": True})

    with (
        just_before(clients.dynamodb(), "update_item", dispute),
        pytest.raises(GatewayRefused, match="charge_disputed"),
    ):
        gateway.refund("refund", wanted)

    assert "amount_refunded" not in ledger.scan()["Items"][0]


@pytest.mark.parametrize("key", ["authorize", "capture"])
def test_a_key_of_another_call_is_refused_by_a_refund(key, gateway, wanted):
    with pytest.raises(Unrecoverable, match="idempotency key"):
        gateway.refund(key, wanted)


@pytest.mark.parametrize(
    ("before", "amount", "code"),
    [(0, 901, "amount_too_large"), (500, 401, "amount_too_large"), (900, 1, "charge_already_refunded")],
)
def test_it_says_why_it_gives_nothing_back(before, amount, code, gateway, wanted):
    if before:
        gateway.refund("before", replace(wanted, return_id="r-0", amount=before))

    with pytest.raises(GatewayRefused, match=code):
        gateway.refund("refund", replace(wanted, amount=amount))
