"""An order comes to its end when nothing of it can come back any more."""

from __future__ import annotations

from typing import Any

import pytest

from orders.errors import StillOnItsWay
from tests.exhaustive import sampled
from tests.unit.shipping import (
    ASKED_AT,
    DAY,
    HOUR,
    RETURN,
    SOON,
    a_return,
    archive,
    arrive,
    at_request,
    book,
    deliver,
    dies_at,
    put_returns,
    read,
    requests_of,
    sell,
    status,
    sweep_at,
)
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED

UNTIL = "2026-01-15T09:00:01.000+00:00"
KEPT = OPENED + 14 * DAY
NOTHING = {"TEA": 0, "POT": 0}
# What may come back, its end, the status, and the list of what is to do.
REQUESTS = 4


@pytest.fixture(autouse=True)
def delivered(stack: MotoStack, clock: Any) -> None:
    """order-1 was delivered, and its time to be sent back is over to the second."""
    stack.run_as("ShipFunction")
    sell(stack)
    book()
    arrive(stack)
    deliver()
    clock.now = KEPT


def refund(stack: MotoStack, return_id: str = RETURN) -> None:
    """What the returns function writes when a return is paid back, and then of the list of what is to do."""
    stack.table("ReturnsTable").update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #returns.#return.#status = :refunded, #open = #open - :one",
        ExpressionAttributeNames={"#returns": "returns", "#return": return_id, "#status": "status", "#open": "open"},
        ExpressionAttributeValues={":refunded": "REFUNDED", ":one": 1},
    )
    stack.table("OpenShipmentsTable").update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET sweep_at = :soon",
        ExpressionAttributeValues={":soon": SOON},
    )


# ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_nobody_sent_back_is_archived(stack, log):
    assert archive() == {"status": "ARCHIVED"}

    assert status(stack) == "ARCHIVED"
    assert (read(stack, "ReturnsTable")["closed"], sweep_at(stack)) == (UNTIL, None)
    assert [line["message"] for line in log()][-2:] == ["returns closed", "archived"]


def test_an_order_of_which_something_came_back_is_archived_with_the_rest(stack):
    put_returns(stack, left={"TEA": 1, "POT": 1}, returns={RETURN: a_return(status="REFUNDED")})

    assert archive() == {"status": "ARCHIVED"}


def test_an_order_whose_return_never_came_is_archived(stack):
    put_returns(stack, returns={RETURN: a_return(status="EXPIRED")})

    assert archive() == {"status": "ARCHIVED"}


@pytest.mark.parametrize("days", [0, 20], ids=["before its time is over", "after it"])
def test_an_order_that_came_back_whole_is_returned(days, stack, clock):
    clock.now = OPENED + days * DAY
    put_returns(stack, left=NOTHING, returns={RETURN: a_return(status="REFUNDED", units={"TEA": 2, "POT": 1})})

    assert archive() == {"status": "RETURNED"}
    assert (status(stack), sweep_at(stack)) == ("RETURNED", None)


@pytest.mark.parametrize("left", [NOTHING, {"TEA": 1, "POT": 0}], ids=["all is back", "the customer keeps some"])
def test_where_the_returns_were_closed_before_that_is_followed(left, stack):
    put_returns(stack, left=left, closed="2026-01-10T09:00:01.000+00:00")

    assert archive() == {"status": "ARCHIVED" if any(left.values()) else "RETURNED"}
    assert read(stack, "ReturnsTable")["closed"] == "2026-01-10T09:00:01.000+00:00"


# ── Not yet ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_not_archived_a_moment_early(stack, clock):
    clock.now = KEPT - 0.001

    with pytest.raises(StillOnItsWay):
        archive()

    assert (status(stack), "closed" in read(stack, "ReturnsTable")) == ("DELIVERED", False)


def test_an_order_that_was_not_delivered_is_not_archived(stack):
    stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})

    with pytest.raises(StillOnItsWay):
        archive()


@pytest.mark.parametrize("on_its_way", ["REQUESTED", "ARRIVED"])
def test_an_order_is_not_archived_while_a_return_is_under_way(on_its_way, stack):
    expires_at = KEPT + 16 * DAY
    put_returns(
        stack,
        left={"TEA": 0, "POT": 1},
        returns={
            RETURN: a_return(status=on_its_way, expires_at=expires_at),
            "r-2": a_return(expires_at=expires_at - DAY),
            "r-3": a_return(status="EXPIRED", expires_at=expires_at + DAY),
        },
    )

    with pytest.raises(StillOnItsWay):
        archive()

    assert (status(stack), "closed" in read(stack, "ReturnsTable")) == ("DELIVERED", False)
    assert sweep_at(stack) == expires_at + HOUR


