"""The adapter through the real SDK, down to the wire; what both providers promise is in test_gateway_contract.py."""

import time
import traceback
from dataclasses import replace

import pytest

from orders import Charge
from orders.errors import Unrecoverable
from payment.gateway import ASKING_SECONDS, GatewayRefused, GatewayUnavailable, Intent
from payment.stripe_gateway import MARGIN_SECONDS, StripeGateway
from tests.unit.fake_stripe import AMBIGUOUS, FakeStripe, Request
from tests.unit.stack import MotoStack, template

CHARGE = Charge("order-1", 900, "EUR", "pm_card_visa")
CARD = "4000 0000 0000 0002"


@pytest.fixture
def parameters(stripe_secret: str) -> dict[str, str]:
    return {"StripeSecretArn": stripe_secret}


@pytest.fixture
def gateway(stack: MotoStack, stripe_account: FakeStripe) -> StripeGateway:
    stack.run_as("PaymentFunction")
    return StripeGateway()


@pytest.fixture
def held(gateway: StripeGateway) -> str:
    """The reference of a hold."""
    return gateway.authorize("key", CHARGE).reference


def look_up(gateway: StripeGateway) -> Intent | None:
    """The order's hold, if it was asked for just now."""
    return gateway.find(CHARGE, int(time.time()))


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


def test_an_order_is_looked_up_among_the_intents_of_the_time_when_it_was_asked_for(gateway, stripe_account):
    gateway.find(CHARGE, 1_767_258_000)

    assert (last(stripe_account).method, last(stripe_account).path) == ("GET", "/v1/payment_intents")
    assert last(stripe_account).form == {
        "created[gte]": str(1_767_258_000 - MARGIN_SECONDS),
        "created[lte]": str(1_767_258_000 + ASKING_SECONDS + MARGIN_SECONDS),
        "limit": "100",
    }


@pytest.mark.parametrize("late", [-MARGIN_SECONDS, 0, ASKING_SECONDS + MARGIN_SECONDS - 1])
def test_a_hold_is_found_for_as_long_as_it_may_have_been_asked_for(late, gateway, stripe_account):
    asked_at = int(time.time())
    stripe_account.now = lambda: asked_at + late
    held = gateway.authorize("key", CHARGE)

    assert gateway.find(CHARGE, asked_at) == held


def test_what_others_do_at_the_same_time_is_not_looked_at(gateway, stripe_account):
    for order_id, status in (("other", "processing"), ("another", "requires_action")):
        reference = gateway.authorize(order_id, replace(CHARGE, order_id=order_id)).reference
        stripe_account.intents[reference]["status"] = status
    stripe_account.intents[reference]["metadata"] = {}

    assert look_up(gateway) is None


@pytest.mark.parametrize(
    ("amount", "currency", "sent"),
    [
        (1999, "EUR", "1999"),
        (500, "JPY", "500"),
        (500, "UGX", "50000"),
        (500, "ISK", "50000"),
        (500, "MGA", "5"),
        (5120, "BHD", "5120"),
        (17500, "HUF", "17500"),
    ],
)
def test_an_amount_is_sent_as_stripe_counts_the_currency(amount, currency, sent, gateway, stripe_account):
    gateway.authorize("key", replace(CHARGE, amount=amount, currency=currency))

    assert last(stripe_account).form["amount"] == sent
    assert last(stripe_account).form["currency"] == currency.lower()


def test_a_fraction_of_what_stripe_can_count_is_refused_and_not_rounded(gateway, stripe_account):
    with pytest.raises(GatewayRefused, match="amount_too_precise"):
        gateway.authorize("key", replace(CHARGE, amount=1250, currency="MGA"))

    assert stripe_account.received == []


def test_one_key_cannot_cancel_two_holds(gateway, held):
    other = gateway.authorize("other", replace(CHARGE, order_id="order-2")).reference
    gateway.cancel("cancel", held)

    with pytest.raises(Unrecoverable, match="idempotency key"):
        gateway.cancel("cancel", other)


def test_the_key_comes_from_the_secret_and_is_read_once(gateway, stripe_account, stack, monkeypatch):
    gateway.authorize("key", CHARGE)
    monkeypatch.delenv("STRIPE_SECRET_ARN")
    gateway.authorize("key", CHARGE)

    assert [request.headers["Authorization"] for request in stripe_account.received] == ["Bearer sk_test_secret"] * 2


def test_the_key_is_in_no_log(gateway, caplog, log):
    gateway.authorize("key", CHARGE)

    assert "sk_test" not in caplog.text + str(log())


def test_two_answers_are_given_up_before_the_function_is_stopped(gateway, stripe_account):
    look_up(gateway)

    connect, read = last(stripe_account).timeout
    assert 2 * (connect + read) < template()["Resources"]["PaymentFunction"]["Properties"]["Timeout"]


@pytest.mark.parametrize("card", ["pm_card_chargeDeclined", "pm_card_authenticationRequired"])
def test_a_card_that_cannot_be_charged_now_is_declined(card, gateway):
    intent = gateway.authorize("key", Charge("order-1", 900, "EUR", card))

    assert (intent.status, intent.amount, intent.currency) == ("requires_payment_method", 900, "EUR")


def test_a_card_that_stripe_does_not_know_is_refused(gateway):
    with pytest.raises(GatewayRefused, match="resource_missing"):
        gateway.authorize("key", replace(CHARGE, payment_method="pm_unknown"))


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
        look_up(gateway)


def test_a_list_that_is_refused_says_nothing_of_the_charge(gateway, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", code="parameter_invalid_integer", param="created")

    with pytest.raises(GatewayUnavailable, match="parameter_invalid_integer"):
        look_up(gateway)


def test_a_key_that_came_with_another_request_needs_a_person(gateway, stripe_account):
    stripe_account.refuses_once(400, type="idempotency_error")

    with pytest.raises(Unrecoverable, match="idempotency key"):
        gateway.authorize("key", CHARGE)


@pytest.mark.parametrize(
    ("code", "param"),
    [
        ("amount_too_small", "amount"),
        ("amount_too_large", "amount"),
        ("invalid_charge_amount", "amount"),
        ("parameter_invalid_integer", "amount"),
        ("payment_intent_incompatible_payment_method", "payment_method"),
        ("country_unsupported", None),
        ("a_code_of_tomorrow", None),
    ],
)
def test_a_charge_that_stripe_finds_invalid_is_refused_with_its_code(code, param, gateway, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", code=code, param=param)

    with pytest.raises(GatewayRefused, match=f"^{code}$"):
        gateway.authorize("key", CHARGE)


def test_a_refusal_without_a_code_is_still_a_refusal(gateway, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", message=f"Invalid: {CARD}")

    with pytest.raises(GatewayRefused, match=r"^InvalidRequestError$"):
        gateway.authorize("key", CHARGE)


@pytest.mark.parametrize("call", ["capture", "cancel"])
def test_a_call_is_refused_with_the_code_that_it_was_refused_with(call, gateway, held, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", code="charge_expired_for_capture")

    with pytest.raises(GatewayRefused, match=r"^charge_expired_for_capture$"):
        getattr(gateway, call)("finish", held)


def test_of_what_was_taken_only_in_part_the_part_is_told(gateway, held, stripe_account):
    stripe_account.intents[held] |= {"status": "succeeded", "amount_received": 500}

    assert gateway.capture("capture", held).amount == 500


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

    with pytest.raises((GatewayRefused, GatewayUnavailable, Unrecoverable)) as error:
        gateway.authorize("key", CHARGE)

    assert CARD not in "".join(traceback.format_exception(error.value))
    assert CARD not in str(log())
