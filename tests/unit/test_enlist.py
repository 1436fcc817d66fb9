"""Every confirmed order is on the list of what is to be shipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from aws import clients, logger
from enlist import app
from tests.unit.builders import PERSONAL, a_state, a_state_record, an_open_order
from tests.unit.bus import THROTTLED, UNREACHABLE
from tests.unit.faults import dies_after, fails
from tests.unit.stack import MotoStack, aws
from tests.unit.sweeping import DAY, MINUTE, OPENED, Clock

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def entries(stack: MotoStack, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is to be shipped, and the enlist function's environment."""
    stack.run_as("EnlistFunction")
    monkeypatch.setattr(app, "time", clock)
    return stack.table("OpenShipmentsTable")


@pytest.fixture
def put_aside(stack: MotoStack) -> Callable[[], list[Any]]:
    """The messages in the failure queue, read once."""

    def messages() -> list[Any]:
        answer = aws("sqs").receive_message(QueueUrl=stack["EnlistFailureQueue"], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return messages


def enlist(*records: Any) -> dict[str, Any]:
    return app.handler({"Records": list(records)}, None)


def confirmed(count: int) -> list[dict[str, Any]]:
    """Records of so many confirmed orders, order-1 to order-`count`."""
    return [a_state_record(a_state(order_id=f"order-{number}"), number=number) for number in range(1, count + 1)]


def ids(entries: Any) -> set[str]:
    return {item["order_id"] for item in entries.scan()["Items"]}


# ── Who is enlisted ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_confirmed_order_is_enlisted_and_due_in_a_minute(entries):
    assert enlist(*confirmed(1)) == NOTHING_FAILED

    assert entries.scan()["Items"] == [an_open_order(what="OrderConfirmed", sweep_at=OPENED + MINUTE)]


@pytest.mark.parametrize(
    "record",
    [
        a_state_record(a_state("CANCELLED", "OUT_OF_STOCK")),
        a_state_record(a_state("REJECTED", "ORDER_INVALID")),
        a_state_record(a_state(status="SHIPPING"), a_state()),
        a_state_record(a_state(status="CANCELLED"), a_state()),
        a_state_record(a_state(note="by hand"), a_state()),
        a_state_record(None, a_state()),
        a_state_record(a_state(status="LOST")),
    ],
    ids=["cancelled", "rejected", "ships", "taken back", "confirmed before", "deleted", "a status of later"],
)
def test_no_other_change_enlists_an_order(record, entries, put_aside):
    assert enlist(record) == NOTHING_FAILED

    assert ids(entries) == set()
    assert put_aside() == []


def test_each_order_of_a_batch_is_enlisted(entries):
    assert enlist(*confirmed(30)) == NOTHING_FAILED

    assert len(ids(entries)) == 30


def test_a_record_that_comes_again_leaves_what_was_seen_of_its_order(entries):
    enlist(*confirmed(1))
    seen = an_open_order(what="OrderConfirmed", sweeps=4, sweep_at=OPENED + 10 * DAY)
    entries.put_item(Item=seen)

    assert enlist(*confirmed(1)) == NOTHING_FAILED

    assert entries.scan()["Items"] == [seen]


def test_a_record_that_comes_years_late_enlists_its_order_which_then_finds_everything_done(entries, clock):
    clock.now = OPENED + 700 * DAY

    enlist(*confirmed(1))

    assert entries.scan()["Items"] == [an_open_order(what="OrderConfirmed", sweep_at=OPENED + 700 * DAY + MINUTE)]


def test_nothing_personal_is_on_the_list(entries):
    enlist(*confirmed(2))

    assert [secret for secret in PERSONAL if secret in str(entries.scan()["Items"])] == []


# ── What fails ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
def test_an_order_that_could_not_be_enlisted_comes_again_with_all_that_follow_it(error, entries, log):
    enlist(*confirmed(2))
    with fails(clients.dynamodb(), "put_item", error):
        answer = enlist(*confirmed(5)[2:])

    assert answer == {"batchItemFailures": [{"itemIdentifier": f"{3:021}"}]}
    assert ids(entries) == {"order-1", "order-2"}
    assert [(line["message"], line["order_id"], line["error"]) for line in log()] == [
        ("order not enlisted", "order-3", type(error).__name__)
    ]


def test_every_order_is_enlisted_when_lambda_goes_on_from_the_first_failure(entries, monkeypatch):
    client: Any = clients.dynamodb()
    put, asked = client.put_item, []

    def fails_every_third_time(**request: Any) -> Any:
        asked.append(request)
        if len(asked) % 3 == 0:
            raise UNREACHABLE
        return put(**request)

    monkeypatch.setattr(client, "put_item", fails_every_third_time)
    records = confirmed(20)
    while failed := enlist(*records)["batchItemFailures"]:
        lowest = min(int(failure["itemIdentifier"]) for failure in failed)
        records = [record for record in records if int(record["dynamodb"]["SequenceNumber"]) >= lowest]

    assert ids(entries) == {f"order-{number}" for number in range(1, 21)}


def test_a_sandbox_that_dies_in_a_batch_leaves_nothing_undone_once_it_comes_again(entries):
    with dies_after(clients.dynamodb(), "put_item"):
        enlist(*confirmed(3))
    assert ids(entries) == {"order-1"}

    assert enlist(*confirmed(3)) == NOTHING_FAILED
    assert ids(entries) == {"order-1", "order-2", "order-3"}


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """The record without some parts of its change."""
    return record | {"dynamodb": {name: part for name, part in record["dynamodb"].items() if name not in names}}


CONFIRMED = a_state_record(a_state(order_id="order-2"), number=2)
NONSENSE = {
    "nothing": None,
    "text": "nonsense",
    "empty": {},
    "no keys": without(CONFIRMED, "Keys"),
    "no image": without(CONFIRMED, "NewImage"),
    "no sequence number": without(CONFIRMED, "SequenceNumber"),
    "no time": without(CONFIRMED, "ApproximateCreationDateTime"),
    "no name": {name: part for name, part in CONFIRMED.items() if name != "eventName"},
    "no status": CONFIRMED | {"dynamodb": CONFIRMED["dynamodb"] | {"NewImage": {"order_id": {"S": "order-2"}}}},
    "a status that is a number": a_state_record(a_state(status=1, order_id="order-2"), number=2),
}


@pytest.mark.parametrize("record", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_record_that_makes_no_sense_is_put_aside_and_blocks_no_other(record, entries, put_aside):
    first, _, last = confirmed(3)

    assert enlist(first, record, last) == NOTHING_FAILED

    assert ids(entries) == {"order-1", "order-3"}
    assert len(put_aside()) == 1


def test_what_is_put_aside_identifies_the_order_and_quotes_nothing_of_it(put_aside, log):
    enlist(without(CONFIRMED, "NewImage"))

    assert put_aside() == [
        {
            "problem": "stream record not understood",
            "error": "KeyError",
            "event_id": "event-2",
            "keys": {"order_id": {"S": "order-2"}},
        }
    ]
    assert [(line["message"], line["event_id"]) for line in log()] == [("stream record put aside", "event-2")]


def test_a_batch_with_a_record_that_cannot_be_put_aside_comes_again():
    with pytest.raises(EndpointConnectionError), fails(clients.queues(), "send_message", UNREACHABLE):
        enlist(*confirmed(1), {})


def test_a_batch_is_logged_for_debugging_only_and_in_numbers(log, caplog):
    enlist(*confirmed(1))
    assert log() == []

    caplog.set_level("DEBUG", logger=logger.name)
    enlist(*confirmed(2), a_state_record(a_state("REJECTED"), number=3))

    line = log()[-1]
    assert (line["message"], line["records"], line["orders"]) == ("enlisted", 3, 2)


def test_records_are_read_as_the_stream_writes_them(stack, entries):
    there = stack.table("OrderStatesTable")
    there.put_item(Item=a_state())
    stream, arn = aws("dynamodbstreams"), there.latest_stream_arn
    shard = stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]
    iterator = stream.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    (record,) = stream.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    when = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    as_lambda_hands_it_over = record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": when}}

    assert enlist(as_lambda_hands_it_over) == NOTHING_FAILED
    assert ids(entries) == {"order-1"}
