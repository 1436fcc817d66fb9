import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orders import clients
from orders.log import logger
from publish import app
from tests.unit.builders import PERSONAL, a_decided_order, a_record, an_order, as_image
from tests.unit.faults import fails
from tests.unit.stack import Stack, aws

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}
UNREACHABLE = EndpointConnectionError(endpoint_url="https://events")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "PutEvents")


class Bus:
    """The event bus between the router and moto: it can refuse some events, once or for good.

    moto refuses a request of more than ten entries, as EventBridge does, and never a single entry.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.requests: list[int] = []
        self.refuses: Callable[[str], bool] = lambda event_id: False
        client: Any = clients.events()
        self._put = client.put_events
        client.put_events = self.put_events

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        answers = self._put(Entries=Entries)["Entries"]
        self.requests.append(len(Entries))
        for position, entry in enumerate(Entries):
            if self.refuses(json.loads(entry["Detail"])["event_id"]):
                answers[position] = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
            else:
                self.taken.append(entry)
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    @property
    def event_ids(self) -> list[str]:
        return [json.loads(entry["Detail"])["event_id"] for entry in self.taken]


@pytest.fixture(autouse=True)
def bus(stack: Stack) -> Bus:
    stack.run_as("PublishFunction")
    return Bus()


@pytest.fixture
def put_aside(stack: Stack) -> Callable[[], list[Any]]:
    """The letters in the failure queue, read once."""

    def letters() -> list[Any]:
        answer = aws("sqs").receive_message(QueueUrl=stack["StreamFailureQueue"], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return letters


def publish(*records: Any) -> dict[str, Any]:
    return app.handler({"Records": list(records)}, None)


def placed(count: int) -> list[dict[str, Any]]:
    """Records of so many new orders, order-1 to order-`count`."""
    return [a_record(an_order(order_id=f"order-{number}"), number=number) for number in range(1, count + 1)]


def numbers(answer: dict[str, Any]) -> list[int]:
    """The records that the router wants to see again."""
    return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def test_a_new_order_is_placed(stack, bus):
    assert publish(a_record(an_order())) == NOTHING_FAILED

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
                }
            ),
        }
    ]


@pytest.mark.parametrize(
    ("outcome", "detail_type"),
    [("CONFIRMED", "OrderConfirmed"), ("CANCELLED", "OrderCancelled"), ("REJECTED", "OrderRejected")],
)
def test_a_decision_is_published(outcome, detail_type, bus):
    publish(a_record(a_decided_order(outcome), an_order()))

    assert [(entry["DetailType"], event_id) for entry, event_id in zip(bus.taken, bus.event_ids, strict=True)] == [
        (detail_type, f"order-1:{outcome.lower()}")
    ]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (an_order(total=1), an_order()),
        (a_decided_order(status="SHIPPED"), a_decided_order()),
        (a_decided_order("CANCELLED"), a_decided_order("CONFIRMED")),
        (None, an_order()),
        (None, a_decided_order()),
    ],
    ids=["changed before the decision", "later status", "decision edited by hand", "deleted", "deleted when decided"],
)
def test_a_change_of_no_interest_is_not_published_and_nothing_is_written(new, old, bus):
    with patch.object(clients.dynamodb(), "update_item") as write:
        assert publish(a_record(new, old)) == NOTHING_FAILED

    assert bus.taken == []
    write.assert_not_called()


def in_the_table(stack: Stack, item: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Put an item as a client would; answers a look at it."""
    table = stack["OrdersTable"]
    aws("dynamodb").put_item(TableName=table, Item=as_image(item))
    key = {"order_id": {"S": item["order_id"]}}
    return lambda: aws("dynamodb").get_item(TableName=table, Key=key)["Item"]


def test_a_put_that_is_repeated_after_the_decision_does_not_undo_it(bus, stack):
    look = in_the_table(stack, an_order())

    publish(a_record(an_order(), a_decided_order(status="SHIPPED")))

    assert look() == as_image(a_decided_order(status="SHIPPED"))
    assert bus.taken == []


def test_a_decision_that_was_made_meanwhile_is_not_overwritten_by_the_one_that_was_wiped_out(stack):
    look = in_the_table(stack, a_decided_order("CANCELLED"))

    publish(a_record(an_order(), a_decided_order("CONFIRMED")))

    assert look() == as_image(a_decided_order("CANCELLED"))


def test_a_decided_order_that_was_deleted_is_not_brought_back(stack):
    assert publish(a_record(an_order(), a_decided_order())) == NOTHING_FAILED

    assert aws("dynamodb").scan(TableName=stack["OrdersTable"])["Items"] == []


def test_a_decision_that_cannot_be_restored_comes_again_and_the_others_are_published(bus, stack):
    look = in_the_table(stack, an_order())
    with fails(clients.dynamodb(), "update_item", UNREACHABLE):
        answer = publish(
            a_record(an_order(), a_decided_order(), number=1), a_record(an_order(order_id="new"), number=2)
        )

    assert numbers(answer) == [1]
    assert bus.event_ids == ["new:placed"]
    publish(a_record(an_order(), a_decided_order(), number=1))
    assert "decision" in look()


def test_a_record_that_comes_again_is_the_same_event(bus):
    record = a_record(an_order())

    publish(record)
    publish(record)

    assert bus.taken[0] == bus.taken[1]


