"""What others tell of an order's money, in any order and any number of times, before and after our own writes."""

import itertools
from typing import Any

import pytest

from aws import payments
from aws.payments import Applied
from orders import DisputeStatus
from orders.errors import Unrecoverable
from tests.unit.paying import (
    authorize,
    capture,
    decline,
    die_authorizing,
    die_refunding,
    refund,
    refused,
    take,
    void,
    voided,
)

CHANGED, NOTHING_NEW, TOO_EARLY = Applied.CHANGED, Applied.NOTHING_NEW, Applied.TOO_EARLY


@pytest.fixture(autouse=True)
def table(payments: Any) -> Any:
    return payments


def lapse(payment: Any) -> Applied:
    """The hold of order-1 lapses."""
    return payments.lapse("order-1", payment()["provider_reference"])


def test_a_hold_that_lapsed_is_voided_once(payment):
    authorize()

    assert [lapse(payment) for _ in range(3)] == [CHANGED, NOTHING_NEW, NOTHING_NEW]
    assert (payment()["status"], payment()["reason"]) == ("VOIDED", "PAYMENT_VOIDED")


def test_a_hold_that_lapsed_is_not_taken_and_not_made_again(payment):
    authorize()
    lapse(payment)

    with pytest.raises(Unrecoverable, match="VOIDED"):
        capture()
    assert authorize() == refused("PAYMENT_VOIDED")
    assert void("OUT_OF_STOCK") == voided("PAYMENT_VOIDED")


def test_a_hold_that_lapses_before_it_is_written_down_is_too_early_until_then(payment):
    die_authorizing()
    assert payments.lapse("order-1", "pi_1") == TOO_EARLY
    assert payment()["status"] == "AUTHORIZING"

    authorize()
    assert lapse(payment) == CHANGED


def test_another_hold_that_lapsed_is_none_of_ours(payment):
    authorize()

    assert payments.lapse("order-1", "pi_other") == NOTHING_NEW
    assert payment()["status"] == "AUTHORIZED"


@pytest.mark.parametrize(
    "before", [take, decline, lambda: [authorize(), void("OUT_OF_STOCK")]], ids=["taken", "declined", "voided"]
)
def test_a_hold_that_has_ended_does_not_lapse(before, payment):
    before()
    had = payment()

    assert payments.lapse("order-1", had.get("provider_reference", "")) == NOTHING_NEW
    assert payment() == had


def test_a_refund_that_failed_is_taken_off_the_sum_once(payment):
    take()
    refund(400)
    refund(300, "r-2")
    reference = payment()["refund:r-1"]["provider_reference"]

    assert [payments.refund_failed("order-1", "r-1", reference) for _ in range(3)] == [
        CHANGED,
        NOTHING_NEW,
        NOTHING_NEW,
    ]
    assert payment()["refunded"] == 300
    assert payment()["refund:r-1"]["status"] == "FAILED"
    assert payment()["refund:r-2"]["status"] == "REFUNDED"


def test_a_refund_may_fail_before_it_is_written_down_that_it_was_made(payment):
    take()
    die_refunding(400)

    assert payments.refund_failed("order-1", "r-1", "re_1") == CHANGED
    assert (payment()["refunded"], payment()["refund:r-1"]["status"]) == (0, "FAILED")


def test_another_refund_for_the_same_return_that_failed_is_none_of_ours(payment):
    take()
    refund(400)

    assert payments.refund_failed("order-1", "r-1", "re_by_hand") == NOTHING_NEW
    assert (payment()["refunded"], payment()["refund:r-1"]["status"]) == (400, "REFUNDED")


def test_a_refund_that_nobody_asked_for_is_not_written_down(payment):
    take()

    assert payments.refund_failed("order-1", "r-1", "re_1") == TOO_EARLY
    assert "refund:r-1" not in payment()
    assert "refunded" not in payment()


OPEN, WON, LOST = DisputeStatus


def tell(status: DisputeStatus) -> Applied:
    """The provider tells of a dispute about order-1."""
    return payments.dispute_opened("order-1") if status == OPEN else payments.dispute_closed("order-1", status)


@pytest.mark.parametrize("end", [WON, LOST])
@pytest.mark.parametrize("times", [1, 2])
def test_a_dispute_ends_as_it_was_decided_in_whatever_order_it_is_told(end, times, payment, table):
    take()
    before = payment()

    for news in set(itertools.permutations([OPEN, end] * times)):
        table.put_item(Item=before)
        applied = [tell(status) for status in news]

        assert payment() == before | {"dispute": end}
        assert applied.count(CHANGED) == (2 if news[0] == OPEN else 1)
        assert TOO_EARLY not in applied


@pytest.mark.parametrize(("first", "second"), [(WON, LOST), (LOST, WON)])
def test_what_the_bank_decides_first_stands(first, second, payment):
    take()
    tell(first)

    assert [tell(second), tell(OPEN)] == [NOTHING_NEW, NOTHING_NEW]
    assert payment()["dispute"] == first


@pytest.mark.parametrize("status", [OPEN, WON, LOST])
def test_a_dispute_about_what_is_not_written_down_as_taken_is_too_early_until_then(status, payment):
    authorize()
    assert tell(status) == TOO_EARLY
    assert "dispute" not in payment()

    capture()
    assert tell(status) == CHANGED
    assert payment()["dispute"] == status


def test_a_dispute_is_not_closed_as_open():
    with pytest.raises(ValueError, match="WON or LOST"):
        payments.dispute_closed("order-1", OPEN)


@pytest.mark.parametrize(
    "news",
    [
        lambda: payments.lapse("order-1", "pi_1"),
        lambda: payments.refund_failed("order-1", "r-1", "re_1"),
        lambda: payments.dispute_opened("order-1"),
        lambda: payments.dispute_closed("order-1", LOST),
    ],
    ids=["a lapse", "a refund", "a dispute", "its end"],
)
def test_news_of_an_order_that_nobody_knows_leaves_nothing_behind(news, payment):
    assert news() == TOO_EARLY
    assert payment() is None
