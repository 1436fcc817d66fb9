"""Refunds through the real SDK, down to the wire; what both providers promise is in test_gateway_contract.py."""

from dataclasses import replace

import pytest

from orders import Charge
from payment.gateway import GatewayRefused, GatewayUnavailable, RefundFailed, RefundRequest
from payment.stripe_gateway import StripeGateway
from tests.unit.fake_stripe import AMBIGUOUS, FakeStripe
from tests.unit.stack import MotoStack


@pytest.fixture
def parameters(stripe_secret: str) -> dict[str, str]:
    return {"StripeSecretArn": stripe_secret}


@pytest.fixture
def gateway(stack: MotoStack, stripe_account: FakeStripe) -> StripeGateway:
    stack.run_as("PaymentFunction")
    return StripeGateway()


@pytest.fixture
def wanted(gateway: StripeGateway) -> RefundRequest:
    """To give back 400 of 900 that were taken."""
    reference = gateway.authorize("key", Charge("order-1", 900, "EUR", "pm_card_visa")).reference
    gateway.capture("capture", reference)
    return RefundRequest("order-1", "r-1", reference, 400, "EUR")


def test_a_refund_says_of_which_intent_how_much_and_what_for(gateway, wanted, stripe_account):
    gateway.refund("order-1:r-1:refund", wanted)

    request = stripe_account.received[-1]
    assert (request.method, request.path, request.key) == ("POST", "/v1/refunds", "order-1:r-1:refund")
    assert request.form == {
        "payment_intent": wanted.reference,
        "amount": "400",
        "metadata[order_id]": "order-1",
        "metadata[return_id]": "r-1",
    }


def test_a_refund_is_looked_up_among_its_intents(gateway, wanted, stripe_account):
    gateway.find_refund(wanted)

    request = stripe_account.received[-1]
    assert (request.method, request.path) == ("GET", "/v1/refunds")
    assert request.form == {"payment_intent": wanted.reference, "limit": "100"}


def test_a_refund_is_found_behind_hundreds(gateway, wanted, stripe_account):
    made = gateway.refund("refund", wanted)
    for number in range(250):
        other = stripe_account.refunds[made] | {
            "id": f"re_other_{number}",
            "metadata": {"return_id": f"r-{number + 2}"},
        }
        stripe_account.refunds[other["id"]] = other

    assert gateway.find_refund(wanted) == made


@pytest.mark.parametrize("metadata", [{}, None, {"ticket": "4711"}])
def test_a_refund_that_was_made_by_hand_is_not_taken_for_ours(metadata, gateway, wanted, stripe_account):
    made = gateway.refund("refund", wanted)
    stripe_account.refunds[made]["metadata"] = metadata

    assert gateway.find_refund(wanted) is None


@pytest.mark.parametrize("status", ["pending", "requires_action", "succeeded"])
def test_a_refund_on_its_way_is_made(status, gateway, wanted, stripe_account):
    made = gateway.refund("refund", wanted)
    stripe_account.refunds[made]["status"] = status

    assert gateway.find_refund(wanted) == made


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_nobody_gets_is_not(status, gateway, wanted, stripe_account):
    made = gateway.refund("refund", wanted)
    stripe_account.refunds[made]["status"] = status

    with pytest.raises(RefundFailed):
        gateway.find_refund(wanted)


@pytest.mark.parametrize(("status", "made"), [("pending", True), ("failed", False)])
def test_what_becomes_of_a_refund_may_be_known_at_once(status, made, gateway, wanted, stripe_account):
    stripe_account.answers_once({"id": "re_1", "object": "refund", "amount": 400, "status": status})

    if made:
        assert gateway.refund("refund", wanted) == "re_1"
    else:
        with pytest.raises(RefundFailed):
            gateway.refund("refund", wanted)


@pytest.mark.parametrize("call", ["refund", "find_refund"])
@pytest.mark.parametrize("answer", AMBIGUOUS, ids=str)
def test_an_answer_that_says_nothing_of_the_refund_is_unavailable(call, answer, gateway, wanted, stripe_account):
    status, error = answer
    stripe_account.refuses_once(status, **error)

    with pytest.raises(GatewayUnavailable):
        gateway.refund("refund", wanted) if call == "refund" else gateway.find_refund(wanted)


@pytest.mark.parametrize("accident", [FakeStripe.is_unreachable_once, FakeStripe.loses_an_answer])
def test_a_refund_whose_answer_never_came_may_be_repeated(accident, gateway, wanted, stripe_account):
    accident(stripe_account)
    with pytest.raises(GatewayUnavailable, match="APIConnectionError"):
        gateway.refund("refund", wanted)

    assert gateway.refund("refund", wanted) in stripe_account.refunds
    assert len(stripe_account.refunds) == 1


@pytest.mark.parametrize("code", ["charge_already_refunded", "charge_disputed", "a_code_of_tomorrow"])
def test_a_refund_that_stripe_does_not_make_is_refused_with_its_code(code, gateway, wanted, stripe_account):
    stripe_account.refuses_once(400, type="invalid_request_error", code=code)

    with pytest.raises(GatewayRefused, match=f"^{code}$"):
        gateway.refund("refund", wanted)


def test_a_fraction_of_what_stripe_can_count_is_not_given_back_either(gateway, wanted, stripe_account):
    with pytest.raises(GatewayRefused, match="amount_too_precise"):
        gateway.refund("refund", replace(wanted, amount=50, currency="MGA"))

    assert stripe_account.refunds == {}
