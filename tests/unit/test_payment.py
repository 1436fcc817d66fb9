"""Every test here runs against both providers, unless it says which one it needs."""

import time
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from aws import clients
from orders import Charge
from orders.errors import Unrecoverable
from orders.retention import RETENTION_SECONDS
from payment import app
from payment.gateway import ASKING_SECONDS, GatewayRefused, GatewayUnavailable, Intent
from payment.simulated import SimulatedGateway
from payment.stripe_gateway import StripeGateway
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.stack import MotoStack

HELD = {"held": True}
CAPTURED = {"captured": True}
ONE_HOLD = [("requires_capture", 900)]
GIVEN_BACK = [("canceled", 900)]
TAKEN = [("succeeded", 900)]
NO_ANSWER = GatewayUnavailable("api_error")
REFUSAL = GatewayRefused("amount_too_small")
HOUR = 60 * 60


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture(autouse=True)
def payments(stack: MotoStack) -> Any:
    stack.run_as("PaymentFunction")
    return stack.table("PaymentsTable")


@pytest.fixture
def payment(payments: Any) -> Callable[[], dict[str, Any] | None]:
    return lambda: payments.get_item(Key={"order_id": "order-1"}).get("Item")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[float], None]:
    """`later(hours)`: so much time has passed, here and at the provider, which forgets keys after a day."""
    began = time.time()

    def pass_by(hours: float) -> None:
        now = began + hours * HOUR
        monkeypatch.setattr(app, "time", SimpleNamespace(time=lambda: now))
        if "stripe_account" in request.fixturenames or app.gateway().__class__ is StripeGateway:
            account = request.getfixturevalue("stripe_account")
            account.now = lambda: now
            if hours > 24:
                account.forgets_its_keys()

    return pass_by


def authorize(**changes: Any) -> dict[str, Any]:
    charge = {"amount": 900, "currency": "EUR", "payment_method": "pm_card_visa"} | changes
    return app.handler({"action": "authorize", "order_id": "order-1"} | charge, None)


def capture() -> dict[str, Any]:
    return app.handler({"action": "capture", "order_id": "order-1"}, None)


def void(reason: str = "OUT_OF_STOCK", order_id: str = "order-1") -> dict[str, Any]:
    return app.handler({"action": "void", "order_id": order_id, "reason": reason}, None)


def decline() -> dict[str, Any]:
    return authorize(payment_method="pm_card_chargeDeclined")


def die_authorizing() -> None:
    """Leave AUTHORIZING behind, with a hold at the provider that nobody has written down."""
    with dies_after(app.gateway(), "authorize"):
        authorize()


def die_before_authorizing() -> None:
    """Leave AUTHORIZING behind, and nothing at the provider."""
    with dies_before(app.gateway(), "authorize"):
        authorize()


def get_refused() -> dict[str, Any]:
    """Authorize what the provider refuses, for a reason of its own."""
    with fails(app.gateway(), "authorize", REFUSAL):
        return authorize()


def settle_refused(attempt: Callable[[], Any]) -> None:
    """Make an attempt that does not see what others hold."""
    with patch.object(app.gateway(), "find", return_value=None):
        attempt()


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


def voided(reason: str) -> dict[str, Any]:
    return {"voided": True, "reason": reason}


# ── authorize ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── void ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── capture ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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
def test_a_hold_of_which_a_part_was_taken_by_hand_needs_a_person(payment, stripe_account):
    authorize()
    stripe_account.intents[payment()["provider_reference"]] |= {"status": "succeeded", "amount_received": 500}

    with pytest.raises(Unrecoverable, match="whole amount"):
        capture()

    assert payment()["status"] == "AUTHORIZED"


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_what_only_this_account_refuses_is_declined_and_voided_like_anything_else(payment, stripe_account):
    stripe_account.minimum = 1000
    with dies_before(app, "_settle"):
        authorize()

    assert void("OUT_OF_STOCK") == voided("OUT_OF_STOCK")
    assert authorize() == refused("OUT_OF_STOCK")


# ── the handler ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_provider_is_the_one_that_the_stack_was_deployed_with(provider):
    assert type(app.gateway()) is (StripeGateway if provider else SimulatedGateway)


def test_an_action_that_is_not_known_does_nothing():
    with pytest.raises(ValueError, match="unknown action"):
        app.handler({"action": "refund", "order_id": "order-1"}, None)


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
