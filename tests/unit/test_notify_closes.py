"""The last step takes an order off the list of open orders, and counts it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients
from aws.mail import EmailNotSent
from notify import app
from orders.retention import LONGEST_REDELIVERY_SECONDS
from tests.unit.builders import an_open_order, an_order
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import dies_after, dies_before, fails, just_before
from tests.unit.stack import MotoStack

OLD_NEWS = timedelta(seconds=LONGEST_REDELIVERY_SECONDS + 60)
THROTTLED = ReadTimeoutError(endpoint_url="https://email")

Metrics = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"SenderEmail": "orders@shop.example"}


@pytest.fixture(autouse=True)
def orders(stack: MotoStack) -> Any:
    stack.run_as("NotifyFunction")
    table = stack.table("OrdersTable")
    table.put_item(Item=an_order())
    return table


@pytest.fixture(autouse=True)
def open_orders(stack: MotoStack, orders: Any) -> Any:
    """order-1 and another one are open, since half a minute."""
    table = stack.table("OpenOrdersTable")
    for order_id in ("order-1", "another"):
        table.put_item(Item=opened(order_id=order_id))
    return table


def opened(*, ago: float = 30, **changes: Any) -> dict[str, Any]:
    """An order that was placed and opened so many seconds ago."""
    since = datetime.now(UTC) - timedelta(seconds=ago)
    return an_open_order(occurred_at=since.isoformat(), sweep_at=int(since.timestamp()) + 60) | changes


def notify(
    outcome: str = "CONFIRMED", reason: str = "ACCEPTED", *, decided: timedelta = timedelta(seconds=1)
) -> dict[str, Any]:
    """Notify the customer of order-1 of what was decided so long ago."""
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 7000)
    decided_at = (datetime.now(UTC) - decided).isoformat().replace("+00:00", "Z")
    event = {"order_id": "order-1", "outcome": outcome, "reason": reason, "decided_at": decided_at}
    return app.handler(event, context)


def ids(table: Any) -> set[str]:
    """The orders that are open."""
    return {item["order_id"] for item in table.scan()["Items"]}


# ── What closes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_whose_customer_was_told_is_closed_and_no_other(open_orders):
    assert notify() == {"notified": True}

    assert ids(open_orders) == {"another"}


@pytest.mark.parametrize("parameters", [{"SenderEmail": ""}, {"SenderEmail": "orders@shop.example"}], ids=str)
def test_an_order_that_nobody_can_be_told_of_is_closed(orders, open_orders):
    orders.put_item(Item=an_order(customer=None))

    assert notify() == {"notified": False}

    assert ids(open_orders) == {"another"}


def test_an_order_that_was_deleted_is_closed(orders, open_orders):
    orders.delete_item(Key={"order_id": "order-1"})

    assert notify() == {"notified": False}

    assert ids(open_orders) == {"another"}


def test_old_news_closes_an_order_that_was_opened_again(open_orders):
    assert notify(decided=OLD_NEWS) == {"notified": False}

    assert ids(open_orders) == {"another"}


def test_an_order_that_was_stuck_is_closed_as_well(open_orders):
    open_orders.put_item(Item=opened(stuck={"step": "Capture", "error": "Unrecoverable"}, sweeps=3, call_at=1))

    notify()

    assert ids(open_orders) == {"another"}


def test_what_comes_again_closes_what_was_opened_again(open_orders):
    notify()
    open_orders.put_item(Item=opened(ago=0))

    assert notify(decided=timedelta(hours=1)) == {"notified": True}

    assert ids(open_orders) == {"another"}


# ── What stays open ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_whose_email_was_not_taken_stays_open_until_it_is(open_orders, metrics):
    with pytest.raises(EmailNotSent), fails(clients.email(), "send_email", THROTTLED):
        notify()
    assert ids(open_orders) == {"order-1", "another"}
    assert metrics() == []

    notify()
    assert ids(open_orders) == {"another"}


def test_an_order_of_which_another_attempt_is_just_telling_is_closed_by_that_one(open_orders, metrics):
    seen = []

    def a_copy() -> None:
        with pytest.raises(app.NoticeInProgress):
            notify()
        seen.append(ids(open_orders))

    with just_before(clients.email(), "send_email", a_copy):
        notify()

    assert seen == [{"order-1", "another"}]
    assert ids(open_orders) == {"another"}
    assert len(metrics()) == 1


def test_after_a_sandbox_that_died_telling_the_order_stays_open(open_orders):
    with dies_after(clients.email(), "send_email"):
        notify()

    assert ids(open_orders) == {"order-1", "another"}


@pytest.mark.parametrize("died", [True, False], ids=["died", "throttled"])
def test_an_order_that_could_not_be_closed_is_closed_by_the_next_attempt(died, open_orders, metrics):
    if died:
        with dies_before(clients.dynamodb(), "delete_item"):
            notify()
    else:
        with pytest.raises(type(UNREACHABLE)), fails(clients.dynamodb(), "delete_item", UNREACHABLE):
            notify()
    assert ids(open_orders) == {"order-1", "another"}

    assert notify() == {"notified": True}
    assert ids(open_orders) == {"another"}
    assert len(metrics()) == 1


# ── What is counted ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("CONFIRMED", "ACCEPTED"), ("CANCELLED", "OUT_OF_STOCK"), ("REJECTED", "ORDER_INVALID")],
)
def test_a_finished_order_is_counted_by_outcome_and_reason(outcome, reason, metrics):
    notify(outcome, reason)

    (line,) = metrics()
    assert 30 <= line.pop("SecondsFromPlacedToTold") < 60
    assert line == {
        "service": "notify",
        "outcome": outcome,
        "reason": reason,
        "order_id": "order-1",
        "OrdersFinished": 1,
    }


def test_however_many_copies_tell_of_it_an_order_is_counted_once(metrics):
    for _ in range(3):
        notify()

    assert [line["OrdersFinished"] for line in metrics()] == [1]


def test_without_an_open_order_nothing_is_counted(open_orders, metrics):
    open_orders.delete_item(Key={"order_id": "order-1"})

    assert notify() == {"notified": True}

    assert metrics() == []


@pytest.mark.parametrize("age", [timedelta(minutes=2), OLD_NEWS], ids=["of late", "old news"])
def test_a_finished_order_that_was_opened_again_is_counted_as_that(age, open_orders, metrics):
    open_orders.put_item(Item=opened(ago=5))
    notify(decided=age)

    assert ids(open_orders) == {"another"}
    assert metrics() == [{"service": "notify", "order_id": "order-1", "OrdersReopened": 1}]


def test_an_order_that_was_decided_long_before_its_customer_could_be_told_is_finished_and_not_reopened(
    open_orders, metrics
):
    open_orders.put_item(Item=opened(ago=7200, sweeps=9, sweep_at=int(datetime.now(UTC).timestamp()) + 900))
    notify(decided=timedelta(hours=1.9))

    (line,) = metrics()
    assert line["OrdersFinished"] == 1
    assert 7200 <= line["SecondsFromPlacedToTold"] < 7300
