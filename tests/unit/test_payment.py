"""What holds for every action on a payment.

Every test here runs against both providers, unless it says which one it needs.
"""

from unittest.mock import patch

import pytest

from aws import clients
from orders.errors import Unrecoverable
from payment import app
from payment.gateway import GatewayRefused
from payment.simulated import SimulatedGateway
from payment.stripe_gateway import StripeGateway
from tests.unit.faults import dies_before, fails
from tests.unit.paying import authorize, capture, decline, refused, void, voided

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


def test_the_payment_is_read_consistently():
    authorize()

    with patch.object(clients.dynamodb(), "get_item", wraps=clients.dynamodb().get_item) as read:
        capture()

    assert read.call_args.kwargs["ConsistentRead"] is True


@pytest.mark.parametrize(
    ("before", "attempt", "call"),
    [(None, authorize, "authorize"), (authorize, capture, "capture"), (authorize, void, "cancel")],
    ids=["authorize", "capture", "cancel"],
)
def test_what_may_have_happened_is_repeated_with_its_key_and_never_a_new_one(before, attempt, call, payment):
    if before:
        before()

    with (
        patch.object(app.gateway(), "find", return_value=None),
        patch.object(app.gateway(), call, wraps=getattr(app.gateway(), call)) as asked,
    ):
        with dies_before(app, "_settle"):
            attempt()
        attempt()

    subject = "order-1" if call == "authorize" else payment()["provider_reference"]
    assert [request.args[0] for request in asked.call_args_list] == [f"{subject}:{call}"] * 2


@pytest.mark.parametrize("attempt", [capture, void])
def test_what_the_provider_refuses_to_do_with_a_hold_needs_a_person(attempt):
    authorize()
    call = "capture" if attempt is capture else "cancel"

    with (
        pytest.raises(Unrecoverable, match="the provider refused: charge_expired_for_capture"),
        fails(app.gateway(), call, GatewayRefused("charge_expired_for_capture")),
    ):
        attempt()


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_what_only_this_account_refuses_is_declined_and_voided_like_anything_else(payment, stripe_account):
    stripe_account.minimum = 1000
    with dies_before(app, "_settle"):
        authorize()

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")
    assert authorize() == refused("OUT_OF_STOCK")


def test_the_provider_is_the_one_that_the_stack_was_deployed_with(provider):
    assert type(app.gateway()) is (StripeGateway if provider else SimulatedGateway)


def test_an_action_that_is_not_known_does_nothing():
    with pytest.raises(ValueError, match="unknown action"):
        app.handler({"action": "lend", "order_id": "order-1"}, None)


def test_taking_and_giving_back_are_logged_as_what_they_are(log):
    authorize()
    capture()
    authorize(order_id="order-2")
    void("OUT_OF_STOCK", order_id="order-2")

    assert [(line["message"], line["order_id"], line.get("reason")) for line in log()] == [
        ("authorized", "order-1", None),
        ("captured", "order-1", None),
        ("authorized", "order-2", None),
        ("voided", "order-2", "OUT_OF_STOCK"),
    ]


def test_the_outcome_is_logged_with_the_orders_id_and_without_the_card(log):
    decline()

    (line,) = [line for line in log() if line["message"] == "refused"]
    assert (line["order_id"], line["reason"]) == ("order-1", "PAYMENT_DECLINED")
    assert not [line for line in log() if "pm_card" in str(line)]
