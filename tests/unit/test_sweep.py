"""What is open for too long is announced again, at a pace, and by one sweep at a time."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws import clients
from orders import OpenOrder
from sweep import app
from tests.unit.builders import an_open_order, as_image
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import dies_after, fails, just_before
from tests.unit.sweeping import DAY, MINUTE, OPENED, opened, put, read, sweep


@pytest.fixture(autouse=True)
def bus(open_orders: Any) -> Bus:
    return Bus()


# ── When ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_is_open_for_a_minute_is_announced_again(open_orders, bus, clock, stack):
    put(open_orders, an_open_order())
    clock.now = OPENED + MINUTE

    assert sweep() == {"open": 1, "swept": 1, "called": 0}

    assert bus.taken == [
        {
            "EventBusName": stack["EventBus"],
            "Source": "orders",
            "DetailType": "OrderPlaced",
            "Detail": json.dumps(
                {
                    "version": 1,
                    "event_id": "order-1:placed",
                    "order_id": "order-1",
                    "occurred_at": "2026-01-01T09:00:01+00:00",
                    "review": False,
                    "tried_minutes": 1,
                }
            ),
        }
    ]


def test_nothing_is_announced_before_its_time(open_orders, bus, clock):
    put(open_orders, an_open_order())
    clock.now = OPENED + MINUTE - 1

    assert sweep() == {"open": 1, "swept": 0, "called": 0}

    assert bus.requests == []


def test_an_order_is_tried_after_longer_and_longer_waits_and_then_every_quarter_of_an_hour(open_orders, bus, clock):
    put(open_orders, an_open_order())
    tried_at = []
    for minute in range(100):
        clock.now = OPENED + minute * MINUTE
        if sweep()["swept"]:
            tried_at.append(minute)

    assert tried_at == [1, 3, 7, 15, 30, 45, 60, 75, 90]
    assert [detail["tried_minutes"] for detail in bus.details] == tried_at
    assert {(detail["event_id"], detail["occurred_at"]) for detail in bus.details} == {
        ("order-1:placed", "2026-01-01T09:00:01+00:00")
    }


def test_time_in_which_nothing_was_tried_is_not_counted(open_orders, bus, clock):
    put(open_orders, an_open_order())
    clock.now = OPENED + 90 * MINUTE
    sweep()

    assert bus.details[0]["tried_minutes"] == 1
    assert read(open_orders) == an_open_order(sweeps=1, sweep_at=OPENED + 92 * MINUTE)


# ── By one sweep at a time ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_is_finished_is_not_opened_by_a_sweep_that_saw_it_open(open_orders, bus, clock, log):
    put(open_orders, an_open_order())
    clock.now = OPENED + MINUTE

    with just_before(clients.dynamodb(), "update_item", lambda: open_orders.delete_item(Key={"order_id": "order-1"})):
        assert sweep() == {"open": 1, "swept": 0, "called": 0}

    assert bus.requests == []
    assert log() == []
    assert read(open_orders) is None


def test_of_two_sweeps_that_see_the_same_orders_each_order_is_announced_by_one(open_orders, bus, clock):
    put(open_orders, *opened(12))
    clock.now = OPENED + MINUTE

    with just_before(clients.dynamodb(), "update_item", sweep):
        sweep()

    assert sorted(bus.event_ids) == sorted(f"order-{number}:placed" for number in range(1, 13))
    assert {item["sweeps"] for item in open_orders.scan()["Items"]} == {1}


def test_an_order_that_was_opened_anew_meanwhile_has_its_minute(open_orders, bus, clock):
    put(open_orders, an_open_order(sweeps=3))
    clock.now = OPENED + MINUTE
    anew = an_open_order(sweep_at=OPENED + 2 * MINUTE)

    with just_before(clients.dynamodb(), "update_item", lambda: put(open_orders, anew)):
        sweep()

    assert bus.requests == []
    assert read(open_orders) == anew


def test_a_sweep_that_dies_after_its_claim_only_lets_the_order_wait(open_orders, bus, clock):
    put(open_orders, an_open_order())
    clock.now = OPENED + MINUTE
    with dies_after(clients.dynamodb(), "update_item"):
        sweep()

    clock.now += 2 * MINUTE
    sweep()

    assert bus.event_ids == ["order-1:placed"]


# ── What fails ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_the_bus_refuses_waits_for_its_next_sweep_and_the_others_are_sent(open_orders, bus, clock, log):
    put(open_orders, *opened(3))
    clock.now = OPENED + MINUTE
    bus.refuses = lambda event_id: event_id == "order-2:placed"
    sweep()
    assert bus.event_ids == ["order-1:placed", "order-3:placed"]
    assert [(line["message"], line["order_id"]) for line in log() if line["level"] == "WARNING"] == [
        ("event refused", "order-2")
    ]

    bus.refuses = lambda event_id: False
    clock.now += 2 * MINUTE
    sweep()

    assert bus.event_ids[2:] == ["order-1:placed", "order-2:placed", "order-3:placed"]


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_a_request_that_the_bus_does_not_answer_does_not_stop_the_sweep(error, open_orders, bus, clock, log):
    put(open_orders, *opened(12))
    clock.now = OPENED + MINUTE

    with fails(clients.events(), "put_events", error):
        assert sweep()["swept"] == 12

    assert bus.event_ids == ["order-11:placed", "order-12:placed"]
    assert [(line["message"], line["events"]) for line in log() if line["level"] == "WARNING"] == [
        ("bus unreachable", 10)
    ]


def swept_so_far(table: Any) -> int:
    return int(table.get_item(Key={"order_id": "order-1"})["Item"]["sweeps"])


@pytest.mark.parametrize("error", [UNREACHABLE, None], ids=["unreachable", "refused"])
def test_a_sweep_that_started_nothing_does_not_count_against_the_patience(error, open_orders, bus, clock):
    put(open_orders, an_open_order())
    for _ in range(10):
        clock.now += 15 * MINUTE
        if error:
            with fails(clients.events(), "put_events", error):
                sweep()
        else:
            bus.refuses = lambda event_id: True
            sweep()
    assert swept_so_far(open_orders) == 0

    bus.refuses = lambda event_id: False
    clock.now += 15 * MINUTE
    sweep()

    assert [detail["tried_minutes"] for detail in bus.details] == [1]


def test_a_sweep_is_given_back_only_where_nobody_swept_meanwhile(open_orders, bus, clock):
    put(open_orders, an_open_order(sweeps=4))

    app.give_back(OpenOrder("order-1", "2026-01-01T09:00:01+00:00", sweeps=2))

    assert swept_so_far(open_orders) == 4


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_an_order_that_could_not_be_claimed_is_due_a_minute_later_and_the_others_are_sent(
    error, open_orders, bus, clock
):
    put(open_orders, *opened(3))
    clock.now = OPENED + MINUTE
    with fails(clients.dynamodb(), "update_item", error):
        assert sweep() == {"open": 3, "swept": 2, "called": 0}
    assert bus.event_ids == ["order-2:placed", "order-3:placed"]

    clock.now += MINUTE
    assert sweep()["swept"] == 1

    assert bus.event_ids[2:] == ["order-1:placed"]
    assert bus.details[2]["tried_minutes"] == 1


def test_a_sweep_that_cannot_read_the_list_fails_and_counts_nothing(open_orders, bus, clock, metrics):
    with pytest.raises(ClientError), fails(clients.dynamodb(), "scan", THROTTLED):
        sweep()

    assert metrics() == []


MALFORMED = {
    "nothing but a key": {"order_id": "odd"},
    "no time at which it was placed": {"order_id": "odd", "sweeps": 0, "sweep_at": OPENED},
    "placed at a time that is none": an_open_order(order_id="odd", occurred_at="yesterday"),
    "never swept": {"order_id": "odd", "occurred_at": "2026-01-01T09:00:01+00:00", "sweep_at": OPENED},
    "swept half": an_open_order(order_id="odd", sweeps="half"),
    "not to be swept": {"order_id": "odd", "occurred_at": "2026-01-01T09:00:01+00:00", "sweeps": 0},
    "stuck nowhere": an_open_order(order_id="odd", stuck={"error": "Unrecoverable"}),
    "stuck by hand": an_open_order(order_id="odd", stuck="yes"),
    "called for at a time that is none": an_open_order(order_id="odd", call_at="tomorrow"),
    "to be reviewed perhaps": an_open_order(order_id="odd", review="maybe"),
}


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED.keys())
def test_an_item_that_makes_no_sense_holds_up_no_other(item, open_orders, bus, clock):
    put(open_orders, item, an_open_order())
    clock.now = OPENED + MINUTE

    assert sweep() == {"open": 2, "swept": 1, "called": 0}

    assert bus.event_ids == ["order-1:placed"]


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED.keys())
def test_an_item_that_makes_no_sense_needs_a_person(item, open_orders, clock, metrics, log):
    put(open_orders, item)
    clock.now = OPENED + MINUTE
    sweep()

    assert metrics()[0]["PeopleNeeded"] == 1
    assert [(line["message"], line["order_id"]) for line in log()] == [("open order not understood", "odd")]


# ── How much ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_has_waited_longest_comes_first(open_orders, bus, clock):
    put(open_orders, *reversed(opened(12)))
    clock.now = OPENED + MINUTE
    sweep()

    assert bus.requests == [10, 2]
    assert bus.event_ids == [f"order-{number}:placed" for number in range(1, 13)]


def test_what_waited_for_an_hour_does_not_come_all_at_once(open_orders, clock):
    put(open_orders, *opened(35))
    clock.now = OPENED + MINUTE
    sweep()

    assert clock.slept == pytest.approx([1, 1, 1])  # ten a second, unless the stack says otherwise


def test_a_sweep_that_is_slower_than_its_pace_does_not_wait(open_orders, bus, clock):
    put(open_orders, *opened(20))
    clock.now = OPENED + MINUTE

    def takes_a_while(event_id: str) -> bool:
        clock.now += 1
        return False

    bus.refuses = takes_a_while
    sweep()

    assert clock.slept == []


@pytest.mark.parametrize("parameters", [{"SweepsPerSecond": "1"}])
def test_a_sweep_leaves_the_rest_of_its_minute_to_the_next(open_orders, clock):
    put(open_orders, *opened(60))
    clock.now = OPENED + MINUTE

    assert sweep()["swept"] == 50
    assert clock.now - OPENED < MINUTE + 58  # the function's timeout


@pytest.mark.parametrize("parameters", [{"SweepsPerSecond": "1"}])
def test_where_more_are_due_than_a_sweep_can_send_each_has_its_turn(open_orders, bus, clock):
    put(open_orders, *opened(120))
    for minute in (1, 2, 3):
        clock.now = OPENED + minute * MINUTE
        sweep()

    assert len(set(bus.event_ids)) == 120


class LongTable:
    """The answers to scans of a table with a million orders: as many in each part, and all of them due."""

    def __init__(self, pages_of_a_part: int) -> None:
        self.pages_of_a_part = pages_of_a_part
        self.requests: list[tuple[int | None, int]] = []  # part and page

    def scan(
        self,
        *,
        Segment: int | None = None,  # noqa: N803
        TotalSegments: int = 1,  # noqa: N803
        ExclusiveStartKey: dict[str, Any] | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        assert TotalSegments == (1 if Segment is None else app.SEGMENTS)
        page = int(ExclusiveStartKey["order_id"]["S"]) if ExclusiveStartKey else 1
        self.requests.append((Segment, page))
        answer = {"ScannedCount": 100, "Items": [as_image(an_open_order(order_id=f"{Segment}/{page}"))]}
        last = Segment is not None and page == self.pages_of_a_part
        return answer | ({} if last else {"LastEvaluatedKey": {"order_id": {"S": str(page + 1)}}})


@pytest.fixture
def long_table(monkeypatch: pytest.MonkeyPatch) -> LongTable:
    table = LongTable(pages_of_a_part=3)
    monkeypatch.setattr(clients.dynamodb(), "scan", table.scan)
    monkeypatch.setattr(app, "random", random.Random(10))
    return table


def test_of_a_long_table_a_sweep_reads_some_parts_and_each_of_them_whole(long_table):
    orders = list(app.due(app.Seen(), OPENED + MINUTE))

    assert long_table.requests[0] == (None, 1)
    parts = [part for part, _ in long_table.requests[1::3]]
    assert len(set(parts)) == 7  # with which 20 pages are exceeded
    assert long_table.requests[1:] == [(part, page) for part in parts for page in (1, 2, 3)]
    assert [order.order_id for order in orders] == [f"{part}/{page}" for part in parts for page in (1, 2, 3)]


def test_however_long_a_table_is_each_part_of_it_has_its_turn(long_table):
    for _ in range(60):
        list(app.due(app.Seen(), OPENED + MINUTE))

    assert {part for part, _ in long_table.requests} == {None, *range(app.SEGMENTS)}


def test_the_open_orders_of_a_long_table_are_estimated_from_the_parts_that_were_read(long_table, clock, metrics):
    assert sweep()["open"] == 64 * 3 * 100

    assert metrics()[0]["OpenOrders"] == 64 * 3 * 100


# ── What is counted ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_writes_its_metrics_in_one_line(open_orders, clock, metrics):
    put(open_orders, *opened(2), an_open_order(order_id="young", sweep_at=OPENED + DAY))
    clock.now = OPENED + 90 * MINUTE
    sweep()

    assert metrics() == [
        {"service": "sweep", "OpenOrders": 3, "OldestOpenOrderMinutes": 90, "PeopleNeeded": 0, "swept": 2}
    ]


def test_a_sweep_of_nothing_is_counted_as_well(open_orders, clock, metrics):
    assert sweep() == {"open": 0, "swept": 0, "called": 0}

    assert metrics() == [
        {"service": "sweep", "OpenOrders": 0, "OldestOpenOrderMinutes": 0, "PeopleNeeded": 0, "swept": 0}
    ]
