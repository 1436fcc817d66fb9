"""The sweep over what is open after the sale: the same, with each entry's own event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws import clients
from tests.unit.builders import an_open_order
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import fails, just_before
from tests.unit.stack import MotoStack
from tests.unit.sweeping import DAY, MINUTE, OPENED, put, read, sweep

STUCK = {"step": "Settle", "error": "Unrecoverable", "execution": "arn:execution"}


@pytest.fixture
def open_shipments(stack: MotoStack) -> Any:
    stack.run_as("ShippingSweepFunction")
    return stack.table("OpenShipmentsTable")


@pytest.fixture(autouse=True)
def bus(open_shipments: Any) -> Bus:
    return Bus()


def a_confirmed_order(**changes: Any) -> dict[str, Any]:
    return an_open_order(what="OrderConfirmed", **changes)


def a_return(return_id: str = "r-1", order_id: str = "order-1", **changes: Any) -> dict[str, Any]:
    return an_open_order(order_id=f"{order_id}/{return_id}", return_id=return_id, what="ReturnRequested") | changes


def entry(table: Any, key: str = "order-1") -> dict[str, Any]:
    """What is on the list under a key."""
    item = read(table, key)
    assert item
    return item


def sent(bus: Bus) -> list[tuple[str, str, str | None]]:
    """The kinds of events that the bus took, with their orders and returns."""
    return [
        (entry["DetailType"], detail["order_id"], detail.get("return_id"))
        for entry, detail in zip(bus.taken, bus.details, strict=True)
    ]


def test_a_confirmed_order_is_announced_again_as_what_it_is(open_shipments, bus, clock):
    put(open_shipments, a_confirmed_order())
    clock.now = OPENED + MINUTE

    assert sweep() == {"open": 1, "swept": 1, "called": 0}

    assert sent(bus) == [("OrderConfirmed", "order-1", None)]
    assert bus.details == [
        {
            "version": 1,
            "event_id": "order-1:confirmed",
            "order_id": "order-1",
            "occurred_at": "2026-01-01T09:00:01+00:00",
            "tried_minutes": 1,
        }
    ]


def test_a_return_is_announced_again_and_says_which_it_is(open_shipments, bus, clock):
    put(open_shipments, a_return("r-1"), a_return("r-2"), a_confirmed_order())
    clock.now = OPENED + MINUTE
    sweep()

    assert sorted(sent(bus), key=str) == [
        ("OrderConfirmed", "order-1", None),
        ("ReturnRequested", "order-1", "r-1"),
        ("ReturnRequested", "order-1", "r-2"),
    ]
    assert sorted(bus.event_ids) == [
        "order-1:confirmed",
        "order-1:returnrequested:r-1",
        "order-1:returnrequested:r-2",
    ]


def test_an_order_and_its_returns_are_each_swept_at_their_own_time(open_shipments, bus, clock):
    put(open_shipments, a_confirmed_order(sweep_at=OPENED + DAY), a_return("r-1"), a_return("r-2", sweeps=1))
    clock.now = OPENED + MINUTE
    sweep()

    assert entry(open_shipments)["sweeps"] == 0
    assert entry(open_shipments, "order-1/r-1") == a_return("r-1", sweeps=1, sweep_at=OPENED + 3 * MINUTE)
    assert entry(open_shipments, "order-1/r-2") == a_return("r-2", sweeps=2, sweep_at=OPENED + 5 * MINUTE)


def test_what_waits_for_weeks_is_not_announced_before_its_time(open_shipments, bus, clock):
    put(open_shipments, a_confirmed_order(sweep_at=OPENED + 10 * DAY), a_return(sweep_at=OPENED + 30 * DAY))
    clock.now = OPENED + 9 * DAY

    assert sweep() == {"open": 2, "swept": 0, "called": 0}


def test_of_two_sweeps_that_see_the_same_return_one_announces_it(open_shipments, bus, clock):
    put(open_shipments, a_return())
    clock.now = OPENED + MINUTE

    with just_before(clients.dynamodb(), "update_item", sweep):
        sweep()

    assert sent(bus) == [("ReturnRequested", "order-1", "r-1")]


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_a_return_that_the_bus_did_not_take_is_tried_again_and_was_not_tried_before(
    error, open_shipments, bus, clock, log
):
    put(open_shipments, a_return())
    clock.now = OPENED + MINUTE
    with fails(clients.events(), "put_events", error):
        sweep()
    assert entry(open_shipments, "order-1/r-1")["sweeps"] == 0

    clock.now += 2 * MINUTE
    sweep()

    assert [(detail["return_id"], detail["tried_minutes"]) for detail in bus.details] == [("r-1", 1)]


def test_what_is_said_of_a_return_names_its_order_and_itself(open_shipments, bus, clock, log):
    put(open_shipments, a_return())
    clock.now = OPENED + MINUTE
    bus.refuses = lambda _: True
    sweep()
    bus.refuses = lambda _: False
    clock.now += 2 * MINUTE
    with fails(clients.dynamodb(), "update_item", THROTTLED):
        sweep()
    sweep()

    assert [(line["message"], line["order_id"], line["return_id"]) for line in log()] == [
        ("event refused", "order-1", "r-1"),
        ("not claimed", "order-1", "r-1"),
        ("swept", "order-1", "r-1"),
    ]


def test_a_person_is_called_for_a_return_and_told_which_it_is_and_not_a_second_time_that_day(
    open_shipments, clock, calls
):
    put(open_shipments, a_return(stuck=STUCK), a_confirmed_order(sweep_at=OPENED + DAY))
    clock.now = OPENED + MINUTE
    assert sweep()["called"] == 1

    assert [call["open"] for call in calls] == [
        [
            {
                "order_id": "order-1",
                "return_id": "r-1",
                "occurred_at": "2026-01-01T09:00:01+00:00",
                "stuck": "Settle: Unrecoverable",
            }
        ]
    ]
    assert entry(open_shipments, "order-1/r-1")["call_at"] == clock.now + DAY
    assert "call_at" not in entry(open_shipments)

    put(open_shipments, entry(open_shipments, "order-1/r-1") | {"stuck": STUCK})
    clock.now += 2 * MINUTE
    assert sweep() == {"open": 2, "swept": 1, "called": 0}


@pytest.fixture
def calls(open_shipments: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What people were told."""
    client, taken = clients.alerts(), []
    publish = client.publish

    def keeping(**message: Any) -> Any:
        answer = publish(**message)
        taken.append(json.loads(message["Message"]))
        return answer

    monkeypatch.setattr(client, "publish", keeping)
    return taken


MALFORMED = {
    "an event that is a number": a_confirmed_order(order_id="odd") | {"what": 1},
    "a return that is a number": a_return(order_id="odd") | {"return_id": 1},
}


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED.keys())
def test_an_entry_that_makes_no_sense_needs_a_person_and_holds_up_no_other(item, open_shipments, bus, clock, metrics):
    put(open_shipments, item, a_return())
    clock.now = OPENED + MINUTE
    sweep()

    assert sent(bus) == [("ReturnRequested", "order-1", "r-1")]
    assert metrics()[0]["PeopleNeeded"] == 1
