"""The books of a running stack: what its tables, provider, mailbox and queues say, and its orders' past."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from aws.item import plain_item
from invariants.books import Books, Email, Plain, from_tables
from local.environment import fetch
from local.stack import RunningStack
from orders.shipping import read_reference

TABLES = (
    *("OrdersTable", "OrderStatesTable", "OpenOrdersTable", "InventoryTable"),
    *("PaymentsTable", "SimulatedGatewayTable"),
)
# Of the stacks beside the pipeline, as far as they are there.
TABLES_BESIDE = (
    *("ApprovalsTable", "ShipmentsTable", "ReturnsTable", "OpenShipmentsTable"),
    *("SimulatedCarrierTable", "InboxTable"),
)
QUEUES = ("DeadLetterQueueUrl", "StreamFailureQueueUrl")
QUEUES_BESIDE = ("ShippingDeadLetterQueueUrl",)


def look(stack: RunningStack, **watched: Any) -> Books:
    """Read everything, of the stacks beside the pipeline as well. `watched` is what the books can't know from that."""
    there = (*TABLES, *(name for name in TABLES_BESIDE if f"{name}Name" in stack.outputs))
    tables = {name: _scan(stack, stack.outputs[f"{name}Name"]) for name in there}
    queues = (*QUEUES, *(name for name in QUEUES_BESIDE if name in stack.outputs))
    return from_tables(tables, emails(stack), sum(_waiting(stack, name) for name in queues), **watched)


def about(books: Books, order_ids: Collection[str]) -> Books:
    """The books as far as they are about these orders. Stock stays everybody's: it adds up for all orders together."""

    def ours[T](of: Mapping[str, T]) -> dict[str, T]:
        return {order_id: what for order_id, what in of.items() if order_id in order_ids}

    return replace(
        books,
        orders=ours(books.orders),
        states=ours(books.states),
        payments=ours(books.payments),
        intents=ours(books.intents),
        # A return's entry begins with its order's id, and no order that was accepted has a `/` in its own.
        open={entry for entry in books.open if entry in order_ids or entry.partition("/")[0] in order_ids},
        approvals=ours(books.approvals),
        shipments=ours(books.shipments),
        returns=ours(books.returns),
        bookings={name: booked for name, booked in books.bookings.items() if read_reference(name)[0] in order_ids},
    )


def past(stack: RunningStack, order_ids: Collection[str]) -> list[tuple[str, Plain | None]]:
    """Every state that these orders have had since they were decided, oldest first, from the stream of OrderStates."""
    client, arn = stack.client("dynamodbstreams"), stack.table("OrderStatesTableName").latest_stream_arn
    found: list[tuple[str, Plain | None]] = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        start = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = start["ShardIterator"]
        while iterator:
            answer = client.get_records(ShardIterator=iterator)
            # An open shard always has a next iterator; the emulator's shards are never empty in between.
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
            for change in (record["dynamodb"] for record in answer["Records"]):
                order_id = change["Keys"]["order_id"]["S"]
                if order_id in order_ids:
                    found.append((order_id, plain_item(change["NewImage"]) if "NewImage" in change else None))
    return found


def _scan(stack: RunningStack, table: str) -> Iterator[dict[str, Any]]:
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _waiting(stack: RunningStack, output: str) -> int:
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs[output], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def emails(stack: RunningStack) -> list[Email]:
    """What SES took, from the emulator's own mailbox."""
    with fetch(f"{stack.endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
        by_account = json.load(answer)["messages"]
    return [
        Email(", ".join(message["To"]), message["Subject"], message["BodyText"])
        for messages in by_account.values()
        for message in messages
    ]
