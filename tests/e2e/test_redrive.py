"""`make redrive` on the deployed stack. The emulator leaves no such messages, so they are sent as AWS sends them."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from demo import shop
from redrive.__main__ import redrive_queue
from tests.e2e.conftest import Pipeline, until

PUT_ASIDE = {"problem": "stream record not understood", "error": "KeyError", "event_id": "e", "keys": None}


def redrive(pipeline: Pipeline, name: str, *, dry_run: bool = False) -> int:
    options = argparse.Namespace(limit=100, per_second=100, dry_run=dry_run)
    return redrive_queue(pipeline.stack, name, options)


def lying(pipeline: Pipeline, output: str) -> list[Any]:
    """The messages in a queue; anybody else can still receive them."""
    url = pipeline.stack.outputs[output]
    answer = pipeline.stack.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def send(pipeline: Pipeline, output: str, body: Any) -> None:
    pipeline.stack.client("sqs").send_message(QueueUrl=pipeline.stack.outputs[output], MessageBody=json.dumps(body))


@pytest.fixture(autouse=True)
def _empty_queues(pipeline: Pipeline) -> None:
    for output in ("DeadLetterQueueUrl", "StreamFailureQueueUrl"):
        pipeline.stack.client("sqs").purge_queue(QueueUrl=pipeline.stack.outputs[output])


def test_a_dead_letter_starts_the_workflow_and_once_more_changes_nothing(pipeline: Pipeline) -> None:
    order_id = pipeline.place(shop.order("dead-letter", {"TEA-100": 1}))
    first = pipeline.wait(order_id)
    before = len(pipeline.executions())
    detail = {
        "version": 1,
        "event_id": f"{order_id}:placed",
        "order_id": order_id,
        "occurred_at": "2026-03-02T09:14:07Z",
        "review": False,
    }
    event = {"version": "0", "id": "1", "source": "orders", "detail-type": "OrderPlaced", "detail": detail}
    send(pipeline, "DeadLetterQueueUrl", event)

    assert redrive(pipeline, "dead-letters", dry_run=True) == 0
    assert lying(pipeline, "DeadLetterQueueUrl") == [event]
    assert len(pipeline.executions()) == before

    assert redrive(pipeline, "dead-letters") == 0
    assert lying(pipeline, "DeadLetterQueueUrl") == []
    pipeline.quiet(before + 1)
    again = pipeline.wait(order_id)
    assert again.states[order_id] == first.states[order_id]
    assert again.told(order_id) == first.told(order_id)


def test_records_of_a_failed_batch_are_published_and_those_that_made_no_sense_stay(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = pipeline.place(shop.order("failed-batch", {"TEA-100": 1}))
    pipeline.wait(order_id)
    before = len(pipeline.executions())
    stream, shard, number = record_of(pipeline, order_id)
    info = {"streamArn": stream, "shardId": shard, "startSequenceNumber": number, "endSequenceNumber": number}
    send(pipeline, "StreamFailureQueueUrl", {"DDBStreamBatchInfo": info | {"batchSize": 1}})
    send(pipeline, "StreamFailureQueueUrl", {"DDBStreamBatchInfo": info | {"startSequenceNumber": "1" * 21}})
    send(pipeline, "StreamFailureQueueUrl", PUT_ASIDE)

    assert redrive(pipeline, "stream-failures") == 2
    printed = capsys.readouterr().out
    assert "1 record of failed-batch" in printed
    assert "does not hold these records any more" in printed
    assert "stream record not understood" in printed
    assert len(lying(pipeline, "StreamFailureQueueUrl")) == 2
    pipeline.quiet(before + 1)
    # A late record opens the order again, and its execution closes it.
    opened = pipeline.stack.table("OpenOrdersTableName")
    until(lambda: opened.get_item(Key={"order_id": order_id}, ConsistentRead=True), lambda now: "Item" not in now)


def record_of(pipeline: Pipeline, order_id: str) -> tuple[str, str, str]:
    """Where in the stream of Orders an order's put is: stream, shard and sequence number."""
    client = pipeline.stack.client("dynamodbstreams")
    stream = pipeline.stack.table("OrdersTableName").latest_stream_arn
    assert stream
    (shard,) = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    start = client.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    page = client.get_records(ShardIterator=start["ShardIterator"])
    while True:
        for record in page["Records"]:
            if record["dynamodb"]["Keys"]["order_id"]["S"] == order_id:
                return stream, shard["ShardId"], record["dynamodb"]["SequenceNumber"]
        assert page["Records"], f"no record of {order_id}"
        page = client.get_records(ShardIterator=page["NextShardIterator"])
