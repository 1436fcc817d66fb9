"""The adapter through the real SDK, down to the wire; what both providers promise is in test_gateway_contract.py."""

import traceback
from typing import Any

import pytest

from payment.gateway import Charge, GatewayRefused, GatewayUnavailable
from payment.stripe_gateway import StripeGateway
from tests.unit.fake_stripe import FakeStripe, Request
from tests.unit.stack import Stack, template

CHARGE = Charge("order-1", 900, "EUR", "pm_card_visa")
CARD = "4000 0000 0000 0002"


@pytest.fixture
def parameters(stripe_secret: str) -> dict[str, str]:
    return {"StripeSecretArn": stripe_secret}


@pytest.fixture
def gateway(stack: Stack, stripe_account: FakeStripe) -> StripeGateway:
    stack.run_as("PaymentFunction")
    return StripeGateway()


@pytest.fixture
def held(gateway: StripeGateway) -> str:
    """The reference of a hold."""
    return gateway.authorize("key", CHARGE).reference


def last(account: FakeStripe) -> Request:
    return account.received[-1]


def test_an_authorization_is_a_confirmed_intent_with_manual_capture(gateway, stripe_account):
    gateway.authorize("order-1:authorize", CHARGE)

    (request,) = stripe_account.received
    assert (request.method, request.path) == ("POST", "/v1/payment_intents")
    assert request.form == {
        "amount": "900",
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "capture_method": "manual",
        "confirm": "true",
        "error_on_requires_action": "true",
        "metadata[order_id]": "order-1",
    }


def test_every_write_carries_the_key_that_it_was_called_with(gateway, stripe_account):
    captured = gateway.authorize("order-1:authorize", CHARGE).reference
    gateway.capture("order-1:capture", captured)
    canceled = gateway.authorize("order-2:authorize", CHARGE).reference
    gateway.cancel("order-2:cancel", canceled)

    assert [(request.path.removeprefix("/v1/payment_intents"), request.key) for request in stripe_account.received] == [
        ("", "order-1:authorize"),
        (f"/{captured}/capture", "order-1:capture"),
        ("", "order-2:authorize"),
        (f"/{canceled}/cancel", "order-2:cancel"),
    ]


def test_a_capture_names_no_amount_so_that_it_takes_everything(gateway, held, stripe_account):
    gateway.capture("capture", held)

    assert last(stripe_account).form == {}


def test_an_order_is_looked_up_by_its_metadata(gateway, stripe_account):
    gateway.find("order-1")

    assert last(stripe_account).path == "/v1/payment_intents/search"
    assert last(stripe_account).form == {"query": 'metadata["order_id"]:"order-1"'}


def test_the_key_comes_from_the_secret_and_is_read_once(gateway, stripe_account, stack, monkeypatch):
    gateway.authorize("key", CHARGE)
    monkeypatch.delenv("STRIPE_SECRET_ARN")
    gateway.authorize("key", CHARGE)

    assert [request.headers["Authorization"] for request in stripe_account.received] == ["Bearer sk_test_secret"] * 2


def test_the_key_is_in_no_log(gateway, caplog, log):
    gateway.authorize("key", CHARGE)

    assert "sk_test" not in caplog.text + str(log())


def test_two_answers_are_given_up_before_the_function_is_stopped(gateway, stripe_account):
    gateway.find("order-1")

    assert 2 * last(stripe_account).timeout < template()["Resources"]["PaymentFunction"]["Properties"]["Timeout"]


@pytest.mark.parametrize("card", ["pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_unknown"])
def test_a_card_that_cannot_be_charged_now_is_declined(card, gateway):
    intent = gateway.authorize("key", Charge("order-1", 900, "EUR", card))

    assert (intent.status, intent.amount, intent.currency) == ("requires_payment_method", 900, "EUR")


AMBIGUOUS: list[tuple[int, dict[str, Any]]] = [
    (500, {"type": "api_error"}),
    (503, {"type": "api_error"}),
    (429, {"type": "invalid_request_error", "code": "rate_limit"}),
    (400, {"type": "invalid_request_error", "code": "rate_limit"}),
    (409, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}),
    (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
    (401, {"type": "invalid_request_error"}),
    (403, {"type": "invalid_request_error"}),
]


