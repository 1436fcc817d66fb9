import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from aws import clients, logger
from publish import app
from tests.unit.builders import PERSONAL, a_state, a_state_record, an_order, an_order_record
from tests.unit.bus import THROTTLED, UNREACHABLE, Bus
from tests.unit.faults import fails
from tests.unit.stack import MotoStack, aws

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def bus(stack: MotoStack) -> Bus:
    stack.run_as("PublishFunction")
    return Bus()


@pytest.fixture
def put_aside(stack: MotoStack) -> Callable[[], list[Any]]:
    """The messages in the failure queue, read once."""

    def messages() -> list[Any]:
        answer = aws("sqs").receive_message(QueueUrl=stack["StreamFailureQueue"], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return messages


def publish(*records: Any) -> dict[str, Any]:
    return app.handler({"Records": list(records)}, None)


def placed(count: int) -> list[dict[str, Any]]:
    """Records of so many new orders, order-1 to order-`count`."""
    return [an_order_record(f"order-{number}", number=number) for number in range(1, count + 1)]


def numbers(answer: dict[str, Any]) -> list[int]:
    """The records that have to come again."""
    return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def test_a_new_order_is_placed(stack, bus):
    assert publish(an_order_record()) == NOTHING_FAILED

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
                }
            ),
        }
    ]


@pytest.mark.parametrize(
    ("outcome", "detail_type"),
    [("CONFIRMED", "OrderConfirmed"), ("CANCELLED", "OrderCancelled"), ("REJECTED", "OrderRejected")],
)
def test_a_decision_is_published(outcome, detail_type, bus):
    publish(a_state_record(a_state(outcome)))

    assert [(entry["DetailType"], event_id) for entry, event_id in zip(bus.taken, bus.event_ids, strict=True)] == [
        (detail_type, f"order-1:{outcome.lower()}")
    ]


@pytest.mark.parametrize(("outcome", "reason"), [("CANCELLED", "CANCELLED_BY_CUSTOMER"), ("CONFIRMED", "ACCEPTED")])
def test_a_decision_is_published_with_its_reason(outcome, reason, bus):
    publish(a_state_record(a_state(outcome, reason)))

    assert [detail["reason"] for detail in bus.details] == [reason]


@pytest.mark.parametrize(
    ("before", "status", "detail_type", "what"),
    [
        ("CONFIRMED", "SHIPPING", "OrderShipped", "shipped"),
        ("SHIPPING", "DELIVERED", "OrderDelivered", "delivered"),
        ("DELIVERED", "ARCHIVED", "OrderArchived", "archived"),
        ("DELIVERED", "RETURNED", "OrderReturned", "returned"),
    ],
)
def test_a_status_that_came_later_is_published_and_has_no_reason(before, status, detail_type, what, bus):
    publish(a_state_record(a_state(status=status), a_state(status=before)))

    assert [entry["DetailType"] for entry in bus.taken] == [detail_type]
    assert [(detail["event_id"], detail.get("reason")) for detail in bus.details] == [(f"order-1:{what}", None)]


def test_a_confirmed_order_that_was_cancelled_says_its_own_reason_and_not_that_it_was_accepted(bus):
    cancelled = a_state(status="CANCELLED") | {"reason": "CANCELLED_BEFORE_SHIPPING"}
    publish(a_state_record(cancelled, a_state()))

    assert [(detail["event_id"], detail["reason"]) for detail in bus.details] == [
        ("order-1:cancelled", "CANCELLED_BEFORE_SHIPPING")
    ]


@pytest.mark.parametrize(
    "record",
    [
        an_order_record(name="MODIFY"),
        an_order_record(name="REMOVE"),
        a_state_record(a_state(note="by hand"), a_state()),
        a_state_record(None, a_state()),
    ],
    ids=["order put again", "order deleted", "same status", "state deleted"],
)
def test_a_change_of_no_interest_is_not_published(record, bus):
    assert publish(record) == NOTHING_FAILED

    assert bus.requests == []


