"""What the payment provider tells of holds, refunds and disputes, and for what a person is called."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients
from tests.unit.builders import a_state
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import dies_after, dies_before, fails
from tests.unit.shipping import DAY, a_payment
from tests.unit.signing import CREATED_AT, INTENT

HOLD_ENDED, REFUND_FAILED = "payment_intent.canceled", "refund.failed"
DISPUTED, CLOSED = "charge.dispute.created", "charge.dispute.closed"
APPLIED, RECEIVED, UNKNOWN = ({"status": status} for status in ("APPLIED", "RECEIVED", "UNKNOWN"))
REFUND = {"status": "REFUNDED", "amount": 450, "provider_reference": "re_1"}


@pytest.fixture
def pays(stack: Any) -> Any:
    """`pays(status="AUTHORIZED")` writes down how the payment of order-1 stands, and what it is to the provider."""

    def put(**changes: Any) -> None:
        stack.table("PaymentsTable").put_item(Item=a_payment(amount=900, **changes))
        intent = {"id": INTENT, "order_id": "order-1", "amount": 900, "currency": "EUR", "status": "succeeded"}
        stack.table("SimulatedGatewayTable").put_item(Item=intent)

    return put


@pytest.fixture
def payment(stack: Any) -> Any:
    """`payment()` is how the payment of order-1 stands."""
    return lambda: stack.table("PaymentsTable").get_item(Key={"order_id": "order-1"})["Item"]


@pytest.fixture
def decides(stack: Any) -> Any:
    """`decides("CANCELLED")` writes down what became of order-1."""
    return lambda outcome, **changes: stack.table("OrderStatesTable").put_item(Item=a_state(outcome, **changes))


def of(called: list[dict[str, Any]]) -> list[str]:
    """What was said to whoever was called, of order-1."""
    assert {(one["order_id"], one["occurred_at"]) for one in called} <= {("order-1", CREATED_AT)}
    return [one["stuck"] for one in called]


# ── A hold that is gone ─────────────────────────────────────────────────────────────────────────────────────────────

LOST = "the hold ended before it was taken, and the order is confirmed"


@pytest.mark.parametrize("reason", ["automatic", "expired", "requested_by_customer", None])
def test_a_hold_that_is_gone_is_voided_and_a_person_is_called(reason, *, senders, pays, payment, decides, called, log):
    pays(status="AUTHORIZED")
    decides("CONFIRMED")
    assert senders.stripe(HOLD_ENDED, cancellation_reason=reason).body == APPLIED

    assert payment() == a_payment(amount=900, status="VOIDED", reason="PAYMENT_VOIDED")
    assert of(called) == [LOST]
    [line] = log()
    assert (line["level"], line["kind"], line["order_id"]) == ("INFO", HOLD_ENDED, "order-1")


def test_it_is_also_if_the_customer_has_cancelled_since(senders, pays, decides, called):
    pays(status="AUTHORIZED")
    decides("CONFIRMED", status="CANCELLED")
    senders.stripe(HOLD_ENDED)
    assert of(called) == [LOST]


@pytest.mark.parametrize("outcome", ["CANCELLED", "REJECTED", None])
def test_nobody_is_called_for_a_hold_that_nobody_counts_on(outcome, *, senders, pays, payment, decides, called):
    pays(status="AUTHORIZED")
    if outcome:
        decides(outcome)
    senders.stripe(HOLD_ENDED)
    assert (payment()["status"], called) == ("VOIDED", [])


@pytest.mark.parametrize("status", ["CAPTURED", "DECLINED", "VOIDED"])
def test_what_has_come_further_stays(status, *, senders, pays, payment, decides, called):
    pays(status=status, reason="OUT_OF_STOCK")
    before = payment()
    decides("CONFIRMED" if status == "CAPTURED" else "CANCELLED")
    assert senders.stripe(HOLD_ENDED).body == APPLIED
    assert (payment(), called) == (before, [])


def test_another_hold_of_the_order_is_not_the_payments(senders, pays, payment, decides, called):
    pays(status="AUTHORIZED")
    decides("CONFIRMED")
    assert senders.stripe(HOLD_ENDED, id="pi_2").body == APPLIED
    assert (payment()["status"], called) == ("AUTHORIZED", [])


def test_news_of_a_hold_that_is_being_asked_for_waits(senders, pays, payment, called, stack):
    assert senders.stripe(HOLD_ENDED).body == RECEIVED
    pays(status="AUTHORIZING")
    stack.table("PaymentsTable").update_item(Key={"order_id": "order-1"}, UpdateExpression="REMOVE provider_reference")
    assert senders.stripe(HOLD_ENDED).body == RECEIVED
    assert (payment()["status"], called) == ("AUTHORIZING", [])


# ── A refund that came back ─────────────────────────────────────────────────────────────────────────────────────────

CAME_BACK = "r-1: the customer's bank sent the refund back"
MADE = {"refunded": 600, "refund:r-1": REFUND, "refund:r-2": REFUND | {"provider_reference": "re_2", "amount": 150}}


def test_a_refund_that_came_back_counts_no_more(senders, pays, payment, called, log):
    pays(**MADE)
    assert senders.stripe(REFUND_FAILED).body == APPLIED

    assert payment() == a_payment(amount=900) | MADE | {
        "refunded": 150,
        "refund:r-1": REFUND | {"status": "FAILED"},
    }
    assert of(called) == [CAME_BACK]
    assert [(line["level"], line["kind"]) for line in log()] == [("INFO", REFUND_FAILED)]


def test_it_may_come_back_before_we_have_written_down_that_it_was_made(senders, pays, payment):
    pays(refunded=450, **{"refund:r-1": {"status": "REFUNDING", "amount": 450, "asked_at": 1}})
    assert senders.stripe(REFUND_FAILED).body == APPLIED
    stands = {"status": "FAILED", "amount": 450, "asked_at": 1, "provider_reference": "re_1"}
    assert (payment()["refund:r-1"], payment()["refunded"]) == (stands, 0)


def test_it_comes_back_once_however_often_it_is_told(senders, pays, payment, called):
    pays(**MADE)
    for number in range(3):
        senders.stripe(REFUND_FAILED, f"evt_{number}")
    assert payment()["refunded"] == 150


def test_the_refund_is_found_by_its_id_where_nobody_says_whose_it_is(senders, pays, payment):
    pays(**MADE)
    assert senders.stripe(REFUND_FAILED, metadata={}).body == APPLIED
    assert [payment()[f"refund:r-{number}"]["status"] for number in (1, 2)] == ["FAILED", "REFUNDED"]


@pytest.mark.parametrize("metadata", [{"order_id": "order-1", "return_id": "r-1"}, {"order_id": "order-1"}])
def test_a_refund_that_was_made_by_hand_is_not_the_returns(metadata, *, senders, pays, payment, called):
    pays(**MADE)
    before = payment()
    assert senders.stripe(REFUND_FAILED, id="re_3", metadata=metadata).body in (UNKNOWN, RECEIVED)
    assert (payment(), called) == (before, [])


@pytest.mark.parametrize("made", [None, {}], ids=["no payment", "no refund"])
def test_news_of_a_refund_that_is_not_written_down_waits(made, *, senders, pays, called):
    if made is not None:
        pays(**made)
    assert senders.stripe(REFUND_FAILED).body == RECEIVED
    assert called == []
    pays(**MADE)
    assert senders.stripe(REFUND_FAILED).body == APPLIED


# ── A dispute ───────────────────────────────────────────────────────────────────────────────────────────────────────

DISPUTE = "the customer disputes the payment"


def test_a_dispute_is_written_down_and_a_person_is_called(senders, pays, payment, *, called, log, inbox):
    pays()
    assert senders.stripe(DISPUTED).body == APPLIED

    assert payment() == a_payment(amount=900, dispute="OPEN")
    assert of(called) == [DISPUTE]
    assert [(line["level"], line["kind"], line["order_id"]) for line in log()] == [("INFO", DISPUTED, "order-1")]
    assert [kept["order_id"] for kept in inbox().values()] == ["order-1"]


@pytest.mark.parametrize(("said", "stands"), [("won", "WON"), ("lost", "LOST"), ("warning_closed", "WON")])
@pytest.mark.parametrize("order", [(DISPUTED, CLOSED), (CLOSED, DISPUTED)], ids=str)
def test_it_ends_as_the_bank_decides_in_whatever_order_it_is_told(said, stands, order, *, senders, pays, payment):
    pays()
    for kind in order * 2:
        senders.stripe(kind, **({"status": said} if kind == CLOSED else {}))
    assert payment()["dispute"] == stands


def test_what_the_bank_decides_first_stands(senders, pays, payment):
    pays()
    for said in ("won", "lost"):
        senders.stripe(CLOSED, said, status=said)
    assert payment()["dispute"] == "WON"


@pytest.mark.parametrize("said", ["prevented", "under_review", None])
def test_for_an_end_that_says_not_who_has_the_money_a_person_is_called(said, *, senders, pays, payment, called):
    pays(dispute="OPEN")
    assert senders.stripe(CLOSED, status=said).body == APPLIED
    assert payment()["dispute"] == "OPEN"
    assert of(called) == [f"the dispute has ended as {said or 'nothing that is known'}"]


@pytest.mark.parametrize("kind", [DISPUTED, CLOSED])
@pytest.mark.parametrize("said", ["lost", "prevented"])
def test_news_of_money_that_is_not_taken_yet_waits(kind, said, *, senders, pays, payment, called, stack):
    pays()
    stack.table("PaymentsTable").delete_item(Key={"order_id": "order-1"})
    assert senders.stripe(kind, status=said).body == RECEIVED
    assert called == []
    pays()
    assert senders.stripe(kind, status=said).body == APPLIED


# ── Calling a person ────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = pytest.mark.parametrize(
    ("kind", "stands"),
    [(HOLD_ENDED, {"status": "AUTHORIZED"}), (REFUND_FAILED, MADE), (DISPUTED, {}), (CLOSED, {})],
    ids=str,
)


@KINDS
@pytest.mark.parametrize("dies", [dies_before, dies_after])
@pytest.mark.parametrize("point", [("dynamodb", "update_item"), ("alerts", "publish")])
def test_who_dies_over_it_leaves_the_call_to_the_repetition(
    kind, stands, point, dies, *, senders, pays, decides, called, payment
):
    pays(**stands)
    decides("CONFIRMED")
    client, operation = point
    with dies(getattr(clients, client)(), operation):
        senders.stripe(kind, status="prevented")

    assert senders.stripe(kind, status="prevented").body == APPLIED
    assert 1 <= len(called) <= 2
    after = (payment(), len(called))
    assert senders.stripe(kind, status="prevented").body == APPLIED
    assert (payment(), len(called)) == after


@KINDS
def test_where_nobody_can_be_called_it_has_to_come_again(kind, stands, *, senders, pays, decides, called):
    pays(**stands)
    decides("CONFIRMED")
    with fails(clients.alerts(), "publish", UNREACHABLE):
        assert senders.stripe(kind, status="prevented").status == 500

    assert senders.stripe(kind, status="prevented").body == APPLIED
    assert len(called) == 1


def test_a_person_is_told_where_to_read_what_to_do(senders, pays, monkeypatch):
    pays()
    sent: list[Any] = []
    monkeypatch.setattr(clients.alerts(), "publish", lambda **message: sent.append(message))
    senders.stripe(DISPUTED)
    [message] = sent
    assert message["Subject"] == "1 order needs a person"
    assert "docs/operations.md#" in message["Message"]


def test_an_order_whose_id_no_order_can_have_is_not_ours(senders, called):
    for order_id in ("a b", "x" * 200, "é"):
        assert senders.stripe(REFUND_FAILED, order_id, metadata={"order_id": order_id}).body == UNKNOWN


def test_a_day_later_it_is_of_nothing_that_is_ours(senders, pays, clock, called):
    senders.stripe(REFUND_FAILED)
    clock.now += DAY
    assert senders.stripe(REFUND_FAILED).body == UNKNOWN
    assert called == []
