"""Which order a dispute is about, at each of the payment providers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.shipping import a_payment
from tests.unit.signing import INTENT
from webhooks import app, intents

DISPUTED = "charge.dispute.created"


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture
def knows(provider: dict[str, str], stack: Any, request: pytest.FixtureRequest) -> Any:
    """`knows("order-1")`: the provider has an intent that was made for this order."""

    def put(order_id: str) -> None:
        if provider:
            intent = {
                "id": INTENT,
                "object": "payment_intent",
                "metadata": {"order_id": order_id},
                "status": "succeeded",
            }
            request.getfixturevalue("stripe_account").intents[INTENT] = intent
        else:
            stack.table("SimulatedGatewayTable").put_item(Item={"id": INTENT, "order_id": order_id})

    return put


@pytest.fixture
def dispute(stack: Any) -> Any:
    """`dispute()` is how the dispute over order-1 stands."""
    stack.table("PaymentsTable").put_item(Item=a_payment())
    return lambda: stack.table("PaymentsTable").get_item(Key={"order_id": "order-1"})["Item"].get("dispute")


def test_the_provider_says_which_order_it_is(senders, knows, dispute, inbox):
    knows("order-1")
    assert senders.stripe(DISPUTED).body == {"status": "APPLIED"}
    assert dispute() == "OPEN"
    assert [kept["order_id"] for kept in inbox().values()] == ["order-1"]


def test_what_the_event_says_is_not_asked_for(senders, dispute):
    assert senders.stripe(DISPUTED, metadata={"order_id": "order-1"}).body == {"status": "APPLIED"}
    assert dispute() == "OPEN"


def test_an_intent_that_the_provider_does_not_know_waits(senders, knows, dispute):
    assert senders.stripe(DISPUTED).body == {"status": "RECEIVED"}
    knows("order-1")
    assert senders.stripe(DISPUTED).body == {"status": "APPLIED"}


@pytest.mark.parametrize("intent", [None, "", 7])
def test_a_charge_without_an_intent_is_not_ours(intent, senders, dispute):
    assert senders.stripe(DISPUTED, payment_intent=intent).body == {"status": "UNKNOWN"}
    assert dispute() is None


# ── Stripe ──────────────────────────────────────────────────────────────────────────────────────────────────────────

STRIPE = pytest.mark.parametrize("provider", ["stripe"], indirect=True)


@STRIPE
def test_a_payment_of_somebody_elses_at_the_same_account_is_not_ours(senders, dispute, stripe_account):
    stripe_account.intents[INTENT] = {"id": INTENT, "object": "payment_intent", "metadata": {}}
    assert senders.stripe(DISPUTED).body == {"status": "UNKNOWN"}
    assert dispute() is None


@STRIPE
@pytest.mark.parametrize(
    "happens",
    [
        lambda account: account.refuses_once(503, type="api_error"),
        lambda account: account.refuses_once(401, type="invalid_request_error"),
        lambda account: account.refuses_once(400, type="invalid_request_error", code="api_key_expired"),
        lambda account: account.is_unreachable_once(),
        lambda account: account.loses_an_answer(),
    ],
    ids=["server error", "wrong key", "expired key", "unreachable", "too slow"],
)
def test_a_provider_that_does_not_say_lets_it_come_again(happens, *, senders, knows, dispute, stripe_account, log):
    knows("order-1")
    happens(stripe_account)
    assert senders.stripe(DISPUTED).status == 500
    assert [line["error"] for line in log() if line["level"] == "ERROR"] == ["ProviderUnavailable"]

    assert senders.stripe(DISPUTED).body == {"status": "APPLIED"}


@STRIPE
def test_the_schedule_counts_what_the_provider_did_not_say(senders, knows, dispute, stripe_account, clock):
    senders.stripe(DISPUTED)
    knows("order-1")
    clock.now += 60
    stripe_account.is_unreachable_once()
    assert app.handler({"action": "apply"}, None)["failed"] == 1
    assert app.handler({"action": "apply"}, None)["applied"] == 1


@STRIPE
def test_the_key_is_the_payments_and_no_request_takes_long(senders, knows, dispute, stripe_account):
    knows("order-1")
    senders.stripe(DISPUTED)
    [asked] = stripe_account.received
    assert (asked.method, asked.path) == ("GET", f"/v1/payment_intents/{INTENT}")
    assert asked.headers["Authorization"] == "Bearer sk_test_secret"
    assert asked.timeout == intents.TIMEOUT_SECONDS
