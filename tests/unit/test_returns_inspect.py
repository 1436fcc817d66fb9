"""A return's end: what is to be given back, and that it was."""

from typing import Any

import pytest

from aws import clients
from orders import iso_8601
from orders.errors import NothingToReturn, StillOnItsWay, Unrecoverable
from tests.exhaustive import sampled
from tests.unit.builders import a_state
from tests.unit.faults import just_before
from tests.unit.returning import RETURN, TEA, ask, deliver, left, on_the_list, one, stands, step
from tests.unit.shipping import ASKED_AT, DAY, a_return, dies_at, everything, read, requests_of
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED

POT = {"sku": "POT", "quantity": 1}
ALL = {"TEA": 2, "POT": 1}
NOW = iso_8601(OPENED)
# What the end of the last return requests of AWS: its own end, that of the order's returns, and of the order.
REQUESTS = ["UpdateItem", "UpdateItem", "UpdateItem"]


@pytest.fixture
def stack(stack: MotoStack, clock: Any) -> MotoStack:
    """One TEA has come back of an order."""
    deliver(stack, returns={RETURN: a_return(status="ARRIVED")}, left={"TEA": 1, "POT": 1})
    return stack


@pytest.fixture
def all_of_it(stack: MotoStack) -> MotoStack:
    """The whole order has come back."""
    deliver(stack, returns={RETURN: a_return(status="ARRIVED", units=ALL, amount=3800)}, left={"TEA": 0, "POT": 0})
    return stack


def status(stack: MotoStack) -> str:
    return str(read(stack, "OrderStatesTable")["status"])


# ── Inspect ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stands", ["ARRIVED", "REFUNDED"])
def test_what_has_arrived_is_given_back_the_same_whenever_it_is_asked(stands, stack):
    deliver(stack, returns={RETURN: a_return(status=stands, units=ALL, amount=3800)})
    before = everything(stack)

    assert step("inspect") == {
        "lines": [{"sku": "POT", "quantity": 1}, {"sku": "TEA", "quantity": 2}],
        "amount": 3800,
        "requested_at": ASKED_AT,
    }
    assert everything(stack) == before


def test_what_is_still_on_its_way_is_waited_for(stack):
    deliver(stack, returns={RETURN: a_return()})
    with pytest.raises(StillOnItsWay):
        step("inspect")


@pytest.mark.parametrize("returns", [{RETURN: a_return(status="EXPIRED")}, {}], ids=["expired", "never written"])
def test_what_has_expired_or_was_never_written_down_is_off_the_list(returns, stack):
    deliver(stack)
    ask()  # so that it is on the list
    deliver(stack, returns=returns)

    for _ in range(2):
        with pytest.raises(NothingToReturn):
            step("inspect")
    assert on_the_list(stack) is None
    assert read(stack, "OpenShipmentsTable"), "the order is not what has ended"


# ── Finish ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_return_that_was_paid_back_is_not_under_way_any_more(stack, log):
    assert step("finish") == {"refunded_at": NOW}

    assert (one(stack)["status"], one(stack)["refunded_at"], stands(stack)["open"]) == ("REFUNDED", NOW, 0)
    assert left(stack) == {"TEA": 1, "POT": 1}
    assert [(line["message"], line["order_id"], line["return_id"]) for line in log()] == [
        ("return finished", "order-1", RETURN)
    ]


def test_finishing_it_again_answers_the_same_and_changes_nothing(stack, clock):
    first = step("finish")
    before = everything(stack)
    clock.now += 60

    assert step("finish") == first
    assert everything(stack) == before


@pytest.mark.parametrize("stands", ["REQUESTED", "EXPIRED", None])
def test_what_has_not_arrived_is_no_refund(stands, stack):
    deliver(stack, returns={RETURN: a_return(status=stands)} if stands else {})
    before = everything(stack)

    with pytest.raises(Unrecoverable):
        step("finish")
    assert everything(stack) == before