def test_nor_while_all_of_it_is_on_its_way_back(stack):
    put_returns(stack, left=NOTHING, returns={RETURN: a_return(units={"TEA": 2, "POT": 1})})

    with pytest.raises(StillOnItsWay):
        archive()

    assert status(stack) == "DELIVERED"


def test_a_return_that_waits_for_longer_than_it_may_is_looked_at_each_hour(stack, clock):
    put_returns(stack, returns={RETURN: a_return(status="ARRIVED", expires_at=OPENED)})

    with pytest.raises(StillOnItsWay):
        archive()

    assert sweep_at(stack) == clock.now + HOUR


def test_a_return_that_is_off_the_list_gets_back_on_it(stack, clock):
    put_returns(stack, returns={RETURN: a_return(), "r-2": a_return(status="EXPIRED")})

    with pytest.raises(StillOnItsWay):
        archive()

    assert read(stack, "OpenShipmentsTable", f"order-1/{RETURN}") == {
        "order_id": f"order-1/{RETURN}",
        "what": "ReturnRequested",
        "return_id": RETURN,
        "occurred_at": ASKED_AT,
        "sweeps": 0,
        "sweep_at": clock.now + 60,
    }
    assert sweep_at(stack, "order-1/r-2") is None


def test_what_the_list_knows_of_a_return_stays(stack):
    entry = {"order_id": f"order-1/{RETURN}", "occurred_at": ASKED_AT, "sweeps": 7, "sweep_at": SOON}
    stack.table("OpenShipmentsTable").put_item(Item=entry)
    put_returns(stack, returns={RETURN: a_return()})

    with pytest.raises(StillOnItsWay):
        archive()

    assert read(stack, "OpenShipmentsTable", f"order-1/{RETURN}") == entry


# ── Twice, at once, and half-way ────────────────────────────────────────────────────────────────────────────────────


def test_who_comes_again_is_told_the_same(stack):
    assert len(requests_of(archive)) == REQUESTS

    assert archive() == {"status": "ARCHIVED"}


@pytest.mark.parametrize("left", [NOTHING, {"TEA": 1, "POT": 0}], ids=["returned", "archived"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_on_the_way_is_followed_by_one_who_finishes(number, after, *, left, stack):
    put_returns(stack, left=left)
    end = "ARCHIVED" if any(left.values()) else "RETURNED"
    with dies_at(number, after=after):
        archive()

    assert archive() == {"status": end}
    assert (status(stack), sweep_at(stack)) == (end, None)


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_two_at_once_archive_it_once(number, stack, log):
    with at_request(number, archive):
        assert archive() == {"status": "ARCHIVED"}

    assert [line["message"] for line in log()].count("returns closed") == 1


# ── Against a return ────────────────────────────────────────────────────────────────────────────────────────────────


def ask_back(stack: MotoStack) -> bool:
    """What the returns function writes when a customer asks for a return; whether it does."""
    table = stack.table("ReturnsTable")
    try:
        table.update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET #left.TEA = #left.TEA - :one, #open = #open + :one, #returns.#return = :return",
            ConditionExpression="attribute_not_exists(closed) AND #left.TEA >= :one",
            ExpressionAttributeNames={"#left": "left", "#open": "open", "#returns": "returns", "#return": RETURN},
            ExpressionAttributeValues={":one": 1, ":return": a_return()},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        return False
    return True


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_of_a_return_and_the_end_of_returns_one_wins(number, stack):
    asked: list[bool] = []
    with at_request(number, lambda: asked.append(ask_back(stack))):
        try:
            archived = archive() == {"status": "ARCHIVED"}
        except StillOnItsWay:
            archived = False

    assert asked == [not archived]
    assert asked == [number <= 2]
    assert status(stack) == ("ARCHIVED" if archived else "DELIVERED")


@pytest.mark.parametrize("number", range(1, 7))
def test_a_refund_that_comes_meanwhile_does_not_leave_the_order_lying(number, stack, clock):
    """Whoever pays the last return back lets the sweep come to its order, and that must not be put off again."""
    put_returns(stack, left={"TEA": 1, "POT": 1}, returns={RETURN: a_return(expires_at=KEPT + DAY)})

    with at_request(number, lambda: refund(stack)):
        try:
            archive()
        except StillOnItsWay:
            assert sweep_at(stack) in (SOON, clock.now + 60)
        else:
            assert number <= 2  # it came in time
