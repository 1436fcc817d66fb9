"""A return waits for its parcel: it is woken by news, finds what came while nobody listened, and expires."""

from typing import Any

import pytest

from aws import clients, open_orders
from tests.exhaustive import sampled
from tests.unit.approving import token_of
from tests.unit.builders import TASK_TOKEN, a_state
from tests.unit.faults import just_after, just_before
from tests.unit.returning import RETURN, Tasks, arrive, deliver, left, on_the_list, one, stands
from tests.unit.shipping import DAY, FIRST, SECOND, a_return, dies_at, everything, read, requests_of
from tests.unit.stack import MotoStack
from tests.unit.sweeping import MINUTE, OPENED

EXPIRES = OPENED + 30 * DAY
# What waiting requests of AWS: be who waits, set the sweep far off, and look whether news has come in between.
REQUESTS = ["Encrypt", "UpdateItem", "UpdateItem", "BatchGetItem"]
# And where the return expires, with the order's end between its own and who is woken.
EXPIRING = ["Encrypt", *["UpdateItem"] * 4, "UpdateItem", "Decrypt", "SendTaskSuccess"]


@pytest.fixture
def tasks(stack: MotoStack, clock: Any) -> Tasks:
    """A return of one TEA has been asked for, and stands on the list."""
    deliver(stack, returns={RETURN: a_return()}, left={"TEA": 1, "POT": 1})
    list_it(stack)
    return Tasks()


def list_it(stack: MotoStack, return_id: str = RETURN) -> None:
    item = {"order_id": f"order-1/{return_id}", "return_id": return_id, "what": "ReturnRequested", "sweeps": 3}
    stack.table("OpenShipmentsTable").put_item(Item=item | {"occurred_at": "2026", "sweep_at": OPENED})


# ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_waits_and_the_sweep_comes_when_the_return_expires(tasks, stack):
    tasks.wait()

    assert tasks.waiting == [token_of()]
    assert (on_the_list(stack)["sweep_at"], on_the_list(stack)["sweeps"]) == (EXPIRES, 0)
    assert one(stack)["waiter"] == FIRST


def test_the_token_is_written_down_as_only_the_key_can_read_it(tasks, stack):
    tasks.wait()

    assert TASK_TOKEN not in str(stands(stack))
    assert one(stack)["task_token"]


def test_a_task_goes_on_at_once_when_the_parcel_has_come(tasks, stack):
    arrive(stack)
    tasks.wait()

    assert tasks.woken == [token_of()]


@pytest.mark.parametrize("status", ["REFUNDED", "EXPIRED"])
def test_a_task_goes_on_at_once_when_its_return_has_ended(status, tasks, stack):
    deliver(stack, returns={RETURN: a_return(status=status)})
    tasks.wait()

    assert tasks.woken == [token_of()]


@pytest.mark.parametrize("nothing", ["no such return", "no such order"])
def test_a_task_goes_on_at_once_when_there_is_nothing_to_wait_for(nothing, tasks, stack):
    if nothing == "no such order":
        stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})
    tasks.wait(return_id="r-unknown")

    assert tasks.woken == [token_of()]
    assert stands(stack) is None or "r-unknown" not in stands(stack)["returns"]


def test_another_execution_looks_once_and_leaves_the_first_one_waiting(tasks, stack):
    tasks.wait(FIRST)
    tasks.wait(SECOND)

    assert (tasks.waiting, tasks.woken) == ([token_of(FIRST)], [token_of(SECOND)])
    assert one(stack)["waiter"] == FIRST


def test_another_execution_that_finds_news_wakes_the_first_one(tasks, stack):
    tasks.wait(FIRST)
    arrive(stack)
    tasks.wait(SECOND)

    assert tasks.waiting == []
    assert tasks.woken == [token_of(FIRST), token_of(SECOND)]


def test_a_later_attempt_replaces_the_token_and_an_earlier_one_does_not(tasks, stack):
    tasks.wait(attempt=1)
    kept = one(stack)
    tasks.wait(attempt=0)
    assert one(stack) == kept

    tasks.wait(attempt=2)
    arrive(stack)
    tasks.wait(SECOND)
    assert token_of(FIRST, 2) in tasks.woken


def test_two_returns_of_an_order_wait_each_for_its_own(tasks, stack):
    deliver(stack, returns={RETURN: a_return(), "r-2": a_return()})
    tasks.wait(FIRST)
    tasks.wait(SECOND, return_id="r-2")

    assert len(tasks.waiting) == 2
    assert (one(stack)["waiter"], one(stack, "r-2")["waiter"]) == (FIRST, SECOND)


