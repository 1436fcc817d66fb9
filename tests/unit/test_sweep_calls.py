"""A person is called for what only a person can do: once, and again each day."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws import clients
from orders import backoff
from sweep import app
from tests.unit.builders import CUSTOMER_ID, EMAIL, PERSONAL, an_open_order
from tests.unit.bus import UNREACHABLE, Bus
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.sweeping import DAY, MINUTE, OPENED, opened, put, read, sweep

STUCK = {"step": "Capture", "error": "Unrecoverable", "execution": "arn:execution"}
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "UpdateItem")

Calls = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def calls(open_orders: Any, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The messages that the alert topic took; moto refuses what SNS would."""
    client, taken = clients.alerts(), []
    publish = client.publish

    def keeping(**message: Any) -> Any:
        answer = publish(**message)
        taken.append(message | {"Message": json.loads(message["Message"])})
        return answer

    monkeypatch.setattr(client, "publish", keeping)
    return taken


@pytest.fixture
def gets_stuck(open_orders: Any) -> Callable[[], None]:
    """The execution that a sweep started has found what it found before."""

    def mark() -> None:
        open_orders.update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET stuck = :stuck",
            ExpressionAttributeValues={":stuck": STUCK},
        )

    return mark


def numbers(calls: Calls) -> list[int]:
    """Of how many orders each of the calls speaks."""
    return [call["Message"]["orders"] for call in calls]


def test_a_person_is_called_for_an_order_that_is_stuck_and_the_order_is_tried_again(open_orders, calls, clock, stack):
    bus = Bus()
    put(open_orders, an_open_order(stuck=STUCK))
    clock.now = OPENED + MINUTE

    assert sweep() == {"open": 1, "swept": 1, "called": 1}

    assert calls == [
        {
            "TopicArn": stack["AlertTopic"],
            "Subject": "1 order needs a person",
            "Message": {
                "orders": 1,
                "what_to_do": "docs/operations.md#an-order-needs-a-person",
                "open": [
                    {
                        "order_id": "order-1",
                        "placed_at": "2026-01-01T09:00:01+00:00",
                        "stuck": "Capture: Unrecoverable",
                    }
                ],
            },
        }
    ]
    assert bus.event_ids == ["order-1:placed"]
    assert read(open_orders) == an_open_order(
        sweeps=1, sweep_at=OPENED + 3 * MINUTE, call_at=OPENED + MINUTE + DAY
    )  # what it was stuck at is for the next execution to say


def test_a_person_is_called_once_and_then_daily(open_orders, calls, clock, gets_stuck):
    put(open_orders, an_open_order(sweeps=5))
    called_at = []
    for quarter in range(1, 200):
        clock.now = OPENED + quarter * 15 * MINUTE
        gets_stuck()
        if sweep()["called"]:
            called_at.append(quarter)

    assert called_at == [1, 1 + 96, 1 + 2 * 96]
    assert numbers(calls) == [1, 1, 1]


def test_a_person_is_called_for_an_order_that_has_been_tried_for_too_long(open_orders, calls, clock):
    put(open_orders, an_open_order(sweeps=11))  # 120 minutes
    clock.now = OPENED + DAY
    assert sweep()["called"] == 0

    clock.now += 15 * MINUTE
    assert sweep()["called"] == 1

    assert calls[0]["Message"]["open"][0]["stuck"] == "tried for too long"


@pytest.mark.parametrize(("parameters", "patience"), [({"ApprovalHours": "1"}, 180), ({"ApprovalHours": "24"}, 1560)])
def test_a_person_is_called_for_an_order_to_approve_only_after_the_time_in_which_it_may_be(
    patience, open_orders, calls, clock
):
    sweeps = next(number for number in range(200) if backoff.tried_minutes(number) == patience)
    put(open_orders, an_open_order(sweeps=sweeps, review=True))
    clock.now = OPENED + DAY
    assert sweep()["called"] == 0

    clock.now += 15 * MINUTE
    assert sweep()["called"] == 1


def test_a_person_is_called_at_once_for_an_order_to_approve_that_is_stuck(open_orders, calls, clock):
    put(open_orders, an_open_order(stuck=STUCK | {"step": "Ask"}, review=True))
    clock.now = OPENED + MINUTE

    assert sweep()["called"] == 1

    assert calls[0]["Message"]["open"][0]["stuck"] == "Ask: Unrecoverable"


def test_nobody_is_called_for_an_order_that_is_old_and_was_hardly_tried(open_orders, calls, clock):
    put(open_orders, an_open_order(sweeps=2))
    clock.now = OPENED + DAY

    assert sweep()["called"] == 0


def test_nobody_is_called_for_an_order_that_only_takes_its_time(open_orders, calls, clock):
    put(open_orders, an_open_order())
    for minute in range(120):
        clock.now = OPENED + minute * MINUTE
        sweep()

    assert calls == []


def test_an_order_that_is_not_stuck_any_more_needs_nobody(open_orders, calls, clock, metrics):
    put(open_orders, an_open_order(stuck=STUCK))
    for minute in (1, 3, 7):
        clock.now = OPENED + minute * MINUTE
        sweep()

    assert numbers(calls) == [1]
    assert [line["PeopleNeeded"] for line in metrics()] == [1, 0, 0]


def test_an_order_for_which_somebody_was_called_still_counts_as_needing_a_person(
    open_orders, calls, clock, gets_stuck, metrics
):
    put(open_orders, an_open_order())
    for minute in (1, 3, 7):
        clock.now = OPENED + minute * MINUTE
        gets_stuck()
        sweep()

    assert numbers(calls) == [1]
    assert [line["PeopleNeeded"] for line in metrics()] == [1, 1, 1]


