"""Tell the event bus what happened to orders, from the streams of two tables.

A new item of Orders is an order that was placed. Its total is read where there is a limit above which a person has to
approve an order, and nothing else of it, because what the item says is the customer's. It is written into the list of
open orders before it is announced, so the announcement may be lost (sweep). A new status in OrderStates is what became
of an order.

Pattern: at-least-once stream, partial batch responses, deterministic event ids. A record whose event the bus did not
take is reported by its sequence number, and Lambda redelivers from the lowest one reported. What is published twice by
that carries the same event id, and every consumer absorbs it. A record that can't be understood will not be understood
the next time either, and its retries would hold up every order behind it in the shard: it is put aside, into the queue
in which Lambda itself leaves what it gave up on.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from aws import clients, logger
from aws.item import plain
from orders import OpenOrder, approval, backoff
from orders.events import BECAME, MAX_ENTRIES, PLACED, OrderEvent
from orders.tables import open_order_item, order_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef, WriteRequestTypeDef

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_WRITES = 25
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_READS = 100

# What `event_from` raises for a record of another shape; the last two, for a time that no calendar has.
NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)

Numbered = tuple[str, OrderEvent]  # a stream record's sequence number and the event that it means


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Publish a batch of stream records; answer the sequence numbers of those that have to come again."""
    to_publish: list[Numbered] = []
    for record in event["Records"]:
        try:
            number = record["dynamodb"]["SequenceNumber"]
            order_event = event_from(record)
        except NOT_UNDERSTOOD as error:
            put_aside(record, error)
        else:
            if order_event:
                to_publish.append((number, order_event))
    to_publish, unread = mark_for_review(to_publish)
    unwritten = write_down([order_event for _, order_event in to_publish if order_event.detail_type == PLACED])
    failed = unread + [number for number, order_event in to_publish if order_event.order_id in unwritten]
    written = [numbered for numbered in to_publish if numbered[1].order_id not in unwritten]
    for batch in batched(written, MAX_ENTRIES):
        failed.extend(put_events(batch))
    logger.debug("published", records=len(event["Records"]), events=len(to_publish), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def event_from(record: dict[str, Any]) -> OrderEvent | None:
    """What a stream record means for the bus; None for a change of no interest.

    Raises one of NOT_UNDERSTOOD for a record that is of neither table.
    """
    change = record["dynamodb"]
    reason = ""
    if f":table/{os.environ['ORDER_STATES_TABLE']}/" in record["eventSourceARN"]:
        detail_type = _became(record)
        if detail_type:
            reason = change["NewImage"]["decision"]["M"]["reason"]["S"]
    else:
        detail_type = PLACED if record["eventName"] == "INSERT" else None
    if detail_type is None:
        return None
    changed_at = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    return OrderEvent(detail_type, change["Keys"]["order_id"]["S"], changed_at.isoformat(), reason=reason)


def _became(record: dict[str, Any]) -> str | None:
    if record["eventName"] == "REMOVE":
        return None
    change = record["dynamodb"]
    status, before = change["NewImage"]["status"], change.get("OldImage", {}).get("status")
    return None if status == before else BECAME[status["S"]]


def mark_for_review(to_publish: list[Numbered]) -> tuple[list[Numbered], list[str]]:
    """The events, with those marked of orders that a person has to approve; and the sequence numbers of those of which
    that could not be found out.

    A glance: validate looks again, so an order that is written anew after this does not slip through.
    """
    limit = int(os.environ["APPROVAL_LIMIT"])
    placed = {event.order_id for _, event in to_publish if event.detail_type == PLACED}
    if not limit or not placed:
        return to_publish, []
    totals: dict[str, Any] = {}
    unread: set[str] = set()
    for ids in batched(sorted(placed), MAX_READS):
        unread |= _read_totals(ids, totals)
    read = [
        (number, replace(event, review=approval.is_needed(totals.get(event.order_id), limit)))
        for number, event in to_publish
        if event.detail_type != PLACED or event.order_id not in unread
    ]
    return read, [number for number, event in to_publish if event.detail_type == PLACED and event.order_id in unread]


def _read_totals(order_ids: Sequence[str], totals: dict[str, Any]) -> set[str]:
    """Read what up to a hundred orders come to, and nothing else of them; answers the ids of those that DynamoDB did
    not read.
    """
    table = os.environ["ORDERS_TABLE"]
    wanted: KeysAndAttributesTypeDef = {
        "Keys": [order_key(order_id) for order_id in order_ids],
        "ProjectionExpression": "order_id, #total",
        "ExpressionAttributeNames": {"#total": "total"},
    }
    try:
        answer = clients.dynamodb().batch_get_item(RequestItems={table: wanted})
        left: Any = answer["UnprocessedKeys"].get(table, {"Keys": []})["Keys"]
        why = "UnprocessedKeys"
        for item in answer["Responses"].get(table, []):
            totals[item["order_id"]["S"]] = plain(item["total"]) if "total" in item else None
    except (ClientError, BotoCoreError) as error:
        left, why = wanted["Keys"], type(error).__name__
    if left:
        logger.error("orders not read", error=why, orders=len(left))
    return {key["order_id"]["S"] for key in left}


def write_down(placed: Sequence[OrderEvent]) -> set[str]:
    """Open the orders that were placed; answers the ids of those that could not be, which must not be announced.

    What is finished already is opened again by a record that comes late. It closes by itself (notify).
    """
    sweep_at = int(time.time()) + backoff.wait_seconds(0)
    # By id: a batch may hold no item twice. Backwards, so that the first time at which an order was placed stays.
    items = {
        event.order_id: open_order_item(
            OpenOrder(event.order_id, event.occurred_at, sweep_at=sweep_at, review=event.review)
        )
        for event in reversed(placed)
    }
    unwritten: set[str] = set()
    for batch in batched(items.values(), MAX_WRITES):
        unwritten |= _put_items([{"PutRequest": {"Item": item}} for item in batch])
    return unwritten


def _put_items(writes: list[WriteRequestTypeDef]) -> set[str]:
    """Put up to 25 open orders; answers the ids of those that DynamoDB did not take."""
    table = os.environ["OPEN_ORDERS_TABLE"]
    try:
        answer = clients.dynamodb().batch_write_item(RequestItems={table: writes})
        left: Any = answer["UnprocessedItems"].get(table, [])
        why = "UnprocessedItems"
    except (ClientError, BotoCoreError) as error:
        left, why = writes, type(error).__name__
    if left:
        logger.error("open orders not written", error=why, orders=len(left))
    return {write["PutRequest"]["Item"]["order_id"]["S"] for write in left}


def put_aside(record: Any, error: Exception) -> None:
    """Leave what identifies a record that makes no sense in the failure queue, without the order's content.

    Raises what SQS raises; the whole batch then comes again.
    """
    record = record if isinstance(record, dict) else {}
    change = record.get("dynamodb")
    message = {
        "problem": "stream record not understood",
        "error": type(error).__name__,  # its text would quote the order
        "event_id": record.get("eventID"),
        "keys": change.get("Keys") if isinstance(change, dict) else None,
    }
    clients.queues().send_message(QueueUrl=os.environ["STREAM_FAILURE_QUEUE_URL"], MessageBody=json.dumps(message))
    logger.error("stream record put aside", event_id=message["event_id"], error=message["error"])


def put_events(batch: Sequence[Numbered]) -> Iterator[str]:
    """Publish up to ten events in one request; yield the sequence numbers of those that the bus did not take."""
    entries = [event.entry(os.environ["EVENT_BUS_NAME"]) for _, event in batch]
    try:
        results = clients.events().put_events(Entries=entries)["Entries"]
    except (ClientError, BotoCoreError) as error:
        logger.error("bus unreachable", error=type(error).__name__, events=len(batch))
        yield from (number for number, _ in batch)
        return
    # PutEvents succeeds as a request when only some of its entries did.
    for (number, event), result in zip(batch, results, strict=True):
        if "ErrorCode" in result:
            logger.error("event refused", order_id=event.order_id, error=result["ErrorCode"])
            yield number