def test_a_record_that_comes_again_is_the_same_event(bus):
    record = an_order_record()

    publish(record)
    publish(record)

    assert bus.taken[0] == bus.taken[1]


def test_nothing_personal_travels_on_the_bus(bus):
    publish(*placed(3), a_state_record(a_state(), number=4))

    assert len(bus.taken) == 4
    assert [secret for secret in PERSONAL if secret in json.dumps(bus.taken)] == []


def test_more_than_ten_events_go_in_several_requests(bus):
    assert publish(*placed(25)) == NOTHING_FAILED

    assert bus.requests == [10, 10, 5]
    assert bus.event_ids == [f"order-{number}:placed" for number in range(1, 26)]


def test_a_batch_without_an_event_asks_the_bus_for_nothing(bus):
    publish(an_order_record(name="REMOVE"))

    assert bus.requests == []


def test_events_that_the_bus_refuses_come_again_and_the_others_are_published(bus):
    bus.refuses = lambda event_id: event_id in ("order-2:placed", "order-12:placed")

    assert numbers(publish(*placed(13))) == [2, 12]

    assert len(bus.taken) == 11


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_a_request_that_fails_comes_again_and_the_others_are_published(error, bus):
    with fails(clients.events(), "put_events", error):
        answer = publish(*placed(12))

    assert numbers(answer) == list(range(1, 11))
    assert bus.event_ids == ["order-11:placed", "order-12:placed"]


def test_every_event_reaches_the_bus_when_lambda_goes_on_from_the_first_failure(bus):
    offered: set[str] = set()

    def refuses_every_third_when_first_offered(event_id: str) -> bool:
        first = event_id not in offered
        offered.add(event_id)
        return first and len(offered) % 3 == 0

    bus.refuses = refuses_every_third_when_first_offered
    records = placed(25)
    while failed := numbers(publish(*records)):
        records = [record for record in records if int(record["dynamodb"]["SequenceNumber"]) >= min(failed)]

    assert set(bus.event_ids) == {f"order-{number}:placed" for number in range(1, 26)}


PLACED = an_order_record("order-2", number=2)
DECIDED = a_state_record(a_state(order_id="order-2"), number=2)


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """The record without some parts of its change."""
    kept = {name: part for name, part in record["dynamodb"].items() if name not in names}
    return record | {"dynamodb": kept}


