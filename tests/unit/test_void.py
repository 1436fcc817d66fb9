"""Giving the money back. Every test here runs against both providers, unless it says which one it needs."""

import time

import pytest

from orders import Charge
from orders.errors import Unrecoverable
from orders.retention import RETENTION_SECONDS
from payment import app
from payment.gateway import GatewayUnavailable
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.paying import (
    GIVEN_BACK,
    NO_ANSWER,
    REFUSAL,
    TAKEN,
    authorize,
    capture,
    decline,
    die_authorizing,
    get_refused,
    refused,
    settle_refused,
    void,
    voided,
)

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


def test_a_void_gives_the_money_back(intents, payment):
    authorize()

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK
    assert (payment()["status"], payment()["reason"]) == ("VOIDED", "OUT_OF_STOCK")
    assert "expires_at" not in payment()


def test_a_repeated_void_keeps_the_first_reason(intents):
    authorize()
    void("OUT_OF_STOCK")

    assert void("REJECTED") == voided("OUT_OF_STOCK")
    assert intents() == GIVEN_BACK


def test_a_void_before_its_authorization_forbids_the_authorization(intents, payment):
    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")
    assert authorize() == refused("OUT_OF_STOCK")

    assert intents() == []
    assert payment()["status"] == "VOIDED"


def test_a_void_before_its_authorization_is_remembered_for_as_long_as_an_authorization_can_come(payment):
    earliest = int(time.time()) + RETENTION_SECONDS
    void()
    latest = int(time.time()) + RETENTION_SECONDS

    assert earliest <= payment()["expires_at"] <= latest


def test_a_repeated_void_before_its_authorization_keeps_the_first_reason():
    void("OUT_OF_STOCK")

    assert void("REJECTED") == voided("OUT_OF_STOCK")


def test_a_late_authorization_after_the_void_holds_nothing(intents):
    authorize()
    void("OUT_OF_STOCK")

    assert authorize() == refused("OUT_OF_STOCK")
    assert intents() == GIVEN_BACK


def test_a_void_gives_back_a_hold_that_nobody_has_written_down(intents, payment):
    die_authorizing()

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "VOIDED"