def test_nothing_personal_travels_on_the_bus(bus):
    publish(*placed(3), a_record(a_decided_order(), an_order(), number=4))

    assert len(bus.taken) == 4
    assert [secret for secret in PERSONAL if secret in json.dumps(bus.taken)] == []


def test_more_than_ten_events_go_in_several_requests(bus):
    assert publish(*placed(25)) == NOTHING_FAILED

    assert bus.requests == [10, 10, 5]
    assert bus.event_ids == [f"order-{number}:placed" for number in range(1, 26)]


def test_a_batch_without_an_event_asks_the_bus_for_nothing(bus):
    publish(a_record(None, an_order()))

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


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """The record without some parts of its change."""
    kept = {name: part for name, part in record["dynamodb"].items() if name not in names}
    return record | {"dynamodb": kept}


def with_change(**parts: Any) -> dict[str, Any]:
    record = a_record(an_order(), number=2)
    return record | {"dynamodb": record["dynamodb"] | parts}


NONSENSE = {
    "nothing": None,
    "text": "nonsense",
    "empty": {},
    "another shape": {"eventID": "event-2", "dynamodb": [1]},
    "no keys": without(a_record(an_order(), number=2), "Keys"),
    "another table's keys": with_change(Keys={"pk": {"S": "order-2"}}),
    "no image": without(a_record(an_order(), number=2), "NewImage"),
    "no name": {name: part for name, part in a_record(an_order(), number=2).items() if name != "eventName"},
    "no sequence number": without(a_record(an_order(), number=2), "SequenceNumber"),
    "no time": without(a_record(an_order(), number=2), "ApproximateCreationDateTime"),
    "a time that is none": with_change(ApproximateCreationDateTime="yesterday"),
    "a time before any": with_change(ApproximateCreationDateTime=-1e18),
    "a time after all": with_change(ApproximateCreationDateTime=1e300),
    "an old image that is none": with_change(OldImage=["decision", "status"]),
    "an unknown decision": a_record(a_decided_order("UNDECIDED"), an_order(), number=2),
    "a decision that is text": a_record(an_order(decision="CONFIRMED"), an_order(), number=2),
    "a decision about nothing": a_record(an_order(decision={"outcome": ["CONFIRMED"]}), an_order(), number=2),
}


@pytest.mark.parametrize("record", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_record_that_makes_no_sense_is_put_aside_and_blocks_no_other(record, bus, put_aside):
    first, last = placed(1)[0], a_record(an_order(order_id="order-3"), number=3)

    assert publish(first, record, last) == NOTHING_FAILED

    assert bus.event_ids == ["order-1:placed", "order-3:placed"]
    assert len(put_aside()) == 1


def test_what_is_put_aside_identifies_the_order_and_quotes_nothing_of_it(put_aside):
    publish(a_record(an_order(decision="CONFIRMED"), an_order(), number=2))

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


def test_the_images_are_read_as_the_stream_writes_them(bus, stack):
    orders = stack.table("OrdersTable")
    stream = aws("dynamodbstreams")
    orders.put_item(Item=an_order())
    shards = stream.describe_stream(StreamArn=orders.latest_stream_arn)["StreamDescription"]
    start = {"StreamArn": orders.latest_stream_arn, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = stream.get_shard_iterator(ShardId=shards["Shards"][0]["ShardId"], **start)["ShardIterator"]
    (record,) = stream.get_records(ShardIterator=iterator)["Records"]

    assert record["dynamodb"]["NewImage"] == as_image(an_order())
    when = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    publish(record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": when}})
    assert bus.event_ids == ["order-1:placed"]


def test_the_outcome_of_a_batch_is_logged_for_debugging_only_and_in_numbers(bus, log, caplog):
    publish(*placed(1))
    assert log() == []

    caplog.set_level("DEBUG", logger=logger.name)
    bus.refuses = lambda event_id: event_id == "order-2:placed"
    publish(*placed(3), a_record(None, an_order(), number=4))

    line = log()[-1]
    assert (line["message"], line["records"], line["events"], line["failed"]) == ("published", 4, 3, 1)


def test_what_went_wrong_is_in_the_log_with_whom_it_happened_to(bus, stack, log):
    in_the_table(stack, an_order())
    bus.refuses = lambda event_id: event_id == "refused:placed"

    publish(a_record(an_order(order_id="refused")), with_change(NewImage=None), a_record(an_order(), a_decided_order()))
    publish(a_record(an_order(order_id="deleted"), a_decided_order(order_id="deleted")))
    with fails(clients.dynamodb(), "update_item", UNREACHABLE), fails(clients.events(), "put_events", UNREACHABLE):
        publish(a_record(an_order(), a_decided_order()), a_record(an_order()))

    problems = [line for line in log() if line["level"] != "INFO"]
    assert [(line["message"], line.get("order_id"), line.get("event_id"), line.get("error")) for line in problems] == [
        ("stream record put aside", None, "event-2", "TypeError"),
        ("decision restored", "order-1", None, None),
        ("event refused", "refused", None, "ThrottlingException"),
        ("decided order deleted", "deleted", None, None),
        ("decision not restored", "order-1", None, "EndpointConnectionError"),
        ("bus unreachable", None, None, "EndpointConnectionError"),
    ]