def with_change(record: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return record | {"dynamodb": record["dynamodb"] | parts}


NONSENSE = {
    "nothing": None,
    "text": "nonsense",
    "empty": {},
    "another shape": {"eventID": "event-2", "dynamodb": [1]},
    "no keys": without(PLACED, "Keys"),
    "another table's keys": with_change(PLACED, Keys={"pk": {"S": "order-2"}}),
    "no image": without(DECIDED, "NewImage"),
    "no name": {name: part for name, part in PLACED.items() if name != "eventName"},
    "no table": {name: part for name, part in PLACED.items() if name != "eventSourceARN"},
    "no sequence number": without(PLACED, "SequenceNumber"),
    "no time": without(PLACED, "ApproximateCreationDateTime"),
    "a time that is none": with_change(PLACED, ApproximateCreationDateTime="yesterday"),
    "a time before any": with_change(PLACED, ApproximateCreationDateTime=-1e18),
    "a time after all": with_change(PLACED, ApproximateCreationDateTime=1e300),
    "an old image that is none": with_change(DECIDED, OldImage=["decision", "status"]),
    "no decision": a_state_record({"order_id": "order-2", "status": "CANCELLED"}, number=2),
    "a reason that is a number": a_state_record(dict(a_state(order_id="order-2"), reason=1), number=2),
    "no reason": a_state_record(a_state(order_id="order-2", decision={"outcome": "CONFIRMED"}), number=2),
    "no status": with_change(DECIDED, NewImage={"order_id": {"S": "order-2"}}),
    "an unknown status": a_state_record(a_state("UNDECIDED", order_id="order-2"), number=2),
    "a status that is a number": a_state_record(a_state(status=1, order_id="order-2"), number=2),
}


@pytest.mark.parametrize("record", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_record_that_makes_no_sense_is_put_aside_and_blocks_no_other(record, bus, put_aside):
    first, last = an_order_record("order-1", number=1), an_order_record("order-3", number=3)

    assert publish(first, record, last) == NOTHING_FAILED

    assert bus.event_ids == ["order-1:placed", "order-3:placed"]
    assert len(put_aside()) == 1


def test_what_is_put_aside_identifies_the_order_and_quotes_nothing_of_it(put_aside):
    publish(a_state_record(a_state("UNDECIDED"), number=2))

    assert put_aside() == [
        {
            "problem": "stream record not understood",
            "error": "KeyError",
            "event_id": "event-2",
            "keys": {"order_id": {"S": "order-1"}},
        }
    ]


def test_a_batch_with_a_record_that_cannot_be_put_aside_comes_again(bus):
    with pytest.raises(EndpointConnectionError), fails(clients.queues(), "send_message", UNREACHABLE):
        publish(*placed(1), {})


def from_the_stream(stack: MotoStack, table: str, item: dict[str, Any]) -> dict[str, Any]:
    """The record that a put of an item leaves in a table's stream, as Lambda hands it over."""
    there = stack.table(table)
    stream = aws("dynamodbstreams")
    there.put_item(Item=item)
    arn = there.latest_stream_arn
    shards = stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = {"StreamArn": arn, "ShardId": shards[0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = stream.get_shard_iterator(**start)["ShardIterator"]
    (record,) = stream.get_records(ShardIterator=iterator)["Records"]
    when = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return with_change(record, ApproximateCreationDateTime=when) | {"eventSourceARN": arn}


@pytest.mark.parametrize(
    ("table", "item", "event_id"),
    [("OrdersTable", an_order(), "order-1:placed"), ("OrderStatesTable", a_state(), "order-1:confirmed")],
)
def test_records_are_read_as_the_streams_write_them(table, item, event_id, bus, stack):
    publish(from_the_stream(stack, table, item))

    assert bus.event_ids == [event_id]


# What other shops put into their orders, and what somebody would put who wants goods for nothing.
FOREIGN = {
    "status": "pending",
    "decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"},
    "history": {"CONFIRMED": "2026-01-01T09:00:00Z"},
}


@pytest.mark.parametrize("attributes", [*({name: value} for name, value in FOREIGN.items()), FOREIGN], ids=str)
def test_an_order_is_placed_whatever_its_item_says_became_of_it(attributes, bus, stack):
    publish(from_the_stream(stack, "OrdersTable", an_order(**attributes)))

    assert bus.event_ids == ["order-1:placed"]


def test_the_outcome_of_a_batch_is_logged_for_debugging_only_and_in_numbers(bus, log, caplog):
    publish(*placed(1))
    assert log() == []

    caplog.set_level("DEBUG", logger=logger.name)
    bus.refuses = lambda event_id: event_id == "order-2:placed"
    publish(*placed(3), an_order_record(name="REMOVE", number=4))

    line = log()[-1]
    assert (line["message"], line["records"], line["events"], line["failed"]) == ("published", 4, 3, 1)


def test_what_went_wrong_is_in_the_log_with_whom_it_happened_to(bus, log):
    bus.refuses = lambda event_id: event_id == "refused:placed"

    publish(an_order_record("refused"), without(PLACED, "Keys"))
    with fails(clients.events(), "put_events", UNREACHABLE):
        publish(an_order_record())

    problems = [line for line in log() if line["level"] != "INFO"]
    assert [(line["message"], line.get("order_id"), line.get("event_id"), line.get("error")) for line in problems] == [
        ("stream record put aside", None, "event-2", "KeyError"),
        ("event refused", "refused", None, "ThrottlingException"),
        ("bus unreachable", None, None, "EndpointConnectionError"),
    ]
