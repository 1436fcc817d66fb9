"""An order over the limit is announced as one that a person has to approve."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aws import clients
from publish import app
from tests.unit.builders import PERSONAL, a_line, a_state, a_state_record, an_order, an_order_record
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import fails
from tests.unit.stack import MotoStack

LIMIT = 899
NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"ApprovalLimit": str(LIMIT)}


@pytest.fixture(autouse=True)
def bus(stack: MotoStack) -> Bus:
    stack.run_as("PublishFunction")
    return Bus()


@pytest.fixture
def orders(stack: MotoStack, bus: Bus) -> Any:
    return stack.table("OrdersTable")


@pytest.fixture
def open_orders(stack: MotoStack, bus: Bus) -> Any:
    return stack.table("OpenOrdersTable")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> list[Any]:
    """The answers to each read of orders."""
    client: Any = clients.dynamodb()
    read, answers = client.batch_get_item, []

    def keeping(**request: Any) -> Any:
        answers.append(read(**request))
        return answers[-1]

    monkeypatch.setattr(client, "batch_get_item", keeping)
    return answers


def publish(*records: Any) -> dict[str, Any]:
    return app.handler({"Records": list(records)}, None)


def numbers(answer: dict[str, Any]) -> list[int]:
    """The records that have to come again."""
    return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def placed(*order_ids: str) -> list[dict[str, Any]]:
    return [an_order_record(order_id, number=number) for number, order_id in enumerate(order_ids, 1)]


def reviews(bus: Bus) -> dict[str, bool]:
    """Which of the orders that were announced a person has to approve."""
    return {detail["order_id"]: detail["review"] for detail in bus.details}


def put(table: Any, *orders: dict[str, Any]) -> None:
    with table.batch_writer() as batch:
        for order in orders:
            batch.put_item(Item=order)


@pytest.mark.parametrize(("total", "review"), [(LIMIT, False), (LIMIT + 1, True), (10**12, True)])
def test_an_order_over_the_limit_is_one_to_approve(total, review, orders, bus):
    put(orders, an_order(total=total))

    assert publish(an_order_record()) == NOTHING_FAILED

    assert reviews(bus) == {"order-1": review}


def test_each_order_is_held_against_the_limit_by_itself(orders, bus):
    put(orders, an_order(order_id="small", lines=[a_line(quantity=1)]), an_order(order_id="large"))

    publish(*placed("small", "large", "deleted"))

    assert reviews(bus) == {"small": False, "large": True, "deleted": False}


def test_an_order_to_approve_is_on_the_list_as_such_and_no_other_is(orders, open_orders):
    put(orders, an_order(order_id="small", lines=[a_line(quantity=1)]), an_order(order_id="large"))

    publish(*placed("small", "large"))

    written = {item["order_id"]: item.get("review") for item in open_orders.scan()["Items"]}
    assert written == {"small": None, "large": True}


@pytest.mark.parametrize(
    "total",
    ["1000000", True, None, {"amount": 10**6}, [10**6], b"1000000", {10**6}, -(10**6), Decimal("0.5")],
    ids=str,
)
def test_a_total_that_is_no_amount_over_the_limit_asks_nobody(total, orders, bus, open_orders):
    put(orders, an_order(total=total))

    assert publish(an_order_record()) == NOTHING_FAILED

    assert reviews(bus) == {"order-1": False}


def test_an_order_without_a_total_asks_nobody(orders, bus):
    order = an_order()
    del order["total"]
    put(orders, order)

    assert publish(an_order_record()) == NOTHING_FAILED

    assert reviews(bus) == {"order-1": False}


def test_nothing_of_an_order_is_read_but_its_total(orders, bus, reads):
    put(orders, an_order())

    publish(an_order_record())

    assert [answer["Responses"] for answer in reads] == [
        {orders.name: [{"order_id": {"S": "order-1"}, "total": {"N": "900"}}]}
    ]
    assert [secret for secret in PERSONAL if secret in str((reads, bus.taken))] == []


@pytest.mark.parametrize("parameters", [{"ApprovalLimit": "0"}, {}], ids=["none", "by default"])
def test_where_there_is_no_limit_no_order_is_read(orders, bus, reads):
    put(orders, an_order(total=10**12))

    publish(an_order_record())

    assert reads == []
    assert reviews(bus) == {"order-1": False}


def test_a_batch_without_a_new_order_reads_none(bus, reads):
    publish(a_state_record(a_state()), an_order_record(name="REMOVE", number=2))

    assert reads == []
    assert bus.event_ids == ["order-1:confirmed"]


def test_more_than_a_hundred_orders_are_read_in_several_requests(orders, bus, reads):
    put(orders, *(an_order(order_id=f"order-{number}") for number in range(130)))

    assert publish(*placed(*(f"order-{number}" for number in range(130)))) == NOTHING_FAILED

    assert [len(answer["Responses"][orders.name]) for answer in reads] == [100, 30]
    assert set(reviews(bus).values()) == {True}


def test_an_order_that_was_deleted_and_put_again_is_read_once(orders, bus, reads):
    put(orders, an_order())

    publish(an_order_record(), an_order_record(name="REMOVE", number=2), an_order_record(number=3))

    assert len(reads) == 1
    assert [detail["review"] for detail in bus.details] == [True, True]


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_orders_that_could_not_be_read_are_neither_opened_nor_announced_and_come_again(
    error, orders, open_orders, bus, log
):
    put(orders, an_order())
    decided = a_state_record(a_state(order_id="order-3"), number=3)

    with fails(clients.dynamodb(), "batch_get_item", error):
        assert numbers(publish(*placed("order-1", "order-2"), decided)) == [1, 2]

    assert bus.event_ids == ["order-3:confirmed"]
    assert open_orders.scan()["Items"] == []
    assert [(line["message"], line["error"], line["orders"]) for line in log()] == [
        ("orders not read", type(error).__name__, 2)
    ]

    assert publish(*placed("order-1", "order-2"), decided) == NOTHING_FAILED
    assert bus.event_ids[1:] == ["order-1:placed", "order-2:placed", "order-3:confirmed"]


def test_what_became_of_an_order_is_published_although_its_placing_could_not_be(bus):
    with fails(clients.dynamodb(), "batch_get_item", UNREACHABLE):
        assert numbers(publish(an_order_record(), a_state_record(a_state(), number=2))) == [1]

    assert bus.event_ids == ["order-1:confirmed"]


@pytest.mark.parametrize("unread", [{"order-2"}, {"order-1", "order-3"}], ids=["one", "all but one"])
def test_an_order_that_dynamodb_left_unread_is_not_announced_and_comes_again(unread, orders, bus, log, monkeypatch):
    put(orders, *(an_order(order_id=f"order-{number}") for number in (1, 2, 3)))
    client: Any = clients.dynamodb()
    read = client.batch_get_item

    def reads_some(*, RequestItems: dict[str, Any]) -> Any:  # noqa: N803
        [(table, wanted)] = RequestItems.items()
        left = [key for key in wanted["Keys"] if key["order_id"]["S"] in unread]
        answer = read(RequestItems={table: wanted | {"Keys": [key for key in wanted["Keys"] if key not in left]}})
        return answer | {"UnprocessedKeys": {table: wanted | {"Keys": left}}}

    monkeypatch.setattr(client, "batch_get_item", reads_some)

    assert {f"order-{number}" for number in numbers(publish(*placed("order-1", "order-2", "order-3")))} == unread

    assert reviews(bus) == {f"order-{n}": True for n in (1, 2, 3) if f"order-{n}" not in unread}
    assert [(line["message"], line["error"], line["orders"]) for line in log()] == [
        ("orders not read", "UnprocessedKeys", len(unread))
    ]


def test_of_several_reads_one_that_fails_holds_up_no_other(orders, bus):
    order_ids = [f"order-{number:03}" for number in range(130)]
    put(orders, *(an_order(order_id=order_id) for order_id in order_ids))

    with fails(clients.dynamodb(), "batch_get_item", UNREACHABLE):
        failed = numbers(publish(*placed(*order_ids)))

    assert len(failed) == 100
    assert len(bus.event_ids) == 30


def test_a_record_that_is_neither_read_nor_opened_is_reported_once(bus):
    with fails(clients.dynamodb(), "batch_get_item", UNREACHABLE):
        answer = publish(*placed("order-1"))

    assert numbers(answer) == [1]
