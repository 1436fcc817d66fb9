"""After the sale each step is told of once, and the last one takes the order, or its return, off the list."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, logger
from aws.mail import EmailNotSent
from notify import app
from orders.retention import LONGEST_REDELIVERY_SECONDS
from tests.unit.builders import PERSONAL, an_open_order, an_order
from tests.unit.faults import dies_before, fails, just_before
from tests.unit.stack import MotoStack

NOTIFIED = {"notified": True}
THROTTLED = ReadTimeoutError(endpoint_url="https://email")
TAKEN_BACK = "CANCELLED_BEFORE_SHIPPING"


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"SenderEmail": "orders@shop.example"}


@pytest.fixture(autouse=True)
def orders(stack: MotoStack) -> Any:
    stack.run_as("ShippingNotifyFunction")
    table = stack.table("OrdersTable")
    table.put_item(Item=an_order())
    return table


@pytest.fixture(autouse=True)
def open_shipments(stack: MotoStack, orders: Any) -> Any:
    """order-1 is on the list with two of its returns, of which nothing is due for weeks, and another order."""
    table = stack.table("OpenShipmentsTable")
    for order_id in ("order-1", "another"):
        table.put_item(Item=an_open_order(order_id=order_id, what="OrderConfirmed", sweep_at=far_off()))
    for return_id in ("r-1", "r-2"):
        entry = an_open_order(order_id=f"order-1/{return_id}", what="ReturnRequested", return_id=return_id)
        table.put_item(Item=entry | {"sweep_at": far_off()})
    return table


def far_off() -> int:
    return int((datetime.now(UTC) + timedelta(days=30)).timestamp())


def notify(outcome: str, *, reason: str = "", decided: timedelta = timedelta(seconds=1), **more: Any) -> dict[str, Any]:
    """Notify the customer of order-1 of what happened so long ago."""
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 7000)
    decided_at = (datetime.now(UTC) - decided).isoformat().replace("+00:00", "Z")
    event = {"order_id": "order-1", "outcome": outcome, "reason": reason, "decided_at": decided_at}
    return app.handler(event | more, context)


def refund(return_id: str = "r-1", amount: int = 450, **more: Any) -> dict[str, Any]:
    return notify("RETURNED", return_id=return_id, amount=amount, close=True, **more)


def subjects(outbox: list[dict[str, Any]]) -> list[str]:
    return [email["Content"]["Simple"]["Subject"]["Data"] for email in outbox]


def on_the_list(table: Any) -> set[str]:
    return {item["order_id"] for item in table.scan()["Items"]}


EVERYTHING = {"order-1", "order-1/r-1", "order-1/r-2", "another"}


# ── What is told ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_step_is_told_of_once(outbox):
    for _ in range(3):
        assert notify("SHIPPING", close=False) == NOTIFIED
        assert notify("DELIVERED", close=False) == NOTIFIED

    assert subjects(outbox) == ["Your order order-1 is on its way", "Your order order-1 is delivered"]


def test_what_was_paid_back_is_told_with_its_amount(outbox):
    refund(amount=450)

    assert "We have paid back 4.50 EUR." in outbox[0]["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_each_return_of_an_order_is_told_of_once(outbox):
    for _ in range(2):
        refund("r-1", 450)
        refund("r-2", 900)

    texts = [email["Content"]["Simple"]["Body"]["Text"]["Data"] for email in outbox]
    assert ["4.50 EUR" in texts[0], "9.00 EUR" in texts[1]] == [True, True]
    assert len(texts) == 2


def test_two_that_tell_of_the_same_return_at_once_write_one_email(outbox):
    def a_copy() -> None:
        with pytest.raises(app.NoticeInProgress):
            refund("r-1")
        assert refund("r-2") == NOTIFIED

    with just_before(clients.email(), "send_email", a_copy):
        refund("r-1")

    assert len(outbox) == 2


def test_an_order_that_was_confirmed_and_then_cancelled_is_told_of_both(outbox):
    notify("CONFIRMED", reason="ACCEPTED")
    notify("CANCELLED", reason=TAKEN_BACK)

    assert subjects(outbox) == ["Your order order-1 is confirmed", "Your order order-1 is cancelled"]


def test_what_was_told_before_returns_could_be_is_not_told_again_after_a_deployment(outbox, stack):
    notify("CONFIRMED", reason="ACCEPTED")

    (record,) = stack.table("IdempotencyTable").scan()["Items"]
    key = hashlib.md5(json.dumps(["order-1", "CONFIRMED"]).encode(), usedforsecurity=False).hexdigest()
    assert record["id"] == f"notify#{key}"


def test_a_step_older_than_any_redelivery_is_old_news_and_still_closes(outbox, open_shipments):
    assert refund(decided=timedelta(seconds=LONGEST_REDELIVERY_SECONDS + 60)) == {"notified": False}

    assert outbox == []
    assert on_the_list(open_shipments) == EVERYTHING - {"order-1/r-1"}


# ── What closes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", ["SHIPPING", "DELIVERED"])
def test_an_order_that_has_more_to_come_stays_on_the_list(outcome, open_shipments):
    notify(outcome, close=False)

    assert on_the_list(open_shipments) == EVERYTHING


def test_a_return_that_was_paid_back_is_closed_and_neither_its_order_nor_another_return(open_shipments):
    refund("r-1")

    assert on_the_list(open_shipments) == EVERYTHING - {"order-1/r-1"}


def test_a_cancelled_order_is_closed_and_no_return(open_shipments):
    notify("CANCELLED", reason=TAKEN_BACK, close=True)

    assert on_the_list(open_shipments) == EVERYTHING - {"order-1"}


def test_a_return_whose_email_was_not_taken_stays_on_the_list_until_it_is(open_shipments, outbox):
    with pytest.raises(EmailNotSent), fails(clients.email(), "send_email", THROTTLED):
        refund("r-1")
    assert on_the_list(open_shipments) == EVERYTHING

    refund("r-1")
    assert on_the_list(open_shipments) == EVERYTHING - {"order-1/r-1"}
    assert len(outbox) == 1


def test_what_could_not_be_closed_is_closed_by_the_next_attempt_and_told_of_once(open_shipments, outbox):
    with dies_before(clients.dynamodb(), "delete_item"):
        refund("r-1")

    refund("r-1")

    assert on_the_list(open_shipments) == EVERYTHING - {"order-1/r-1"}
    assert len(outbox) == 1


def test_the_pipelines_list_is_not_touched(stack):
    pipeline = stack.table("OpenOrdersTable")
    pipeline.put_item(Item=an_open_order())

    notify("CANCELLED", reason=TAKEN_BACK, close=True)

    assert on_the_list(pipeline) == {"order-1"}


# ── What is counted, and said ───────────────────────────────────────────────────────────────────────────────────────


def test_a_cancelled_order_is_counted_once_by_outcome_and_reason(metrics):
    for _ in range(2):
        notify("CANCELLED", reason=TAKEN_BACK, close=True)

    assert metrics() == [
        {"service": "notify", "outcome": "CANCELLED", "reason": TAKEN_BACK, "order_id": "order-1", "OrdersFinished": 1}
    ]


def test_each_return_is_counted_once_and_says_which_it_is(metrics):
    for return_id in ("r-1", "r-2", "r-1"):
        refund(return_id)

    assert metrics() == [
        {
            "service": "notify",
            "outcome": "RETURNED",
            "order_id": "order-1",
            "return_id": return_id,
            "ReturnsFinished": 1,
        }
        for return_id in ("r-1", "r-2")
    ]


def test_a_step_with_more_to_come_is_counted_as_nothing_and_logged_once(metrics, log):
    for _ in range(2):
        notify("SHIPPING", close=False)

    assert metrics() == []
    assert [(line["level"], line["message"], line["order_id"], line["outcome"]) for line in log()] == [
        ("INFO", "email sent", "order-1", "SHIPPING")
    ]


def test_of_what_is_closed_the_metric_is_the_only_line(log):
    refund()

    assert [line["message"] for line in log()] == []


def test_nothing_personal_is_kept_or_said(stack, log, caplog):
    caplog.set_level("DEBUG", logger=logger.name)
    notify("SHIPPING", close=False)
    refund()

    kept = str(stack.table("IdempotencyTable").scan()["Items"])
    assert [secret for secret in PERSONAL if secret in kept + str(log())] == []