def test_an_order_that_was_never_delivered_has_no_returns(stack):
    stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})

    with pytest.raises(Unrecoverable):
        step("finish")
    assert stands(stack) is None


def test_an_order_that_came_back_whole_is_returned_and_its_own_workflow_takes_it_off_the_list(all_of_it):
    before = read(all_of_it, "OpenShipmentsTable")
    step("finish")

    assert status(all_of_it) == "RETURNED"
    assert stands(all_of_it)["closed"] == NOW
    assert read(all_of_it, "OpenShipmentsTable") == before


def test_the_last_of_several_returns_ends_it(stack):
    both = {RETURN: a_return(status="ARRIVED"), "r-2": a_return(status="ARRIVED", units={"TEA": 1, "POT": 1})}
    deliver(stack, returns=both, left={"TEA": 0, "POT": 0})
    step("finish")
    assert (status(stack), stands(stack)["open"]) == ("DELIVERED", 1)

    step("finish", "r-2")
    assert (status(stack), stands(stack)["open"]) == ("RETURNED", 0)


def test_of_two_last_ones_at_the_same_time_one_finds_that_both_are_there(stack):
    both = {RETURN: a_return(status="ARRIVED"), "r-2": a_return(status="ARRIVED", units={"TEA": 1, "POT": 1})}
    deliver(stack, returns=both, left={"TEA": 0, "POT": 0})

    with just_before(clients.dynamodb(), "update_item", lambda: step("finish", "r-2")):
        step("finish")

    assert (status(stack), stands(stack)["open"]) == ("RETURNED", 0)


def test_an_order_of_which_something_is_kept_goes_on_as_long_as_its_customer_may_ask(stack):
    step("finish")

    assert (status(stack), "closed" in stands(stack)) == ("DELIVERED", False)
    assert read(stack, "OpenShipmentsTable")
    assert ask(TEA).status == 201


def test_an_order_of_which_something_is_kept_is_archived_when_the_time_to_ask_is_over(stack, clock):
    clock.now += 20 * DAY
    step("finish")

    assert (status(stack), bool(stands(stack)["closed"])) == ("ARCHIVED", True)
    assert read(stack, "OpenShipmentsTable")["sweep_at"] == int(clock.now) + 60  # for its workflow has ended


def test_a_return_that_is_asked_for_as_the_last_one_ends_is_taken_and_the_order_stays(stack, clock):
    """The customer's clock is behind: their time is not over yet."""
    clock.now += 20 * DAY

    def still_in_time() -> None:
        clock.now -= 20 * DAY
        assert ask(POT, key="another").status == 201
        clock.now += 20 * DAY

    with just_before(clients.dynamodb(), "update_item", still_in_time):
        step("finish")

    assert (status(stack), "closed" in stands(stack), stands(stack)["open"]) == ("DELIVERED", False, 1)
    assert read(stack, "OpenShipmentsTable")


def test_an_order_whose_delivery_is_not_noted_yet_stays_on_the_list(all_of_it):
    """What may come back is written down before the order is DELIVERED, and whoever wrote it may have died."""
    all_of_it.table("OrderStatesTable").put_item(Item=a_state(status="SHIPPING"))
    step("finish")

    assert status(all_of_it) == "SHIPPING"
    assert stands(all_of_it)["closed"]
    assert read(all_of_it, "OpenShipmentsTable")


def test_the_end_of_an_order_is_these_requests(all_of_it):
    assert requests_of(lambda: step("finish")) == REQUESTS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(REQUESTS) + 1)))
def test_whoever_dies_is_followed_by_one_who_finishes(number, after, all_of_it):
    with dies_at(number, after=after):
        step("finish")

    assert step("finish") == {"refunded_at": NOW}
    assert (status(all_of_it), stands(all_of_it)["open"]) == ("RETURNED", 0)


def test_a_step_that_is_not_known_does_nothing(stack):
    before = everything(stack)

    with pytest.raises(ValueError, match="unknown action lose"):
        step("lose")
    assert everything(stack) == before