def test_of_two_sweeps_one_calls(open_orders, calls, clock):
    put(open_orders, *opened(3, stuck=STUCK))
    clock.now = OPENED + MINUTE

    with just_before(clients.dynamodb(), "update_item", sweep):
        assert sweep()["called"] == 0

    assert numbers(calls) == [3]


def test_a_sweep_that_dies_before_it_calls_is_made_up_for_a_quarter_of_an_hour_later(
    open_orders, calls, clock, gets_stuck
):
    put(open_orders, an_open_order(sweeps=5, stuck=STUCK))
    clock.now = OPENED + MINUTE
    with dies_before(clients.alerts(), "publish"):
        sweep()

    gets_stuck()
    clock.now += 15 * MINUTE
    assert sweep()["called"] == 1


def test_a_call_that_another_sweep_may_still_be_making_waits_for_a_quarter_of_an_hour(
    open_orders, calls, clock, gets_stuck
):
    put(open_orders, an_open_order(stuck=STUCK))
    clock.now = OPENED + MINUTE
    with dies_before(clients.alerts(), "publish"):
        sweep()
    for minute in (3, 7, 15):
        gets_stuck()
        clock.now = OPENED + minute * MINUTE
        assert sweep() == {"open": 1, "swept": 1, "called": 0}

    gets_stuck()
    clock.now = OPENED + 30 * MINUTE
    assert sweep()["called"] == 1


def test_a_sweep_that_dies_when_it_has_called_calls_a_second_time_and_not_a_third(
    open_orders, calls, clock, gets_stuck
):
    put(open_orders, an_open_order(sweeps=5, stuck=STUCK))
    clock.now = OPENED + MINUTE
    with dies_after(clients.alerts(), "publish"):
        sweep()
    for _ in range(3):
        gets_stuck()
        clock.now += 15 * MINUTE
        sweep()

    assert numbers(calls) == [1, 1]


def test_a_topic_out_of_reach_is_tried_again_and_stops_nothing_else(open_orders, clock, gets_stuck, metrics, log):
    put(open_orders, an_open_order(sweeps=5, stuck=STUCK))
    clock.now = OPENED + MINUTE
    with fails(clients.alerts(), "publish", UNREACHABLE):
        assert sweep() == {"open": 1, "swept": 1, "called": 0}
    assert metrics()[0]["PeopleNeeded"] == 1
    assert [(line["message"], line["orders"]) for line in log() if line["level"] == "ERROR"] == [
        ("nobody could be called", 1)
    ]

    gets_stuck()
    clock.now += 15 * MINUTE
    assert sweep()["called"] == 1


def test_a_call_that_cannot_be_written_down_is_made_again_and_stops_nothing_else(
    open_orders, clock, gets_stuck, log, monkeypatch
):
    put(open_orders, an_open_order(sweeps=5, stuck=STUCK))
    clock.now = OPENED + MINUTE

    def throttled(**_: Any) -> Any:
        raise THROTTLED

    with monkeypatch.context() as patch:
        tables = clients.dynamodb()
        with just_after(clients.alerts(), "publish", lambda: patch.setattr(tables, "update_item", throttled)):
            assert sweep() == {"open": 1, "swept": 1, "called": 1}
    assert [(line["message"], line["order_id"]) for line in log() if line["level"] == "WARNING"] == [
        ("call not written down", "order-1")
    ]

    gets_stuck()
    clock.now += 15 * MINUTE
    assert sweep()["called"] == 1


def test_an_order_that_is_finished_while_somebody_is_called_is_not_opened_by_that(open_orders, calls, clock):
    put(open_orders, an_open_order(stuck=STUCK))
    clock.now = OPENED + MINUTE

    with just_after(clients.alerts(), "publish", lambda: open_orders.delete_item(Key={"order_id": "order-1"})):
        sweep()

    assert read(open_orders) is None


@pytest.mark.parametrize("parameters", [{"SweepsPerSecond": "1000"}])
def test_many_orders_are_one_call_that_names_a_hundred_of_them(open_orders, calls, clock):
    put(open_orders, *opened(130, stuck=STUCK))
    clock.now = OPENED + 3 * MINUTE

    assert sweep()["called"] == 130

    assert [call["Subject"] for call in calls] == ["130 orders need a person"]
    assert numbers(calls) == [130]
    named = [order["order_id"] for order in calls[0]["Message"]["open"]]
    assert named == [f"order-{number}" for number in range(1, 101)]
    assert {item["call_at"] for item in open_orders.scan()["Items"]} == {int(clock.now) + DAY}


# The longest keys that DynamoDB has, which grow sixfold when they are written as JSON.
@pytest.mark.parametrize("letter", ["\x01", "😀"], ids=["control characters", "four bytes"])
@pytest.mark.parametrize("parameters", [{"SweepsPerSecond": "1000"}])
def test_a_call_is_never_longer_than_its_topic_takes(letter, open_orders, calls, clock):
    longest = letter * (2044 // len(letter.encode()))
    orders = [an_open_order(order_id=f"{number:03}-{longest}", stuck=STUCK) for number in range(100)]
    put(open_orders, *orders)
    clock.now = OPENED + MINUTE

    assert sweep()["called"] == 100

    assert len(calls[0]["Message"]["open"]) == app.NAMED


def test_nothing_personal_is_in_a_call(open_orders, calls, clock):
    put(open_orders, an_open_order(stuck=STUCK | {"cause": EMAIL}, customer={"customer_id": CUSTOMER_ID}))
    clock.now = OPENED + MINUTE
    sweep()

    assert numbers(calls) == [1]
    assert [secret for secret in PERSONAL if secret in json.dumps(calls)] == []
