"""Holding the money. Every test here runs against both providers, unless it says which one it needs."""

import time
from decimal import Decimal

import pytest

from aws import clients
from orders.errors import Unrecoverable
from payment import app
from payment.gateway import ASKING_SECONDS, GatewayUnavailable
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.paying import (
    GIVEN_BACK,
    HELD,
    HOUR,
    NO_ANSWER,
    ONE_HOLD,
    REFUSAL,
    authorize,
    decline,
    die_authorizing,
    die_before_authorizing,
    get_refused,
    refused,
    settle_refused,
    void,
)

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


def test_an_authorization_holds_the_whole_amount(intents):
    assert authorize() == HELD

    assert intents() == ONE_HOLD


def test_an_authorization_is_written_down_and_never_expires(payment):
    authorize()

    written = payment()
    assert written.pop("provider_reference").startswith("pi_")
    assert abs(written.pop("asked_at") - Decimal(time.time())) < HOUR
    assert written == {
        "order_id": "order-1",
        "status": "AUTHORIZED",
        "amount": Decimal(900),
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "reason": "",
    }


def test_a_repeated_authorization_holds_nothing_more(intents):
    assert [authorize() for _ in range(3)] == [HELD, HELD, HELD]

    assert intents() == ONE_HOLD


def test_a_declined_card_is_a_refusal_and_no_error(intents, payment):
    assert decline() == refused("PAYMENT_DECLINED")

    assert intents() == [("requires_payment_method", 900)]
    assert (payment()["status"], payment()["reason"]) == ("DECLINED", "PAYMENT_DECLINED")


def test_a_declined_card_is_not_tried_again(intents):
    decline()

    assert decline() == refused("PAYMENT_DECLINED")
    assert len(intents()) == 1


@pytest.mark.parametrize(
    "change", [{"amount": 901}, {"currency": "USD"}, {"payment_method": "pm_card_mastercard"}], ids=str
)
@pytest.mark.parametrize("before", [authorize, decline, get_refused, die_authorizing, die_before_authorizing])
def test_another_charge_under_the_same_order_is_refused(before, change, intents):
    before()
    had = intents()

    assert authorize(**change) == refused("ORDER_CHANGED")
    assert intents() == had


def test_the_intent_is_written_before_the_provider_is_asked(payment):
    with just_before(app.gateway(), "authorize", lambda: statuses.append(payment()["status"])):
        statuses: list[str] = []
        authorize()

    assert statuses == ["AUTHORIZING"]


@pytest.mark.parametrize(
    "die",
    [
        lambda: dies_after(app, "_create"),
        lambda: dies_before(app.gateway(), "authorize"),
        lambda: dies_after(app.gateway(), "authorize"),
        lambda: dies_before(app, "_settle"),
        lambda: dies_after(app, "_settle"),
    ],
    ids=["after the intent", "before the provider", "after the provider", "before the outcome", "after the outcome"],
)
def test_an_authorization_that_died_is_carried_on_to_one_hold(die, intents, payment):
    with die():
        authorize()

    assert authorize() == HELD
    assert intents() == ONE_HOLD
    assert payment()["status"] == "AUTHORIZED"


def test_a_decline_whose_answer_was_lost_is_a_decline(intents):
    with dies_after(app.gateway(), "authorize"):
        decline()

    assert decline() == refused("PAYMENT_DECLINED")
    assert len(intents()) == 1


def test_an_authorization_that_the_provider_did_not_answer_may_be_repeated(intents):
    with pytest.raises(GatewayUnavailable), fails(app.gateway(), "authorize", NO_ANSWER):
        authorize()

    assert authorize() == HELD
    assert intents() == ONE_HOLD


@pytest.mark.parametrize(
    "change", [{"amount": 30}, {"amount": 10**12}, {"amount": 1235, "currency": "BHD"}, {"currency": "XXX"}], ids=str
)
def test_a_charge_that_the_provider_refuses_is_declined_for_a_reason_of_its_own(change, intents, payment):
    assert authorize(**change) == refused("PAYMENT_REFUSED")

    assert intents() == []
    assert (payment()["status"], payment()["reason"]) == ("DECLINED", "PAYMENT_REFUSED")


def test_a_charge_that_was_refused_is_not_tried_again_although_the_provider_would_take_it_now(intents):
    get_refused()

    assert authorize() == refused("PAYMENT_REFUSED")
    assert intents() == []


