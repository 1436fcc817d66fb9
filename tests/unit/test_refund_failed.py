"""Refunds that the customer's bank sends back.

Every test here runs against both providers, unless it says which one it needs.
"""

from typing import Any
from unittest.mock import patch

import pytest

from aws import payments
from aws.payments import Applied
from orders.errors import Unrecoverable
from payment import app, refunds
from payment.gateway import GatewayRefused
from tests.unit.faults import dies_before, fails, just_after, just_before
from tests.unit.paying import SENT_BACK, die_refunding, refund, take

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture
def standing(payment: Any) -> Any:
    """`standing()` is how far the refund of r-1 has come, and what all refunds add up to."""
    return lambda: (payment()["refund:r-1"]["status"], payment()["refunded"])


def told(reference: str = "") -> Applied:
    """The provider tells us that the refund of r-1 has failed."""
    return payments.refund_failed("order-1", "r-1", reference)


@pytest.fixture
def fail(bank: Any, payment: Any) -> Any:
    """The bank sends the refund back, and the provider tells us."""

    def do() -> None:
        bank.sends_back()
        told(payment()["refund:r-1"].get("provider_reference", ""))

    return do


def test_a_refund_that_failed_is_not_tried_again(bank, fail, standing):
    take()
    refund(400)
    fail()

    with (
        patch.object(app.gateway(), "refund") as asked,
        patch.object(app.gateway(), "find_refund") as looked,
        pytest.raises(Unrecoverable, match=SENT_BACK),
    ):
        refund(400)

    asked.assert_not_called()
    looked.assert_not_called()
    assert bank.refunds() == []
    assert standing() == ("FAILED", 0)


def test_a_refund_that_failed_makes_room_for_others(bank, fail, payment):
    take()
    refund(400)
    fail()

    refund(900, "r-2")

    assert bank.refunds() == [("r-2", 900)]
    assert payment()["refunded"] == 900


def test_a_refund_that_failed_before_its_outcome_was_written_stays_failed(bank, fail, standing):
    take()
    with just_before(refunds, "_settle", fail), pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert standing() == ("FAILED", 0)
    with pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)
    assert bank.refunds() == []


def test_what_a_dead_attempt_has_made_and_the_bank_sent_back_is_failed_before_anybody_tells(bank, standing):
    take()
    die_refunding(400)
    bank.sends_back()

    with pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert standing() == ("FAILED", 0)
    assert told() == Applied.NOTHING_NEW
    assert standing() == ("FAILED", 0)
    assert bank.refunds() == []


def test_what_a_dead_attempt_has_made_and_the_bank_sent_back_is_failed_when_somebody_tells(fail, standing):
    take()
    die_refunding(400)
    fail()

    with pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert standing() == ("FAILED", 0)


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_refund_that_failed_is_not_made_again_when_its_key_is_forgotten(bank, stripe_account):
    take()
    die_refunding(400)
    bank.sends_back()
    stripe_account.forgets_its_keys()

    for _ in range(2):
        with pytest.raises(Unrecoverable, match=SENT_BACK):
            refund(400)

    assert len(stripe_account.refunds) == 1


@pytest.mark.parametrize("moment", [just_before, just_after])
def test_an_attempt_that_comes_late_does_not_bring_back_a_refund_that_failed(moment, bank, fail, standing):
    take()

    def meanwhile() -> None:
        refund(400)
        fail()

    with moment(app.gateway(), "refund", meanwhile), pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert bank.refunds() == []
    assert standing() == ("FAILED", 0)


def test_what_another_attempt_has_written_down_and_the_bank_sent_back_since_is_failed(bank, standing):
    take()
    die_refunding(400)

    def meanwhile() -> None:
        refund(400)
        bank.sends_back()

    with just_before(app.gateway(), "find_refund", meanwhile), pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert standing() == ("FAILED", 0)


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_a_refund_that_the_provider_gives_up_at_once_is_failed(standing, stripe_account):
    take()
    stripe_account.answers_once({"id": "re_1", "object": "refund", "amount": 400, "status": "failed"})

    with pytest.raises(Unrecoverable, match=SENT_BACK):
        refund(400)

    assert standing() == ("FAILED", 0)


def test_what_the_provider_refuses_to_give_back_needs_a_person_and_may_be_tried_again(bank, standing):
    take()
    with (
        pytest.raises(Unrecoverable, match="the provider refused: charge_already_refunded"),
        fails(app.gateway(), "refund", GatewayRefused("charge_already_refunded")),
    ):
        refund(400)
    assert standing() == ("REFUNDING", 400)

    assert refund(400)["refunded"] == 400
    assert bank.refunds() == [("r-1", 400)]


@pytest.mark.parametrize("provider", ["stripe"], indirect=True)
def test_what_somebody_gave_back_by_hand_is_not_given_back_again(bank, stripe_account, payment):
    take()
    reference = payment()["provider_reference"]
    stripe_account.refunds["re_by_hand"] = {
        "id": "re_by_hand",
        "object": "refund",
        "amount": 900,
        "metadata": {},
        "payment_intent": reference,
        "status": "succeeded",
    }

    with pytest.raises(Unrecoverable, match="charge_already_refunded"):
        refund(400)

    assert bank.refunds() == [("", 900)]


def test_a_refund_that_was_never_asked_for_at_the_provider_is_carried_on_and_not_failed(bank, standing):
    take()
    with dies_before(app.gateway(), "refund"):
        refund(400)

    refund(400)

    assert standing() == ("REFUNDED", 400)
    assert bank.refunds() == [("r-1", 400)]
