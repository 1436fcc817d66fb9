"""Returns that race, and requests that die: units are taken once, and what was taken is never forgotten."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws import clients, returns
from orders import iso_8601
from orders.shipping import returns_from
from tests.exhaustive import sampled
from tests.unit.builders import EMAIL, as_image
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.calling import kind
from tests.unit.faults import fails, just_after, just_before
from tests.unit.returning import RETURN, TEA, ask, deliver, left, on_the_list, one, stands
from tests.unit.shipping import DAY, a_return, at_request, dies_at, everything, requests_of
from tests.unit.sweeping import MINUTE, OPENED

POT = {"sku": "POT", "quantity": 1}
BOTH = TEA | {"quantity": 2}
# What asking for a return requests of AWS: look, put it on the list, write it, announce it. The last is the bus's.
REQUESTS = ["BatchGetItem", "PutItem", "UpdateItem"]


@pytest.fixture
def bus(stack: Any, clock: Any) -> Bus:
    deliver(stack)
    return Bus()


def meanwhile(happens: Any) -> Any:
    """Between what was read and the write that decides."""
    return just_before(clients.dynamodb(), "update_item", happens)


def test_a_return_is_these_requests(bus):
    assert requests_of(ask) == REQUESTS


# ── Each part of the condition ──────────────────────────────────────────────────────────────────────────────────────


def test_of_two_with_one_key_at_the_same_time_one_is_taken_and_both_answer_it(bus, stack, log):
    answers = []

    with meanwhile(lambda: answers.append(ask())):
        answers.append(ask())

    first, second = answers
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True]
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 1, "POT": 1}, 1)
    assert [line["message"] for line in log()] == ["return requested"]


def test_of_two_different_ones_with_one_key_at_the_same_time_the_second_is_refused(bus, stack):
    with meanwhile(lambda: ask(POT)):
        assert kind(ask()) == (422, "key-reused")

    assert left(stack) == {"TEA": 2, "POT": 0}


def test_of_two_that_race_for_the_last_unit_one_is_refused(bus, stack):
    with meanwhile(lambda: ask(POT, key="another")):
        answer = ask(TEA, POT)

    assert kind(answer) == (422, "invalid-return")
    assert answer.body["violations"] == ["lines[1].quantity: is more than is left"]
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 2, "POT": 0}, 1)


def test_of_two_that_race_for_more_than_there_is_one_is_refused_whole(bus, stack):
    with meanwhile(lambda: ask(TEA, key="another")):
        assert kind(ask(BOTH)) == (422, "invalid-return")

    assert (left(stack), one(stack)) == ({"TEA": 1, "POT": 1}, None)


def test_two_that_take_what_there_is_are_both_taken(bus, stack):
    with meanwhile(lambda: ask(TEA, key="another")):
        assert ask(TEA).status == 201

    assert (left(stack), stands(stack)["open"]) == ({"TEA": 0, "POT": 1}, 2)


def test_an_order_that_is_archived_in_between_takes_nothing_back(stack, clock):
    """Its clock is an hour ahead of the one that the customer's request goes by."""
    deliver(stack, until=iso_8601(OPENED + 60))

    def archive() -> None:
        clock.now += 60 * MINUTE
        returns.close(returns_from(as_image(stands(stack))))
        clock.now -= 60 * MINUTE

    with meanwhile(archive):
        assert kind(ask()) == (409, "returns-closed")

    assert stands(stack)["closed"]
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 2, "POT": 1}, 0)


def test_an_order_is_not_archived_while_a_return_that_was_first_is_under_way(stack, clock):
    deliver(stack, until=iso_8601(OPENED + 60))
    before = returns_from(as_image(stands(stack)))
    assert ask().status == 201
    clock.now += DAY

    assert returns.close(before) == "DELIVERED"
    assert "closed" not in stands(stack)


def test_a_time_that_was_shortened_in_between_is_over(bus, stack):
    """Nobody shortens it; the condition does not rely on that."""
    shorter = {"until": iso_8601(OPENED)}

    with meanwhile(lambda: stack.table("ReturnsTable").put_item(Item=stands(stack) | shorter)):
        assert kind(ask()) == (409, "returns-closed")

    assert (left(stack), stands(stack)["open"]) == ({"TEA": 2, "POT": 1}, 0)


