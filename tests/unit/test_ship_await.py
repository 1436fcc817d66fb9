"""One execution waits for an order's last parcel, and nobody waits for what has come."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients
from orders.errors import StillOnItsWay, Unrecoverable
from tests.exhaustive import sampled
from tests.unit.approving import token_of
from tests.unit.builders import SECRET
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import fails
from tests.unit.shipping import (
    DAY,
    FIRST,
    SECOND,
    SOON,
    Tasks,
    arrive,
    at_request,
    book,
    dies_at,
    everything,
    read,
    requests_of,
    sell,
    sweep_at,
)
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED

DELIVERY_DAYS = 10
DELIVER_BY = OPENED + DELIVERY_DAYS * DAY
# The token is encrypted, the waiter is written down, the sweep is told to wait as well, and another look is taken.
REQUESTS = 4


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"DeliveryDays": str(DELIVERY_DAYS)}


@pytest.fixture(autouse=True)
def shipped(stack: MotoStack, clock: Any) -> None:
    """Two parcels of order-1 are booked."""
    stack.run_as("ShipFunction")
    sell(stack)
    book()


@pytest.fixture
def tasks(stack: MotoStack) -> Tasks:
    return Tasks()


# ── Nothing has come ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_waits_and_the_sweep_waits_with_it(tasks, stack):
    tasks.wait()

    assert (tasks.waiting, tasks.woken) == ([token_of()], [])
    shipment = read(stack, "ShipmentsTable")
    assert (shipment["waiter"], shipment["attempt"], shipment["deliver_by"]) == (FIRST, 0, DELIVER_BY)
    assert sweep_at(stack) == DELIVER_BY


def test_what_is_written_down_of_a_token_lets_nobody_in(tasks, stack):
    tasks.wait()

    written = str(everything(stack))
    assert [secret for secret in SECRET if secret in written] == []


def test_nobody_waits_for_what_was_never_shipped(tasks, stack):
    stack.table("ShipmentsTable").delete_item(Key={"order_id": "order-1"})

    with pytest.raises(StillOnItsWay):
        tasks.wait()

    assert read(stack, "ShipmentsTable") is None


@pytest.mark.parametrize("days", ["0.5", "0.0001"])
def test_a_parcel_may_take_a_part_of_a_day(days, tasks, stack, monkeypatch):
    monkeypatch.setenv("DELIVERY_DAYS", days)
    tasks.wait()

    assert read(stack, "ShipmentsTable")["deliver_by"] == int(OPENED + float(days) * DAY)


def test_one_parcel_of_two_is_not_all(tasks, stack):
    arrive(stack, "main")
    arrive(stack, "north", status="SHIPPED")
    tasks.wait()

    assert tasks.waiting == [token_of()]


def test_an_attempt_that_comes_again_waits_with_its_own_token_and_no_longer(tasks, stack, clock):
    tasks.wait()
    tasks.waiting.clear()  # Step Functions gave this one up
    clock.now += DAY
    tasks.wait(attempt=1)
    arrive(stack)
    tasks.wait(SECOND)

    assert tasks.woken == [token_of(FIRST, 1), token_of(SECOND)]
    assert read(stack, "ShipmentsTable")["deliver_by"] == DELIVER_BY


def test_an_attempt_that_comes_late_does_not_take_the_token_of_the_one_after_it(tasks, stack):
    tasks.wait(attempt=1)
    tasks.wait(attempt=0)

    assert (read(stack, "ShipmentsTable")["attempt"], tasks.woken) == (1, [])
    arrive(stack)
    tasks.wait(SECOND)
    assert token_of(FIRST, 1) in tasks.woken


def test_where_one_execution_waits_another_goes_on_at_once_and_ends_where_nothing_has_come(tasks, stack):
    tasks.wait()
    tasks.wait(SECOND)

    assert (tasks.waiting, tasks.woken) == ([token_of()], [token_of(SECOND)])
    assert (read(stack, "ShipmentsTable")["waiter"], sweep_at(stack)) == (FIRST, DELIVER_BY)


@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_of_two_at_once_one_waits(number, tasks, stack):
    with at_request(number, lambda: tasks.wait(SECOND)):
        tasks.wait()

    waiter = read(stack, "ShipmentsTable")["waiter"]
    assert tasks.waiting == [token_of(waiter)]
    assert len(tasks.woken) == 1


# ── All has come ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_comes_to_wait_for_what_has_come_goes_on_at_once(tasks, stack):
    arrive(stack)
    before = sweep_at(stack)
    tasks.wait()

    assert (tasks.waiting, tasks.woken) == ([], [token_of()])
    assert sweep_at(stack) == before  # there is something to do


def test_what_came_while_nobody_was_woken_wakes_whoever_waits(tasks, stack):
    tasks.wait()
    arrive(stack)
    tasks.wait(SECOND)

    assert (tasks.waiting, tasks.woken) == ([], [token_of(), token_of(SECOND)])


def test_where_the_execution_that_waited_is_gone_the_next_one_goes_on(tasks, stack):
    tasks.wait()
    tasks.waiting.clear()
    arrive(stack)
    tasks.wait(SECOND)

    assert tasks.woken == [token_of(SECOND)]


@pytest.mark.parametrize("number", [1, 2], ids=["before the token is encrypted", "before the waiter is written down"])
def test_news_that_comes_before_the_waiter_is_seen_by_it(number, tasks, stack):
    with at_request(number, lambda: arrive(stack, soon=True)):
        tasks.wait()

    assert (tasks.waiting, tasks.woken, sweep_at(stack)) == ([], [token_of()], SOON)


@pytest.mark.parametrize("number", [3, 4], ids=["before the sweep waits", "after it"])
def test_news_that_comes_while_the_waiter_is_written_down_is_not_put_off(number, tasks, stack, clock):
    """It has found the waiter. But should it die before it wakes it, or the waiter be gone, there is the sweep."""
    with at_request(number, lambda: arrive(stack, soon=True)):
        tasks.wait()

    assert tasks.woken == [token_of()]
    assert sweep_at(stack) == clock.now + 60


# ── A parcel is overdue ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parcel_that_takes_too_long_is_a_persons_to_ask_for(tasks, stack, clock):
    tasks.wait()
    clock.now = DELIVER_BY

    with pytest.raises(Unrecoverable, match=r"^a parcel is overdue$"):
        tasks.wait(SECOND)

    assert tasks.waiting == [token_of()]  # for when it comes after all


def test_a_parcel_is_not_overdue_a_second_early(tasks, clock):
    tasks.wait()
    clock.now = DELIVER_BY - 1
    tasks.wait(SECOND)

    assert tasks.woken == [token_of(SECOND)]


def test_a_parcel_that_came_late_is_not_overdue(tasks, stack, clock):
    tasks.wait()
    arrive(stack)
    clock.now = DELIVER_BY + DAY
    tasks.wait(SECOND)

    assert tasks.woken == [token_of(), token_of(SECOND)]


# ── Half-way ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_on_the_way_is_followed_by_the_next_attempt(number, after, *, tasks, stack):
    with dies_at(number, after=after):
        tasks.wait()

    tasks.wait(attempt=1)

    assert (tasks.waiting, sweep_at(stack)) == ([token_of(FIRST, 1)], DELIVER_BY)
    arrive(stack)
    tasks.wait(SECOND)
    assert tasks.woken == [token_of(FIRST, 1), token_of(SECOND)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, REQUESTS + 1)))
def test_whoever_dies_for_good_holds_up_nobody(number, after, *, tasks, stack):
    with dies_at(number, after=after):
        tasks.wait()
    arrive(stack)

    tasks.wait(SECOND)

    assert tasks.woken == [token_of(SECOND)]


def test_to_wait_takes_four_requests(tasks):
    assert requests_of(tasks.wait) == ["Encrypt", "UpdateItem", "UpdateItem", "BatchGetItem"]


def test_a_task_that_cannot_be_woken_now_is_woken_by_the_next_attempt(tasks, stack):
    tasks.wait()
    arrive(stack)
    with pytest.raises(type(UNREACHABLE)), fails(clients.workflows(), "send_task_success", UNREACHABLE):
        tasks.wait(SECOND)

    tasks.wait(SECOND, attempt=1)

    assert tasks.woken == [token_of(), token_of(SECOND, 1)]