@pytest.mark.parametrize("answer", AMBIGUOUS, ids=str)
def test_an_answer_that_says_nothing_of_the_payment_is_unavailable(answer, gateway, stripe_account):
    status, error = answer
    stripe_account.refuses_once(status, message=f"Your card {CARD}", **error)

    with pytest.raises(GatewayUnavailable):
        gateway.authorize("key", CHARGE)

    assert gateway.authorize("key", CHARGE).status == "requires_capture"


@pytest.mark.parametrize("call", ["capture", "cancel"])
@pytest.mark.parametrize("answer", AMBIGUOUS, ids=str)
def test_an_answer_that_says_nothing_of_the_intent_is_unavailable(call, answer, gateway, held, stripe_account):
    status, error = answer
    stripe_account.refuses_once(status, **error)

    with pytest.raises(GatewayUnavailable):
        getattr(gateway, call)("finish", held)


@pytest.mark.parametrize("accident", [FakeStripe.is_unreachable_once, FakeStripe.loses_an_answer])
def test_no_answer_is_unavailable_and_the_request_may_be_repeated(accident, gateway, stripe_account):
    accident(stripe_account)

    with pytest.raises(GatewayUnavailable, match="APIConnectionError"):
        gateway.authorize("key", CHARGE)

    assert gateway.authorize("key", CHARGE).status == "requires_capture"
    assert len(stripe_account.intents) == 1


def test_the_sdk_does_not_retry_behind_our_back(gateway, stripe_account):
    stripe_account.is_unreachable_once()

    with pytest.raises(GatewayUnavailable):
        gateway.authorize("key", CHARGE)

    assert len(stripe_account.received) == 1


@pytest.mark.parametrize("status", ["processing", "requires_action", "requires_confirmation"])
def test_an_intent_that_neither_holds_nor_declined_is_not_taken_for_a_hold(status, gateway, held, stripe_account):
    stripe_account.intents[held]["status"] = status

    with pytest.raises(GatewayUnavailable, match=status):
        gateway.find("order-1")


def test_a_request_that_stripe_does_not_understand_is_refused_with_its_code(gateway, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", code="amount_too_small", param="amount")

    with pytest.raises(GatewayRefused, match=r"^amount_too_small$"):
        gateway.authorize("key", CHARGE)


def test_a_refusal_without_a_code_is_still_a_refusal(gateway, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", message=f"Invalid: {CARD}")

    with pytest.raises(GatewayRefused, match=r"^invalid_request_error$"):
        gateway.authorize("key", CHARGE)


@pytest.mark.parametrize(("call", "ends_as"), [("capture", "succeeded"), ("cancel", "canceled")])
def test_a_call_whose_key_is_forgotten_finds_the_intent_where_it_left_it(call, ends_as, gateway, held, stripe_account):
    getattr(gateway, call)("finish", held)
    stripe_account.forgets_its_keys()

    assert getattr(gateway, call)("finish", held).status == ends_as


@pytest.mark.parametrize(("call", "ends_as"), [("capture", "succeeded"), ("cancel", "canceled")])
def test_a_call_whose_answer_was_lost_is_answered_when_repeated(call, ends_as, gateway, held, stripe_account):
    stripe_account.loses_an_answer()
    with pytest.raises(GatewayUnavailable):
        getattr(gateway, call)("finish", held)

    assert getattr(gateway, call)("finish", held).status == ends_as
    assert stripe_account.intents[held]["status"] == ends_as


@pytest.mark.parametrize("call", ["capture", "cancel"])
def test_a_card_error_of_a_hold_is_a_refusal(call, gateway, held, stripe_account):
    stripe_account.refuses_once(402, type="card_error", code="expired_card", message=f"Your card {CARD} has expired")

    with pytest.raises(GatewayRefused):
        getattr(gateway, call)("finish", held)


@pytest.mark.parametrize("kind", ["invalid_request_error", "idempotency_error", "api_error"])
def test_what_stripe_writes_of_a_card_goes_no_further(kind, gateway, stripe_account, log):
    stripe_account.refuses_once(500 if kind == "api_error" else 400, type=kind, message=f"Your card {CARD} is unhappy")

    with pytest.raises((GatewayRefused, GatewayUnavailable)) as error:
        gateway.authorize("key", CHARGE)

    assert CARD not in "".join(traceback.format_exception(error.value))
    assert CARD not in str(log())
