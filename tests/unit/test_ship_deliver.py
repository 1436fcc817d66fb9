"""An order is delivered when its last parcel is, and may be sent back from then on."""

from __future__ import annotations

from typing import Any

import pytest

from orders.errors import StillOnItsWay
from tests.exhaustive import sampled
from tests.unit.shipping import (
    DAY,
    HOUR,
    arrive,
    at_request,
    book,
    deliver,
    dies_at,
    everything,
    put_returns,
    read,
    requests_of,
    sell,
    status,
    sweep_at,
)
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED

RETURN_DAYS = 14
NOW, UNTIL = "2026-01-01T09:00:01.000+00:00", "2026-01-15T09:00:01.000+00:00"
# The parcels, what may come back of them, the status, and the sweep.
REQUESTS = 4
ANSWER = {"delivered_at": NOW, "keep_until": UNTIL}


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"ReturnDays": str(RETURN_DAYS)}


@pytest.fixture(autouse=True)
def shipped(stack: MotoStack, clock: Any) -> None:
    """Two parcels of order-1 are booked."""
    stack.run_as("ShipFunction")
    sell(stack)
    book()


def test_an_order_whose_parcels_have_arrived_is_delivered_and_may_come_back(stack, log):
    arrive(stack)

    assert deliver() == ANSWER

    assert (status(stack), read(stack, "OrderStatesTable")["history"]["DELIVERED"]) == ("DELIVERED", NOW)
    assert read(stack, "ReturnsTable") == {
        "order_id": "order-1",
        "left": {"TEA": 2, "POT": 1},
        "prices": {"TEA": 450, "POT": 2900},
        "open": 0,
        "until": UNTIL,
        "returns": {},
    }
    assert sweep_at(stack) == OPENED + RETURN_DAYS * DAY + HOUR  # should nobody have woken up to archive it by then
    assert log()[-1]["message"] == "delivered"


@pytest.mark.parametrize("days", ["1", "0.25"])
def test_it_may_come_back_for_as_long_as_the_stack_says(days, stack, monkeypatch):
    monkeypatch.setenv("RETURN_DAYS", days)
    arrive(stack)

    assert deliver()["keep_until"] == ("2026-01-02T09" if days == "1" else "2026-01-01T15") + ":00:01.000+00:00"


@pytest.mark.parametrize("parcels", [[], ["main"]])
def test_an_order_is_not_delivered_before_its_last_parcel_is(parcels, stack):
    for warehouse in parcels:
        arrive(stack, warehouse)
    before = everything(stack)

    with pytest.raises(StillOnItsWay):
        deliver()

    assert everything(stack) == before


def test_an_order_that_nobody_has_shipped_is_not_delivered(stack):
    stack.table("ShipmentsTable").delete_item(Key={"order_id": "order-1"})

    with pytest.raises(StillOnItsWay):
        deliver()


# ── Twice, at once, and half-way ────────────────────────────────────────────────────────────────────────────────────


def test_who_comes_again_later_is_told_the_same_and_gains_no_time(stack, clock):
    arrive(stack)
    assert len(requests_of(deliver)) == REQUESTS
    before = everything(stack)
    clock.now += DAY

    assert deliver() == ANSWER
    assert everything(stack) == before


@pytest.mark.parametrize("further", ["ARCHIVED", "RETURNED"])
def test_an_order_that_is_further_stays_there(further, stack):
    arrive(stack)
    deliver()
    stack.table("OrderStatesTable").put_item(Item=read(stack, "OrderStatesTable") | {"status": further})
    before = everything(stack)

    assert deliver() == ANSWER
    assert everything(stack) == before


def test_what_has_come_back_meanwhile_stays(stack):
    arrive(stack)
    put_returns(stack, left={"TEA": 1, "POT": 1}, until=UNTIL)
    returns = read(stack, "ReturnsTable")

    assert deliver() == ANSWER
    assert (status(stack), read(stack, "ReturnsTable")) == ("DELIVERED", returns)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_on_the_way_is_followed_by_one_who_finishes(number, after, *, stack):
    arrive(stack)
    with dies_at(number, after=after):
        deliver()

    assert deliver() == ANSWER
    assert (status(stack), read(stack, "ReturnsTable")["until"]) == ("DELIVERED", UNTIL)
    assert sweep_at(stack) == OPENED + RETURN_DAYS * DAY + HOUR


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_two_at_once_deliver_it_once(number, stack, log):
    arrive(stack)
    with at_request(number, deliver):
        assert deliver() == ANSWER

    assert [line["message"] for line in log()].count("delivered") == 1


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_sees_that_it_is_delivered_can_ask_for_a_return(number, stack):
    """At no moment is an order DELIVERED of which nobody has written down what may come back."""
    seen: list[tuple[str, bool]] = []
    arrive(stack)
    with at_request(number, lambda: seen.append((status(stack), read(stack, "ReturnsTable") is not None))):
        deliver()

    assert seen != [("DELIVERED", False)]


# ── Afterwards ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_came_back_whole_is_not_kept_until_its_time_is_over(stack):
    arrive(stack)
    put_returns(stack, left={"TEA": 0, "POT": 0}, until=UNTIL, closed="2026-01-01T09:00:00.000+00:00")
    before = sweep_at(stack)

    assert deliver()["keep_until"] == "2026-01-01T09:00:00.000+00:00"
    assert sweep_at(stack) == before


def test_where_the_time_is_over_the_sweep_is_not_put_off(stack, clock):
    arrive(stack)
    deliver()
    before = sweep_at(stack)
    clock.now += (RETURN_DAYS + 1) * DAY
    deliver()

    assert sweep_at(stack) == before


def test_an_order_that_is_off_the_list_stays_off(stack):
    stack.table("OpenShipmentsTable").delete_item(Key={"order_id": "order-1"})
    arrive(stack)
    deliver()

    assert sweep_at(stack) is None