def test_an_item_that_vanishes_in_between_is_not_written_anew(bus, stack):
    with meanwhile(lambda: stack.table("ReturnsTable").delete_item(Key={"order_id": "order-1"})):
        assert kind(ask()) == (503, "unavailable")

    assert stands(stack) is None


# ── Who dies, and what gets lost ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(REQUESTS) + 1)))
def test_a_return_is_on_the_list_if_it_was_taken_wherever_the_request_died(number, after, bus, stack):
    with dies_at(number, after=after):
        ask()

    assert one(stack) is None or on_the_list(stack)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(REQUESTS) + 1)))
def test_a_request_that_died_and_is_sent_again_takes_its_units_once(number, after, bus, stack, clock):
    with dies_at(number, after=after):
        ask()
    clock.now += 5

    assert ask().status == 201
    assert (left(stack), stands(stack)["open"]) == ({"TEA": 1, "POT": 1}, 1)
    assert on_the_list(stack)


def test_a_sandbox_that_dies_before_the_bus_is_told_leaves_it_to_the_sweep(bus, stack):
    with fails(clients.events(), "put_events", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        ask()

    assert (one(stack)["status"], bus.taken) == ("REQUESTED", [])
    assert on_the_list(stack)["what"] == "ReturnRequested"


@pytest.mark.parametrize("error", [THROTTLED, UNREACHABLE], ids=lambda error: type(error).__name__)
def test_a_bus_that_is_away_costs_no_return(error, bus, stack, log):
    with fails(clients.events(), "put_events", error):
        answer = ask()

    assert answer.status == 201
    assert on_the_list(stack)["sweep_at"] == OPENED + MINUTE
    assert [(line["level"], line["message"], line.get("error")) for line in log()] == [
        ("INFO", "return requested", None),
        ("WARNING", "return not announced", type(error).__name__),
    ]


def test_an_event_that_the_bus_refuses_is_left_to_the_sweep_and_said(bus, stack, log):
    bus.refuses = lambda event_id: True

    assert ask().status == 201
    assert on_the_list(stack)
    assert log()[-1]["error"] == "ThrottlingException"


def test_a_lost_answer_of_the_write_is_no_lost_return(bus, stack):
    def the_line_breaks() -> None:
        raise ReadTimeoutError(endpoint_url=f"https://dynamodb/?{EMAIL}")

    with just_after(clients.dynamodb(), "update_item", the_line_breaks):
        assert kind(ask()) == (503, "unavailable")

    again = ask()
    assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert left(stack) == {"TEA": 1, "POT": 1}


def test_what_an_attempt_that_died_has_put_on_the_list_is_not_swept_away_under_the_next_one(bus, stack, clock):
    """The sweep would find nothing to return just before it is written."""
    with dies_at(2, after=True):
        ask()
    clock.now += MINUTE - 1

    ask()

    assert on_the_list(stack)["sweep_at"] == OPENED + 2 * MINUTE - 1


def test_a_repetition_puts_a_return_that_nobody_has_seen_back_on_the_list(bus, stack):
    ask()
    stack.table("OpenShipmentsTable").delete_item(Key={"order_id": f"order-1/{RETURN}"})

    ask()

    assert on_the_list(stack)["occurred_at"] == one(stack)["requested_at"]


@pytest.mark.parametrize(
    "further", [{"tracking": "SIM-1"}, {"status": "ARRIVED"}, {"status": "REFUNDED"}, {"status": "EXPIRED"}]
)
def test_one_that_has_come_further_is_not_put_back(further, stack, clock):
    deliver(stack, returns={RETURN: a_return(**further)})
    before = everything(stack)

    assert ask().status == 201
    assert everything(stack) == before


def test_what_was_refused_in_a_race_is_taken_off_the_list_by_its_workflow_and_not_here(bus, stack):
    """Another request with the same key may have put it there, and be about to write."""
    with meanwhile(lambda: ask(POT, key="another")):
        assert ask(POT).status == 422

    assert on_the_list(stack)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", sampled(range(1, len(REQUESTS) + 1)))
def test_no_moment_of_a_request_sees_units_that_are_neither_left_nor_coming_back(number, after, bus, stack):
    def conserved() -> None:
        coming = [item["units"]["TEA"] for item in stands(stack)["returns"].values()]
        assert left(stack)["TEA"] + sum(coming) == 2
        assert stands(stack)["open"] == len(coming)

    with at_request(number, conserved, after=after):
        ask()
