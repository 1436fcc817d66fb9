"""What the payment function relies on, whichever provider it talks to. Each test runs against both adapters."""

import time
from dataclasses import replace

import pytest

from orders import Charge
from orders.errors import Unrecoverable
from payment import app
from payment.gateway import Gateway, GatewayRefused, Intent, RefundFailed, RefundRequest
from tests.unit.stack import MotoStack

CHARGE = Charge("order-1", 900, "EUR", "pm_card_visa")
DECLINED = Charge("order-1", 900, "EUR", "pm_card_chargeDeclined")
DECLINING = ["pm_card_chargeDeclined", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"]


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture
def gateway(stack: MotoStack) -> Gateway:
    stack.run_as("PaymentFunction")
    return app.gateway()


class TestAuthorize:
    def test_holds_the_amount(self, gateway, intents):
        intent = gateway.authorize("key", CHARGE)

        assert intent == Intent(intent.reference, "requires_capture", 900, "EUR")
        assert intents() == [("requires_capture", 900)]

    def test_repeated_with_its_key_answers_the_same_and_holds_nothing_more(self, gateway, intents):
        assert gateway.authorize("key", CHARGE) == gateway.authorize("key", CHARGE)

        assert len(intents()) == 1

    @pytest.mark.parametrize(
        "other",
        [
            Charge("order-2", 900, "EUR", "pm_card_visa"),
            Charge("order-1", 901, "EUR", "pm_card_visa"),
            Charge("order-1", 900, "USD", "pm_card_visa"),
            Charge("order-1", 900, "EUR", "pm_card_mastercard"),
        ],
        ids=["order", "amount", "currency", "payment method"],
    )
    def test_with_a_known_key_and_another_charge_is_refused(self, other, gateway, intents):
        gateway.authorize("key", CHARGE)

        with pytest.raises(Unrecoverable, match="idempotency key"):
            gateway.authorize("key", other)

        assert intents() == [("requires_capture", 900)]

    @pytest.mark.parametrize("method", DECLINING)
    def test_of_a_card_that_declines_is_an_answer_and_no_error(self, method, gateway):
        assert gateway.authorize("key", replace(CHARGE, payment_method=method)).status == "requires_payment_method"

    def test_of_a_card_that_declined_answers_the_same_again(self, gateway, intents):
        assert gateway.authorize("key", DECLINED) == gateway.authorize("key", DECLINED)

        assert len(intents()) == 1

    @pytest.mark.parametrize("finish", ["capture", "cancel"])
    def test_answers_a_known_key_as_it_did_then_and_makes_no_new_hold(self, finish, gateway, intents):
        first = gateway.authorize("key", CHARGE)
        getattr(gateway, finish)("finish", first.reference)

        assert gateway.authorize("key", CHARGE) == first
        assert len(intents()) == 1

    @pytest.mark.parametrize(
        ("amount", "currency"),
        [
            (49, "EUR"),
            (29, "GBP"),
            (17499, "HUF"),
            (49, "JPY"),
            (10**12, "EUR"),
            (10**10, "UGX"),
            (1235, "BHD"),
            (1250, "MGA"),
            (900, "XXX"),
        ],
    )
    def test_of_what_no_card_can_be_charged_is_refused_and_holds_nothing(self, amount, currency, gateway, intents):
        with pytest.raises(GatewayRefused):
            gateway.authorize("key", replace(CHARGE, amount=amount, currency=currency))

        assert intents() == []

    @pytest.mark.parametrize(
        ("amount", "currency"),
        [
            (50, "EUR"),
            (30, "GBP"),
            (17500, "HUF"),
            (50, "JPY"),
            (10**12 - 1, "EUR"),
            (1, "UGX"),
            (10**10 - 1, "UGX"),
            (500, "ISK"),
            (1230, "BHD"),
            (1200, "MGA"),
        ],
    )
    def test_answers_in_the_units_that_it_was_asked_in(self, amount, currency, gateway):
        charge = replace(CHARGE, amount=amount, currency=currency)

        held = gateway.authorize("key", charge)

        assert (held.amount, held.currency) == (amount, currency)
        assert find(gateway, charge) == held
        assert gateway.capture("capture", held.reference).amount == amount

    def test_that_was_refused_is_refused_again(self, gateway):
        for _ in range(2):
            with pytest.raises(GatewayRefused):
                gateway.authorize("key", replace(CHARGE, amount=49))


class TestCapture:
    def test_takes_the_whole_amount(self, gateway, intents):
        held = gateway.authorize("key", CHARGE)

        assert gateway.capture("capture", held.reference) == Intent(held.reference, "succeeded", 900, "EUR")
        assert intents() == [("succeeded", 900)]

    @pytest.mark.parametrize("key", ["capture", "another key"])
    def test_of_what_was_taken_answers_the_same(self, key, gateway, intents):
        held = gateway.authorize("key", CHARGE)

        assert gateway.capture("capture", held.reference) == gateway.capture(key, held.reference)
        assert intents() == [("succeeded", 900)]

    def test_of_what_was_given_back_is_refused(self, gateway, intents):
        held = gateway.authorize("key", CHARGE)
        gateway.cancel("cancel", held.reference)

        with pytest.raises(GatewayRefused, match="payment_intent_unexpected_state"):
            gateway.capture("capture", held.reference)
        assert intents() == [("canceled", 900)]

    def test_of_what_was_declined_is_refused(self, gateway, intents):
        declined = gateway.authorize("key", DECLINED).reference or "pi_1"  # Stripe's card errors name no intent

        with pytest.raises(GatewayRefused):
            gateway.capture("capture", declined)
        assert intents() == [("requires_payment_method", 900)]

    def test_of_an_intent_that_does_not_exist_is_refused(self, gateway):
        with pytest.raises(GatewayRefused, match="resource_missing"):
            gateway.capture("capture", "pi_unknown")


class TestCancel:
    def test_gives_the_hold_back(self, gateway, intents):
        held = gateway.authorize("key", CHARGE)

        assert gateway.cancel("cancel", held.reference) == Intent(held.reference, "canceled", 900, "EUR")
        assert intents() == [("canceled", 900)]

    @pytest.mark.parametrize("key", ["cancel", "another key"])
    def test_of_what_was_given_back_answers_the_same(self, key, gateway):
        held = gateway.authorize("key", CHARGE)

        assert gateway.cancel("cancel", held.reference) == gateway.cancel(key, held.reference)

    def test_of_what_was_taken_is_refused(self, gateway, intents):
        held = gateway.authorize("key", CHARGE)
        gateway.capture("capture", held.reference)

        with pytest.raises(GatewayRefused, match="payment_intent_unexpected_state"):
            gateway.cancel("cancel", held.reference)
        assert intents() == [("succeeded", 900)]

    def test_of_an_intent_that_does_not_exist_is_refused(self, gateway):
        with pytest.raises(GatewayRefused, match="resource_missing"):
            gateway.cancel("cancel", "pi_unknown")


class TestRefund:
    def test_gives_back_what_is_asked_for(self, gateway, bank):
        assert gateway.refund("refund", part(gateway, 400))

        assert bank.refunds() == [("r-1", 400)]

    def test_leaves_the_intent_taken(self, gateway, intents):
        gateway.refund("refund", part(gateway, 900))

        assert intents() == [("succeeded", 900)]

    def test_repeated_with_its_key_answers_the_same_and_pays_nothing_more(self, gateway, bank):
        wanted = part(gateway, 400)

        assert gateway.refund("refund", wanted) == gateway.refund("refund", wanted)
        assert bank.refunds() == [("r-1", 400)]

    def test_answers_a_known_key_as_it_did_then_also_when_the_refund_has_failed(self, gateway, bank):
        wanted = part(gateway, 400)
        first = gateway.refund("refund", wanted)
        bank.sends_back()

        assert gateway.refund("refund", wanted) == first
        assert bank.refunds() == []

    @pytest.mark.parametrize("other", [{"amount": 401}, {"return_id": "r-2"}, {"order_id": "order-2"}], ids=str)
    def test_with_a_known_key_and_another_request_is_refused(self, other, gateway, bank):
        wanted = part(gateway, 400)
        gateway.refund("refund", wanted)

        with pytest.raises(Unrecoverable, match="idempotency key"):
            gateway.refund("refund", replace(wanted, **other))
        assert bank.refunds() == [("r-1", 400)]

    def test_comes_in_parts_each_with_a_reference_of_its_own(self, gateway, bank):
        parts = [replace(part(gateway), return_id=f"r-{n}", amount=amount) for n, amount in enumerate((200, 300, 400))]

        assert len({gateway.refund(one.return_id, one) for one in parts}) == 3
        assert bank.refunds() == [("r-0", 200), ("r-1", 300), ("r-2", 400)]

    @pytest.mark.parametrize("amounts", [(901,), (900, 1), (500, 401)], ids=str)
    def test_of_more_than_was_taken_is_refused(self, amounts, gateway, bank):
        *fitting, last = [replace(part(gateway), return_id=f"r-{n}", amount=one) for n, one in enumerate(amounts)]
        for one in fitting:
            gateway.refund(one.return_id, one)

        with pytest.raises(GatewayRefused):
            gateway.refund("too much", last)
        assert bank.refunds() == [(one.return_id, one.amount) for one in fitting]

    def test_that_was_sent_back_makes_room_for_another(self, gateway, bank):
        wanted = part(gateway, 900)
        gateway.refund("refund", wanted)
        bank.sends_back()

        assert gateway.refund("another", replace(wanted, return_id="r-2"))
        assert bank.refunds() == [("r-2", 900)]

    def test_of_what_the_customers_bank_has_taken_back_is_refused(self, gateway, bank):
        wanted = part(gateway)
        bank.disputes()

        with pytest.raises(GatewayRefused, match="charge_disputed"):
            gateway.refund("refund", wanted)
        assert bank.refunds() == []

    def test_is_made_once_the_customers_bank_has_given_in(self, gateway, bank):
        wanted = part(gateway)
        bank.disputes()
        bank.gives_in()

        assert gateway.refund("refund", wanted)

    @pytest.mark.parametrize("finish", [None, "cancel"])
    def test_of_what_was_not_taken_is_refused(self, finish, gateway, intents):
        held = gateway.authorize("key", CHARGE)
        if finish:
            gateway.cancel("cancel", held.reference)
        had = intents()

        with pytest.raises(GatewayRefused):
            gateway.refund("refund", RefundRequest("order-1", "r-1", held.reference, 900, "EUR"))
        assert intents() == had

    def test_of_an_intent_that_does_not_exist_is_refused(self, gateway):
        with pytest.raises(GatewayRefused, match="resource_missing"):
            gateway.refund("refund", RefundRequest("order-1", "r-1", "pi_unknown", 900, "EUR"))

    @pytest.mark.parametrize(("amount", "currency"), [(400, "EUR"), (1, "UGX"), (500, "ISK"), (1200, "MGA")])
    def test_is_found_again_in_the_units_that_it_was_asked_in(self, amount, currency, gateway):
        wanted = part(gateway, amount, currency)

        assert gateway.refund("refund", wanted) == gateway.find_refund(wanted)


class TestFindRefund:
    def test_knows_nothing_of_a_refund_that_never_came(self, gateway):
        assert gateway.find_refund(part(gateway)) is None

    def test_tells_of_a_refund(self, gateway):
        wanted = part(gateway, 400)
        made = gateway.refund("refund", wanted)

        assert gateway.find_refund(wanted) == made

    @pytest.mark.parametrize("other", ["r-2", "r-10", "R-1", "r-"])
    def test_does_not_take_another_return_for_it(self, other, gateway):
        wanted = part(gateway, 400)
        gateway.refund("refund", replace(wanted, return_id=other))

        assert gateway.find_refund(wanted) is None

    def test_does_not_take_another_amount_for_it(self, gateway):
        wanted = part(gateway, 400)
        gateway.refund("refund", wanted)

        with pytest.raises(Unrecoverable, match="another amount"):
            gateway.find_refund(replace(wanted, amount=500))

    def test_tells_that_a_refund_has_failed(self, gateway, bank):
        wanted = part(gateway, 400)
        gateway.refund("refund", wanted)
        bank.sends_back()

        with pytest.raises(RefundFailed):
            gateway.find_refund(wanted)

    def test_prefers_the_refund_that_the_customer_has_got(self, gateway, bank):
        wanted = part(gateway, 400)
        gateway.refund("refund", wanted)
        bank.sends_back()
        made_up_for = gateway.refund("by hand", wanted)

        assert gateway.find_refund(wanted) == made_up_for

    def test_of_an_intent_that_does_not_exist_is_refused(self, gateway):
        with pytest.raises(GatewayRefused, match="resource_missing"):
            gateway.find_refund(RefundRequest("order-1", "r-1", "pi_unknown", 900, "EUR"))


class TestFind:
    def test_knows_nothing_of_an_order_that_never_came(self, gateway):
        gateway.authorize("key", CHARGE)

        assert find(gateway, replace(CHARGE, order_id="order-2")) is None

    @pytest.mark.parametrize("other", ["ORDER-1", "order-10", "order", '"order-1'])
    def test_does_not_take_a_similar_order_for_it(self, other, gateway):
        gateway.authorize("key", replace(CHARGE, order_id=other))

        assert find(gateway, CHARGE) is None

    @pytest.mark.parametrize("other", [{"amount": 901}, {"currency": "USD"}], ids=str)
    def test_does_not_take_another_charge_for_it(self, other, gateway):
        gateway.authorize("key", replace(CHARGE, **other))

        assert find(gateway, CHARGE) is None

    def test_tells_of_a_hold(self, gateway):
        held = gateway.authorize("key", CHARGE)

        assert find(gateway, CHARGE) == held

    def test_tells_of_a_hold_among_hundreds(self, gateway):
        held = gateway.authorize("key", CHARGE)
        for number in range(250):
            gateway.authorize(f"key-{number}", replace(CHARGE, order_id=f"other-{number}"))

        assert find(gateway, CHARGE) == held

    @pytest.mark.parametrize(("finish", "status"), [("capture", "succeeded"), ("cancel", "canceled")])
    def test_tells_how_a_hold_ended(self, finish, status, gateway):
        held = gateway.authorize("key", CHARGE)
        getattr(gateway, finish)("finish", held.reference)

        assert find(gateway, CHARGE) == Intent(held.reference, status, 900, "EUR")

    def test_does_not_tell_of_declines(self, gateway):
        gateway.authorize("key", DECLINED)

        assert find(gateway, DECLINED) is None

    @pytest.mark.parametrize("finish", [None, "capture"])
    def test_prefers_the_intent_that_has_the_money(self, finish, gateway):
        for key in ("earlier", "later"):
            gateway.cancel(f"{key}:cancel", gateway.authorize(key, CHARGE).reference)
        held = gateway.authorize("between", CHARGE)
        if finish:
            gateway.capture("capture", held.reference)

        found = find(gateway, CHARGE)
        assert found
        assert found.reference == held.reference


def find(gateway: Gateway, charge: Charge) -> Intent | None:
    return gateway.find(charge, int(time.time()))


def part(gateway: Gateway, amount: int = 900, currency: str = "EUR") -> RefundRequest:
    """A request to give back this much of a payment that was taken: of 900, or just as much."""
    charge = replace(CHARGE, amount=900 if currency == "EUR" else amount, currency=currency)
    taken = gateway.capture("capture", gateway.authorize("key", charge).reference)
    return RefundRequest("order-1", "r-1", taken.reference, amount, currency)
