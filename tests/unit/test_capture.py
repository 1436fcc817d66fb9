"""Taking the money. Every test here runs against both providers, unless it says which one it needs."""

from unittest.mock import patch

import pytest

from orders.errors import Unrecoverable
from payment import app
from payment.gateway import GatewayUnavailable, Intent
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.paying import (
    CAPTURED,
    HELD,
    NO_ANSWER,
    TAKEN,
    authorize,
    capture,
    decline,
    die_authorizing,
    get_refused,
    void,
)

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


def test_a_capture_takes_the_whole_amount(intents, payment):
    authorize()

    assert capture() == CAPTURED

    assert intents() == TAKEN
    assert payment()["status"] == "CAPTURED"


def test_a_repeated_capture_takes_nothing_more(intents):
    authorize()

    assert [capture() for _ in range(3)] == [CAPTURED] * 3
    assert intents() == TAKEN


def test_a_repeated_capture_does_not_trouble_the_provider():
    authorize()
    capture()

    with patch.object(app.gateway(), "capture") as asked:
        capture()

    asked.assert_not_called()


def test_a_repeated_authorization_after_the_capture_answers_that_it_holds(intents):
    authorize()
    capture()

    assert authorize() == HELD
    assert intents() == TAKEN


@pytest.mark.parametrize(
    "die",
    [
        lambda: dies_before(app.gateway(), "capture"),
        lambda: dies_after(app.gateway(), "capture"),
        lambda: dies_after(app, "_settle"),
    ],
    ids=["before the provider", "after the provider", "after the outcome"],
)
def test_a_capture_that_died_is_carried_on_to_one_capture(die, intents, payment):
    authorize()
    with die():
        capture()

    assert capture() == CAPTURED
    assert intents() == TAKEN
    assert payment()["status"] == "CAPTURED"


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_capture_that_is_older_than_the_providers_memory_of_its_key_is_carried_on(intents, stripe_account):
    authorize()
    with dies_after(app.gateway(), "capture"):
        capture()
    stripe_account.forgets_its_keys()

    assert capture() == CAPTURED
    assert intents() == TAKEN


def test_a_capture_that_the_provider_did_not_answer_may_be_repeated(intents):
    authorize()
    with pytest.raises(GatewayUnavailable), fails(app.gateway(), "capture", NO_ANSWER):
        capture()

    assert capture() == CAPTURED
    assert intents() == TAKEN


def test_two_captures_at_once_take_the_money_once(intents):
    authorize()

    with just_before(app.gateway(), "capture", capture):
        assert capture() == CAPTURED

    assert intents() == TAKEN


@pytest.mark.parametrize(
    ("before", "status"),
    [
        (lambda: None, "missing"),
        (die_authorizing, "AUTHORIZING"),
        (decline, "DECLINED"),
        (get_refused, "DECLINED"),
        (lambda: [authorize(), void()], "VOIDED"),
        (void, "VOIDED"),
    ],
    ids=["no payment", "a dead authorization", "declined", "refused", "voided", "forbidden"],
)
def test_what_is_not_authorized_cannot_be_captured(before, status, intents):
    before()
    had = intents()

    with pytest.raises(Unrecoverable, match=status):
        capture()

    assert intents() == had


def test_a_hold_that_the_provider_has_let_go_cannot_be_captured(intents, payment):
    authorize()
    app.gateway().cancel("by hand", payment()["provider_reference"])

    with pytest.raises(Unrecoverable):
        capture()

    assert payment()["status"] == "AUTHORIZED"


@pytest.mark.parametrize(
    "answer",
    [Intent("pi_1", "succeeded", 899, "EUR"), Intent("pi_1", "requires_capture", 900, "EUR")],
    ids=["a part", "nothing"],
)
def test_a_capture_of_less_than_everything_needs_a_person(answer, payment):
    authorize()

    with pytest.raises(Unrecoverable), patch.object(app.gateway(), "capture", return_value=answer):
        capture()

    assert payment()["status"] == "AUTHORIZED"


def test_a_payment_that_becomes_voided_while_it_is_captured_needs_a_person(payments):
    authorize()
    voided = {"order_id": "order-1", "status": "VOIDED", "reason": "OUT_OF_STOCK"}

    with (
        pytest.raises(Unrecoverable, match="VOIDED"),
        just_after(app.gateway(), "capture", lambda: payments.put_item(Item=voided)),
    ):
        capture()


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_hold_of_which_a_part_was_taken_by_hand_needs_a_person(payment, stripe_account):
    authorize()
    stripe_account.intents[payment()["provider_reference"]] |= {"status": "succeeded", "amount_received": 500}

    with pytest.raises(Unrecoverable, match="whole amount"):
        capture()

    assert payment()["status"] == "AUTHORIZED"
