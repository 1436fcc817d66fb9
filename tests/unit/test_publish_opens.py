"""Every order is on the list of open orders before it is announced."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws import clients
from publish import app
from tests.unit.builders import PERSONAL, a_state, a_state_record, an_order_record
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import dies_before, fails
from tests.unit.stack import MotoStack, aws

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def bus(stack: MotoStack) -> Bus:
    stack.run_as("PublishFunction")
    return Bus()


@pytest.fixture
def open_orders(stack: MotoStack, bus: Bus) -> Any:
    return stack.table("OpenOrdersTable")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> list[int]:
    """How many orders each write had."""
    client: Any = clients.dynamodb()
    write = client.batch_write_item
    sizes: list[int] = []

    def counting(**request: Any) -> Any:
        sizes.extend(len(items) for items in request["RequestItems"].values())
        return write(**request)

    monkeypatch.setattr(client, "batch_write_item", counting)
    return sizes


def publish(*records: Any) -> dict[str, Any]:
    return app.handler({"Records": list(records)}, None)


def placed(count: int) -> list[dict[str, Any]]:
    return [an_order_record(f"order-{number}", number=number) for number in range(1, count + 1)]


def numbers(answer: dict[str, Any]) -> list[int]:
    """The records that have to come again."""
    return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def ids(table: Any) -> set[str]:
    """The orders that are open."""
    return {item["order_id"] for item in table.scan()["Items"]}


def test_a_new_order_is_opened_and_due_in_a_minute(open_orders):
    before = int(time.time())
    publish(an_order_record())

    (item,) = open_orders.scan()["Items"]
    assert before + 60 <= item.pop("sweep_at") <= time.time() + 60
    assert item == {"order_id": "order-1", "occurred_at": "2026-01-01T09:00:01+00:00", "sweeps": 0}


def test_an_order_is_open_before_it_is_announced(open_orders):
    with dies_before(clients.events(), "put_events"):
        publish(*placed(3))

    assert ids(open_orders) == {"order-1", "order-2", "order-3"}


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_orders_that_could_not_be_opened_are_not_announced_and_come_again(error, open_orders, bus, log):
    decided = a_state_record(a_state(order_id="order-3"), number=3)
    with fails(clients.dynamodb(), "batch_write_item", error):
        assert numbers(publish(*placed(2), decided)) == [1, 2]
    assert bus.event_ids == ["order-3:confirmed"]
    assert [(line["message"], line["error"], line["orders"]) for line in log()] == [
        ("open orders not written", type(error).__name__, 2)
    ]

    assert publish(*placed(2), decided) == NOTHING_FAILED
    assert ids(open_orders) == {"order-1", "order-2"}
    assert bus.event_ids[1:] == ["order-1:placed", "order-2:placed", "order-3:confirmed"]


@pytest.mark.parametrize("left_out", [{"order-2"}, {"order-1", "order-3"}], ids=["one", "all but one"])
def test_an_order_that_dynamodb_left_unprocessed_is_not_announced_and_comes_again(left_out, bus, log, monkeypatch):
    client: Any = clients.dynamodb()
    write = client.batch_write_item

    def takes_some(*, RequestItems: dict[str, list[Any]]) -> Any:  # noqa: N803
        [(table, requests)] = RequestItems.items()
        left = [each for each in requests if each["PutRequest"]["Item"]["order_id"]["S"] in left_out]
        write(RequestItems={table: [each for each in requests if each not in left]})
        return {"UnprocessedItems": {table: left}}

    monkeypatch.setattr(client, "batch_write_item", takes_some)

    assert {f"order-{number}" for number in numbers(publish(*placed(3)))} == left_out

    assert bus.event_ids == [f"order-{n}:placed" for n in (1, 2, 3) if f"order-{n}" not in left_out]
    assert [(line["message"], line["error"], line["orders"]) for line in log()] == [
        ("open orders not written", "UnprocessedItems", len(left_out))
    ]


def test_an_order_that_was_deleted_and_put_again_is_opened_once_as_of_its_first_time(open_orders, bus):
    again = an_order_record("order-1", number=3)

    assert publish(*placed(2), an_order_record(name="REMOVE", number=2), again) == NOTHING_FAILED

    assert ids(open_orders) == {"order-1", "order-2"}
    first = open_orders.get_item(Key={"order_id": "order-1"})["Item"]
    assert first["occurred_at"] == "2026-01-01T09:00:01+00:00"
    assert bus.event_ids == ["order-1:placed", "order-2:placed", "order-1:placed"]


def test_dynamodb_refuses_a_batch_with_the_same_order_twice(stack):
    put = {"PutRequest": {"Item": {"order_id": {"S": "order-1"}}}}

    with pytest.raises(ClientError, match="duplicates"):
        aws("dynamodb").batch_write_item(RequestItems={stack["OpenOrdersTable"]: [put, put]})


def test_neither_of_two_records_of_an_order_that_could_not_be_opened_is_announced(bus):
    with fails(clients.dynamodb(), "batch_write_item", UNREACHABLE):
        assert numbers(publish(*placed(1), an_order_record("order-1", number=2))) == [1, 2]

    assert bus.requests == []


def test_more_than_twenty_five_orders_are_opened_in_several_writes(open_orders, writes):
    assert publish(*placed(60)) == NOTHING_FAILED

    assert writes == [25, 25, 10]
    assert len(ids(open_orders)) == 60


def test_of_several_writes_one_that_fails_holds_up_no_other(open_orders, bus):
    with fails(clients.dynamodb(), "batch_write_item", UNREACHABLE):
        failed = numbers(publish(*placed(30)))

    assert len(failed) == 25
    assert len(ids(open_orders)) == 5
    assert set(bus.event_ids) == {f"{order_id}:placed" for order_id in ids(open_orders)}
    assert {f"order-{number}" for number in failed}.isdisjoint(ids(open_orders))


@pytest.mark.parametrize(
    "record",
    [
        an_order_record(name="MODIFY"),
        an_order_record(name="REMOVE"),
        a_state_record(a_state()),
        a_state_record(a_state("CANCELLED"), a_state()),
        a_state_record(None, a_state()),
        {},
    ],
    ids=["put again", "deleted", "decided", "another status", "state deleted", "nonsense"],
)
def test_nothing_but_a_new_order_is_opened(record, open_orders, writes):
    publish(record)

    assert writes == []
    assert ids(open_orders) == set()


def test_a_record_that_comes_again_opens_its_order_anew(open_orders):
    open_orders.put_item(
        Item={"order_id": "order-1", "occurred_at": "2026-01-01T09:00:01+00:00", "sweeps": 7, "sweep_at": 1}
    )
    publish(an_order_record())

    (item,) = open_orders.scan()["Items"]
    assert (item["occurred_at"], item["sweeps"]) == ("2026-01-01T09:00:01+00:00", 0)
    assert item["sweep_at"] > time.time()


def test_an_order_whose_event_the_bus_refused_is_open(open_orders, bus):
    bus.refuses = lambda event_id: True

    assert numbers(publish(*placed(2))) == [1, 2]

    assert ids(open_orders) == {"order-1", "order-2"}


def test_nothing_personal_is_in_an_open_order(open_orders):
    publish(*placed(3))

    assert [secret for secret in PERSONAL if secret in str(open_orders.scan()["Items"])] == []