@pytest.mark.parametrize("hours", [0.5, 30])
def test_a_void_gives_back_a_hold_that_nobody_has_written_down_however_much_later(hours, intents, later):
    die_authorizing()
    later(hours)

    assert void() == voided("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK


def test_a_void_of_what_the_provider_refuses_settles_with_no_hold(intents, payment):
    with dies_before(app, "_settle"):
        authorize(amount=30)

    assert [void("OUT_OF_STOCK") for _ in range(2)] == [voided("OUT_OF_STOCK")] * 2

    assert intents() == []
    assert (payment()["status"], payment()["reason"]) == ("VOIDED", "OUT_OF_STOCK")


def test_a_void_of_a_refused_payment_has_nothing_to_give_back(intents, payment):
    get_refused()

    assert void("OUT_OF_STOCK") == voided("PAYMENT_REFUSED")

    assert intents() == []
    assert payment()["status"] == "DECLINED"


def test_a_hold_that_comes_after_a_void_was_refused_is_given_back(intents, payment):
    def void_refused() -> None:
        with fails(app.gateway(), "authorize", REFUSAL):
            settle_refused(void)

    with just_after(app.gateway(), "authorize", void_refused):
        assert authorize() == refused("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "VOIDED"


def test_each_of_two_holds_is_cancelled_under_a_key_of_its_own(intents):
    authorize()
    charge = Charge("order-1", 900, "EUR", "pm_card_visa")
    second = app.gateway().authorize("another key", charge)
    app.gateway().cancel(f"{second.reference}:cancel", second.reference)

    assert void() == voided("OUT_OF_STOCK")
    assert intents() == GIVEN_BACK * 2


def test_a_void_uses_up_the_key_of_an_authorization_that_has_not_reached_the_provider_yet(intents):
    with just_before(app.gateway(), "authorize", lambda: void("OUT_OF_STOCK")):
        assert authorize() == refused("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK


def test_a_void_that_comes_between_a_hold_and_its_outcome_gives_the_hold_back(intents, payment):
    with just_after(app.gateway(), "authorize", lambda: void("OUT_OF_STOCK")):
        assert authorize() == refused("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "VOIDED"


def test_a_hold_that_the_void_could_not_see_is_given_back_by_the_authorization_that_made_it(intents, payments):
    voided = {"order_id": "order-1", "status": "VOIDED", "reason": "OUT_OF_STOCK"}

    with just_after(app.gateway(), "authorize", lambda: payments.put_item(Item=voided)):
        assert authorize() == refused("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK


def test_an_authorization_does_not_bring_back_what_a_void_is_about_to_write_down(intents, payment):
    die_authorizing()
    with dies_before(app, "_settle"):
        void()

    assert authorize() == refused("PAYMENT_VOIDED")

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "AUTHORIZING"
    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")


def test_a_void_of_a_declined_payment_has_nothing_to_give_back(intents, payment):
    decline()

    assert void("OUT_OF_STOCK") == voided("PAYMENT_DECLINED")

    assert intents() == [("requires_payment_method", 900)]
    assert payment()["status"] == "DECLINED"


def test_a_void_of_a_decline_that_nobody_has_written_down_has_nothing_to_give_back(intents, payment):
    with dies_after(app.gateway(), "authorize"):
        decline()

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")

    assert intents() == [("requires_payment_method", 900)]
    assert payment()["status"] == "VOIDED"


def test_a_captured_payment_cannot_be_voided(intents, payment):
    authorize()
    capture()

    with pytest.raises(Unrecoverable, match="captured payment"):
        void()

    assert intents() == TAKEN
    assert payment()["status"] == "CAPTURED"


@pytest.mark.parametrize("taken", ["written down", "not written down"])
def test_money_that_was_taken_behind_our_back_is_not_called_voided(taken, intents, payment):
    die_authorizing() if taken == "not written down" else authorize()
    hold = app.gateway().find(Charge("order-1", 900, "EUR", "pm_card_visa"), int(time.time()))
    assert hold
    app.gateway().capture("by hand", hold.reference)

    with pytest.raises(Unrecoverable):
        void()

    assert intents() == TAKEN
    assert payment()["status"] != "VOIDED"


@pytest.mark.parametrize("before", [authorize, die_authorizing])
@pytest.mark.parametrize(
    "die",
    [
        lambda: dies_before(app.gateway(), "cancel"),
        lambda: dies_after(app.gateway(), "cancel"),
        lambda: dies_after(app, "_settle"),
    ],
    ids=["before the provider", "after the provider", "after the outcome"],
)
def test_a_void_that_died_is_carried_on(before, die, intents, payment):
    before()
    with die():
        void("OUT_OF_STOCK")

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "VOIDED"


def test_a_void_that_died_after_forbidding_the_authorization_may_be_repeated():
    with dies_after(app, "_create"):
        void("OUT_OF_STOCK")

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")


@pytest.mark.parametrize("before", [authorize, die_authorizing])
def test_a_void_that_the_provider_did_not_answer_may_be_repeated(before, intents, payment):
    before()
    with pytest.raises(GatewayUnavailable), fails(app.gateway(), "cancel", NO_ANSWER):
        void()
    assert payment()["status"] != "VOIDED"

    void()

    assert intents() == GIVEN_BACK


@pytest.mark.parametrize("before", [authorize, die_authorizing])
def test_of_two_voids_at_once_the_first_to_finish_gives_the_reason(before, intents):
    before()

    with just_before(app, "_settle", lambda: void("OUT_OF_STOCK")):
        assert void("REJECTED") == voided("OUT_OF_STOCK")

    assert intents() == GIVEN_BACK


def test_a_payment_that_becomes_captured_while_it_is_voided_needs_a_person(payments):
    authorize()
    captured = {"order_id": "order-1", "status": "CAPTURED", "amount": 900}

    with (
        pytest.raises(Unrecoverable),
        just_before(app, "_settle", lambda: payments.put_item(Item=captured)),
    ):
        void()
