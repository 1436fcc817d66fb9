"""An order's way after its decision: one guarded step at a time, and never back."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, statuses
from aws.item import plain_item
from orders import NEXT, Reason, Status
from tests.unit.builders import a_state
from tests.unit.faults import fails, just_after, just_before
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED, Clock

TIMEOUT = ReadTimeoutError(endpoint_url="https://dynamodb")
CONFIRMED_AT = "2026-01-01T09:00:05Z"  # as `a_state` has it
THEN, LATER = (
    "2026-01-01T09:00:01.000+00:00",
    "2026-01-01T09:01:01.000+00:00",
)  # when the clock was set, and a minute on

STEPS = [(before, after) for before in Status for after in sorted(NEXT[before]) if before is not Status.PLACED]
ELSEWHERE = [(*step, there) for step in STEPS for there in Status if there not in (step[0], Status.PLACED)]
NO_STEPS = [(before, after) for before in Status for after in Status if after not in NEXT[before]]


@pytest.fixture
def states(stack: MotoStack, clock: Clock) -> Any:
    stack.run_as("ShipFunction")
    return stack.table("OrderStatesTable")


def read(states: Any) -> dict[str, Any]:
    item: dict[str, Any] = states.get_item(Key={"order_id": "order-1"})["Item"]
    return item


def advance(before: Status, after: Status, reason: Reason | None = None) -> dict[str, Any]:
    return plain_item(statuses.advance("order-1", before, after, reason))


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_an_order_goes_one_step_and_its_history_says_when(before, after, states):
    states.put_item(Item=a_state(status=before))

    answer = advance(before, after)

    assert answer == a_state(status=after, history={"CONFIRMED": CONFIRMED_AT, after: THEN})
    assert read(states) == answer


def test_its_decision_stays_as_it_was_and_a_step_may_have_a_reason_of_its_own(states):
    states.put_item(Item=a_state())

    answer = advance(Status.CONFIRMED, Status.CANCELLED, Reason.CANCELLED_BEFORE_SHIPPING)

    assert answer["decision"] == a_state()["decision"]
    assert answer["reason"] == "CANCELLED_BEFORE_SHIPPING"


@pytest.mark.parametrize(("before", "after", "there"), ELSEWHERE)
def test_who_finds_the_order_elsewhere_changes_nothing_and_reads_where_it_is(before, after, there, states):
    stands = a_state(status=there)
    states.put_item(Item=stands)

    assert advance(before, after, Reason.CANCELLED_BEFORE_SHIPPING) == stands

    assert read(states) == stands


@pytest.mark.parametrize(("before", "after"), NO_STEPS)
def test_there_is_no_way_back_and_none_around(before, after, states):
    stands = a_state(status=before)
    states.put_item(Item=stands)

    with pytest.raises(ValueError, match=f"nothing goes from {before} to {after}"):
        advance(before, after)

    assert read(states) == stands


def test_a_step_that_is_taken_again_keeps_the_time_of_the_first(states, clock):
    states.put_item(Item=a_state())
    first = advance(Status.CONFIRMED, Status.SHIPPING)
    clock.now = OPENED + 60

    assert advance(Status.CONFIRMED, Status.SHIPPING) == first
    assert read(states) == first


def test_a_step_that_comes_late_brings_nothing_back(states, clock):
    states.put_item(Item=a_state())
    advance(Status.CONFIRMED, Status.SHIPPING)
    clock.now = OPENED + 60
    delivered = advance(Status.SHIPPING, Status.DELIVERED)

    assert advance(Status.CONFIRMED, Status.SHIPPING) == delivered
    assert statuses.since(statuses.advance("order-1", Status.SHIPPING, Status.DELIVERED), Status.SHIPPING) == THEN
    assert statuses.since(statuses.advance("order-1", Status.SHIPPING, Status.DELIVERED), Status.DELIVERED) == LATER


@pytest.mark.parametrize("first", [Status.CANCELLED, Status.SHIPPING])
def test_of_a_customer_who_cancels_and_a_warehouse_that_ships_the_first_wins_and_both_follow(first, states):
    states.put_item(Item=a_state())
    second = Status.SHIPPING if first is Status.CANCELLED else Status.CANCELLED
    answers = []

    with just_before(clients.dynamodb(), "update_item", lambda: answers.append(advance(Status.CONFIRMED, first))):
        answers.append(advance(Status.CONFIRMED, second))

    assert [answer["status"] for answer in answers] == [first, first]
    assert read(states)["status"] == first
    assert second not in read(states)["history"]


def test_who_takes_a_step_again_after_an_answer_was_lost_finds_it_taken(states, clock):
    states.put_item(Item=a_state())

    def lose() -> None:
        raise TIMEOUT

    with pytest.raises(ReadTimeoutError), just_after(clients.dynamodb(), "update_item", lose):
        advance(Status.CONFIRMED, Status.SHIPPING)
    written = read(states)
    clock.now = OPENED + 60

    assert written["status"] == Status.SHIPPING
    assert advance(Status.CONFIRMED, Status.SHIPPING) == written


def test_a_step_that_could_not_be_written_was_not_taken(states):
    states.put_item(Item=a_state())
    with pytest.raises(ReadTimeoutError), fails(clients.dynamodb(), "update_item", TIMEOUT):
        advance(Status.CONFIRMED, Status.SHIPPING)

    assert read(states) == a_state()


def test_since_says_when_an_order_came_somewhere_and_nothing_where_it_did_not(states):
    states.put_item(Item=a_state())
    state = statuses.advance("order-1", Status.CONFIRMED, Status.SHIPPING)

    assert statuses.since(state, Status.CONFIRMED) == CONFIRMED_AT
    assert statuses.since(state, Status.SHIPPING) == THEN
    assert statuses.since(state, Status.DELIVERED) == ""
