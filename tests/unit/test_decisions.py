"""Deciding outside of the workflow: the first writer wins, whoever that is."""

from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, decisions
from aws.item import plain_item
from orders import Reason
from tests.unit.builders import a_state, as_image
from tests.unit.faults import fails, just_after, just_before
from tests.unit.stack import MotoStack

TIMEOUT = ReadTimeoutError(endpoint_url="https://dynamodb")


@pytest.fixture
def states(stack: MotoStack) -> Any:
    stack.run_as("AskFunction")
    return stack.table("OrderStatesTable")


def read(states: Any) -> Any:
    return states.get_item(Key={"order_id": "order-1"}).get("Item")


def cancel(reason: Reason = Reason.NOT_APPROVED) -> dict[str, Any]:
    return plain_item(decisions.cancel("order-1", reason))


def test_an_order_that_nobody_has_decided_is_cancelled_for_the_reason(states):
    answer = cancel()

    decided_at = answer["decision"]["decided_at"]
    assert answer == {
        "order_id": "order-1",
        "decision": {"outcome": "CANCELLED", "reason": "NOT_APPROVED", "decided_at": decided_at},
        "status": "CANCELLED",
        "history": {"CANCELLED": decided_at},
    }
    assert read(states) == answer
    assert datetime.fromisoformat(decided_at).tzinfo


@pytest.mark.parametrize(
    "standing",
    [a_state(), a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"), a_state("REJECTED", "ORDER_INVALID")],
    ids=["confirmed", "cancelled", "rejected"],
)
def test_what_was_decided_first_stands_and_is_the_answer(standing, states):
    states.put_item(Item=standing)

    assert cancel() == standing

    assert read(states) == standing


def test_of_two_who_decide_at_once_the_first_one_wins_and_both_follow_it(states):
    others = []

    with just_before(clients.dynamodb(), "update_item", lambda: others.append(cancel(Reason.CANCELLED_BY_CUSTOMER))):
        mine = cancel(Reason.APPROVAL_EXPIRED)

    assert mine["decision"]["reason"] == "CANCELLED_BY_CUSTOMER"
    assert [mine] == others
    assert read(states) == mine


def test_who_decides_again_after_an_answer_was_lost_finds_their_own_decision(states):
    def lose() -> None:
        raise TIMEOUT

    with pytest.raises(ReadTimeoutError), just_after(clients.dynamodb(), "update_item", lose):
        cancel()
    written = read(states)

    assert cancel() == written


def test_a_decision_that_could_not_be_written_is_none(states):
    with pytest.raises(ReadTimeoutError), fails(clients.dynamodb(), "update_item", TIMEOUT):
        cancel()

    assert read(states) is None


def test_the_stream_says_a_decision_from_here_as_one_of_the_workflows(states, monkeypatch):
    from publish import app
    from tests.unit.builders import a_state_record

    monkeypatch.setenv("ORDER_STATES_TABLE", "OrderStatesTable")
    event = app.event_from(a_state_record(cancel(Reason.CANCELLED_BY_CUSTOMER)))

    assert event
    assert (event.detail_type, event.reason) == ("OrderCancelled", "CANCELLED_BY_CUSTOMER")
    assert as_image(cancel())["decision"]["M"].keys() == {"outcome", "reason", "decided_at"}