def test_a_refusal_whose_outcome_was_not_written_down_is_a_refusal(payment):
    with dies_before(app, "_settle"):
        authorize(amount=30)

    assert authorize(amount=30) == refused("PAYMENT_REFUSED")
    assert payment()["status"] == "DECLINED"


def test_a_refusal_is_logged_with_the_providers_code(log):
    get_refused()

    (line,) = [line for line in log() if line["message"] == "charge refused"]
    assert (line["order_id"], line["code"], line["level"]) == ("order-1", "amount_too_small", "WARNING")


def test_a_refusal_that_a_twin_with_a_hold_overtook_answers_what_the_twin_wrote(intents, payment):
    with fails(app.gateway(), "authorize", REFUSAL), just_before(app, "_settle", authorize):
        assert authorize() == HELD

    assert intents() == ONE_HOLD
    assert payment()["status"] == "AUTHORIZED"


@pytest.mark.parametrize(
    ("overtake", "reason"),
    [(get_refused, "PAYMENT_REFUSED"), (lambda: (get_refused(), void()), "PAYMENT_REFUSED")],
    ids=["refused", "refused and voided"],
)
def test_a_hold_that_a_refused_twin_overtook_is_given_back(overtake, reason, intents, payment):
    with just_after(app.gateway(), "authorize", lambda: settle_refused(overtake)):
        assert authorize() == refused(reason)

    assert intents() == GIVEN_BACK
    assert payment()["status"] == "DECLINED"


def test_a_key_that_the_provider_knows_from_another_request_needs_a_person():
    with pytest.raises(Unrecoverable), fails(app.gateway(), "authorize", Unrecoverable("the idempotency key")):
        authorize()


def test_two_authorizations_at_once_make_one_hold(intents):
    with just_before(app.gateway(), "authorize", authorize):
        assert authorize() == HELD

    assert intents() == ONE_HOLD


def test_an_authorization_that_a_twin_finished_first_answers_what_the_twin_wrote(intents):
    with just_before(app, "_settle", authorize):
        assert authorize() == HELD

    assert intents() == ONE_HOLD


# A quarter of an hour is how long an attempt is looked for in one place, a day how long a key is remembered.
@pytest.mark.parametrize("hours", [0.1, 0.5, 23, 30, 24 * 6])
def test_a_hold_whose_answer_was_lost_is_found_however_much_later(hours, intents, payment, later):
    die_authorizing()
    later(hours)

    assert authorize() == HELD
    assert intents() == ONE_HOLD
    assert payment()["status"] == "AUTHORIZED"


def test_a_hold_that_was_asked_for_again_much_later_is_found_where_it_was_made(intents, later):
    die_before_authorizing()
    later(30)
    die_authorizing()
    later(60)

    assert authorize() == HELD
    assert intents() == ONE_HOLD


def test_attempts_soon_after_each_other_are_looked_for_where_the_first_was_made(payment, later):
    die_before_authorizing()
    asked_at = payment()["asked_at"]
    later(ASKING_SECONDS / HOUR / 2)

    die_before_authorizing()

    assert payment()["asked_at"] == asked_at


@pytest.mark.parametrize("attempt", [authorize, void], ids=["authorize", "void"])
def test_an_attempt_much_later_does_not_ask_for_what_another_settled_meanwhile(attempt, intents, later, payments):
    die_before_authorizing()
    later(30)
    declined = {"order_id": "order-1", "status": "DECLINED", "amount": 900, "reason": "PAYMENT_REFUSED"}

    with (
        pytest.raises(clients.dynamodb().exceptions.ConditionalCheckFailedException),
        just_after(app.gateway(), "find", lambda: payments.put_item(Item=declined)),
    ):
        attempt()

    assert intents() == []
    assert payments.get_item(Key={"order_id": "order-1"})["Item"] == declined


@pytest.mark.parametrize("attempt", [authorize, void], ids=["authorize", "void"])
def test_as_long_as_the_provider_cannot_say_what_came_of_an_attempt_nothing_is_asked_for_again(attempt, intents, later):
    die_authorizing()
    later(30)

    with pytest.raises(GatewayUnavailable), fails(app.gateway(), "find", NO_ANSWER):
        attempt()

    assert intents() == ONE_HOLD


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_orders_whose_ids_differ_in_case_only_have_a_hold_each(intents, stripe_account):
    authorize(order_id="ORDER-1")
    die_before_authorizing()

    assert authorize() == HELD
    assert intents() == ONE_HOLD * 2


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_first_authorization_asks_the_provider_once(stripe_account):
    authorize()

    assert [request.method for request in stripe_account.received] == ["POST"]