# ── Races ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def the_parcel_comes(stack: MotoStack) -> None:
    """The news: written, the sweep told, and nobody woken, for the webhook dies there."""
    arrive(stack)
    open_orders.look_soon("order-1", RETURN)


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_news_that_comes_at_any_moment_is_found(moment, tasks, stack):
    calls: dict[int, tuple[Any, str]] = {1: (clients.keys(), "encrypt"), 2: (clients.dynamodb(), "update_item")}
    calls |= {3: (open_orders, "look_again_at"), 4: (clients.dynamodb(), "batch_get_item")}
    with just_before(*calls[moment], lambda: the_parcel_comes(stack)):
        tasks.wait()

    assert (tasks.waiting, tasks.woken) == ([], [token_of()])
    assert on_the_list(stack)["sweep_at"] == OPENED + MINUTE


def test_news_that_comes_after_the_last_look_finds_whom_to_wake_and_is_swept(tasks, stack):
    with just_after(clients.dynamodb(), "batch_get_item", lambda: the_parcel_comes(stack)):
        tasks.wait()

    assert tasks.waiting == [token_of()]
    assert one(stack)["waiter"] == FIRST
    assert on_the_list(stack)["sweep_at"] == OPENED + MINUTE


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(REQUESTS) + 1)))
def test_whoever_dies_waiting_is_followed_by_one_who_waits(number, after, tasks, stack):
    with dies_at(number, after=after):
        tasks.wait(attempt=0)
    tasks.wait(attempt=1)

    assert tasks.waiting == [token_of(FIRST, 1)]
    arrive(stack)
    tasks.wait(SECOND)
    assert token_of(FIRST, 1) in tasks.woken


def test_waiting_is_these_requests(tasks):
    assert requests_of(tasks.wait) == REQUESTS


# ── Expiring ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parcel_that_never_comes_expires_and_its_units_are_left_again(tasks, stack, clock, log):
    tasks.wait(FIRST)
    clock.now = float(EXPIRES)
    tasks.wait(SECOND)

    assert one(stack)["status"] == "EXPIRED"
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 2, "POT": 1}, 0)
    assert tasks.woken == [token_of(FIRST), token_of(SECOND)]
    assert [line["message"] for line in log()] == ["return expired", "returns closed"]


def test_expiring_is_these_requests(tasks, clock):
    clock.now = float(EXPIRES)

    assert requests_of(tasks.wait) == EXPIRING


def test_it_does_not_expire_a_moment_early(tasks, stack, clock):
    clock.now = EXPIRES - 1.0
    tasks.wait()

    assert (one(stack)["status"], tasks.waiting) == ("REQUESTED", [token_of()])


def test_it_expires_once(tasks, stack, clock):
    clock.now = float(EXPIRES)
    tasks.wait(FIRST)
    before = everything(stack)
    tasks.wait(SECOND)

    assert everything(stack) == before


def test_a_parcel_that_comes_as_its_return_expires_has_come(tasks, stack, clock):
    clock.now = float(EXPIRES)
    writes = clients.dynamodb()
    with just_after(writes, "update_item", lambda: arrive(stack)):  # it has just begun to wait
        tasks.wait()

    assert one(stack)["status"] == "ARRIVED"
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 1, "POT": 1}, 1)
    assert tasks.woken == [token_of()]


def test_an_order_ends_when_the_last_return_of_it_expires_after_the_time_to_ask(tasks, stack, clock):
    clock.now = float(EXPIRES)
    tasks.wait()

    assert stands(stack)["closed"]
    assert read(stack, "OrderStatesTable")["status"] == "ARCHIVED"
    assert read(stack, "OpenShipmentsTable")["sweep_at"] == EXPIRES + 60


def test_it_goes_on_as_long_as_its_customer_may_ask_again(tasks, stack, clock):
    deliver(stack, returns={RETURN: a_return(expires_at=OPENED + DAY)}, left={"TEA": 1, "POT": 1})
    clock.now += DAY
    tasks.wait()

    assert one(stack)["status"] == "EXPIRED"
    assert "closed" not in stands(stack)
    assert read(stack, "OrderStatesTable")["status"] == a_state(status="DELIVERED")["status"]
    assert read(stack, "OpenShipmentsTable")


def test_it_goes_on_while_another_return_of_it_is_under_way(tasks, stack, clock):
    deliver(stack, returns={RETURN: a_return(), "r-2": a_return(status="ARRIVED")}, left={"TEA": 0, "POT": 1})
    clock.now = float(EXPIRES)
    tasks.wait()

    assert (stands(stack)["open"], "closed" in stands(stack)) == (1, False)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(EXPIRING) + 1)))
def test_whoever_dies_while_it_expires_is_followed_by_one_who_finishes(number, after, tasks, stack, clock):
    clock.now = float(EXPIRES)
    with dies_at(number, after=after):
        tasks.wait(FIRST)
    tasks.wait(SECOND)

    assert one(stack)["status"] == "EXPIRED"
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 2, "POT": 1}, 0)
    assert token_of(SECOND) in tasks.woken
