"""What changed, from the stream of OrderStates, and what the bus told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.stack import RunningStack

Image = dict[str, Any]
Event = tuple[str, str]  # detail type and order id


def images(stack: RunningStack, order_ids: Collection[str]) -> list[Image]:
    """Every state that these orders have had since they were decided, oldest first, from the stream of OrderStates."""
    client, arn = stack.client("dynamodbstreams"), stack.table("OrderStatesTableName").latest_stream_arn
    plain = TypeDeserializer().deserialize
    found = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        while iterator:
            answer = client.get_records(ShardIterator=iterator)
            # An open shard always has a next iterator; the emulator's shards are never empty in between.
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
            found += [plain({"M": record["dynamodb"]["NewImage"]}) for record in answer["Records"]]
    return [image for image in found if image["order_id"] in order_ids]


def changes(order_ids: Collection[str], seen: Sequence[Image]) -> set[Event]:
    """The events that come of these orders and of their states."""
    placed = {("OrderPlaced", order_id) for order_id in order_ids}
    return placed | {(f"Order{image['status'].capitalize()}", image["order_id"]) for image in seen}


def announced(messages: Sequence[Any]) -> set[Event]:
    """What events off the bus say."""
    return {(message["detail-type"], message["detail"]["order_id"]) for message in messages}
