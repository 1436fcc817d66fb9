"""Refunds of what the customer's bank takes back. Every test here runs against both providers."""

from typing import Any
from unittest.mock import patch

import pytest

from aws import clients, payments
from aws.payments import Applied
from orders import DisputeStatus
from orders.errors import Unrecoverable
from payment import app
from tests.unit.faults import dies_before, just_before
from tests.unit.paying import die_refunding, refund, take

pytestmark = pytest.mark.usefixtures("payments")


@pytest.fixture
def parameters(provider: dict[str, str]) -> dict[str, str]:
    return provider


@pytest.fixture
def dispute(bank: Any) -> Any:
    """The bank takes the money back, and the provider tells us."""

    def do() -> None:
        bank.disputes()
        payments.dispute_opened("order-1")

    return do


@pytest.fixture
def decide(bank: Any) -> Any:
    """The bank decides, and the provider tells us."""

    def do(status: DisputeStatus) -> None:
        if status == DisputeStatus.WON:
            bank.gives_in()
        payments.dispute_closed("order-1", status)

    return do


def amount_of(answer: dict[str, Any]) -> int:
    assert answer["currency"] == "EUR"
    return int(answer["refunded"])


def test_while_a_dispute_is_open_a_refund_needs_a_person(dispute, bank, payment):
    take()
    dispute()

    with patch.object(app.gateway(), "refund") as asked, pytest.raises(Unrecoverable, match="disputed"):
        refund(400)

    asked.assert_not_called()
    assert bank.refunds() == []
    assert "refund:r-1" not in payment()


def test_a_dispute_that_was_won_leaves_the_refund_to_us(dispute, decide, bank):
    take()
    dispute()
    decide(DisputeStatus.WON)

    assert amount_of(refund(400)) == 400
    assert bank.refunds() == [("r-1", 400)]


def test_what_the_bank_has_given_to_the_customer_is_not_given_again(dispute, decide, bank, payment):
    take()
    dispute()
    decide(DisputeStatus.LOST)

    with patch.object(app.gateway(), "refund") as asked:
        assert [amount_of(refund(400)), amount_of(refund(return_id="cancellation"))] == [0, 0]

    asked.assert_not_called()
    assert bank.refunds() == []
    assert "refunded" not in payment()


@pytest.mark.parametrize("how", [None, DisputeStatus.WON, DisputeStatus.LOST])
def test_a_refund_that_was_made_before_the_dispute_stands(how, dispute, decide, bank):
    take()
    refund(400)
    dispute()
    if how:
        decide(how)

    assert amount_of(refund(400)) == 400
    assert bank.refunds() == [("r-1", 400)]


@pytest.mark.parametrize("how", [None, DisputeStatus.WON, DisputeStatus.LOST])
def test_a_refund_that_was_made_before_the_dispute_and_not_written_down_is_found(how, dispute, decide, bank, payment):
    take()
    die_refunding(400)
    dispute()
    if how:
        decide(how)

    assert amount_of(refund(400)) == 400
    assert bank.refunds() == [("r-1", 400)]
    assert (payment()["refund:r-1"]["status"], payment()["refunded"]) == ("REFUNDED", 400)


def test_a_dispute_that_is_told_just_before_the_intent_is_heard(dispute, bank, payment):
    take()

    with (
        just_before(clients.dynamodb(), "update_item", dispute),
        pytest.raises(Unrecoverable, match="disputed"),
    ):
        refund(400)

    assert bank.refunds() == []
    assert "refunded" not in payment()


def test_a_dispute_that_nobody_has_told_of_yet_is_the_providers_refusal(bank, payment):
    take()
    bank.disputes()

    with pytest.raises(Unrecoverable, match="the provider refused: charge_disputed"):
        refund(400)

    assert payment()["refund:r-1"]["status"] == "REFUNDING"


@pytest.mark.parametrize("begin", ["refused", "died"])
def test_a_refund_that_a_dispute_has_interrupted_waits_for_its_end(begin, dispute, decide, bank, payment):
    take()
    _interrupt(begin, dispute)

    with patch.object(app.gateway(), "refund") as asked, pytest.raises(Unrecoverable, match="disputed"):
        refund(400)
    asked.assert_not_called()
    decide(DisputeStatus.WON)

    assert amount_of(refund(400)) == 400
    assert bank.refunds() == [("r-1", 400)]
    assert payment()["refunded"] == 400


@pytest.mark.parametrize("begin", ["refused", "died"])
def test_a_refund_that_a_lost_dispute_has_interrupted_counts_no_more(begin, dispute, decide, bank, payment):
    take()
    _interrupt(begin, dispute)
    decide(DisputeStatus.LOST)

    assert [amount_of(refund(400)) for _ in range(2)] == [0, 0]
    assert bank.refunds() == []
    assert (payment()["refund:r-1"]["status"], payment()["refunded"]) == ("FAILED", 0)


def test_a_refund_that_failed_because_of_the_dispute_needs_nobody_once_that_is_lost(dispute, decide, bank, payment):
    take()
    refund(400)
    bank.sends_back()
    assert payments.refund_failed("order-1", "r-1", payment()["refund:r-1"]["provider_reference"]) == Applied.CHANGED
    dispute()
    decide(DisputeStatus.LOST)

    assert amount_of(refund(400)) == 0


def test_that_there_is_nothing_to_give_back_is_logged_as_that(dispute, decide, log):
    take()
    dispute()
    decide(DisputeStatus.LOST)
    refund(400)

    assert (log()[-1]["message"], log()[-1]["order_id"], log()[-1]["return_id"]) == (
        "nothing to refund",
        "order-1",
        "r-1",
    )


def _interrupt(how: str, dispute: Any) -> None:
    """Leave REFUNDING behind, and nothing at the provider, and a dispute."""
    if how == "died":
        with dies_before(app.gateway(), "refund"):
            refund(400)
        dispute()
        return
    with just_before(app.gateway(), "refund", dispute), pytest.raises(Unrecoverable, match="charge_disputed"):
        refund(400)
