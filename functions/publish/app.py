"""Tell the event bus what happened to orders, from the streams of two tables.

A new item of Orders is an order that was placed. Its total is read where there is a limit above which a person has to
approve an order, and nothing else of it, because what the item says is the customer's. It is written into the list of
open orders before it is announced, so the announcement may be lost (sweep). A new status in OrderStates is what became
of an order.

Pattern: at-least-once stream, partial batch responses (aws/stream.py), deterministic event ids. A record whose event
the bus did not take comes again, and others with it. What is published twice by that carries the same event id, and
every consumer absorbs it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from aws import clients, logger, stream
from aws.item import plain
from orders import OpenOrder, approval, backoff
from orders.events import BECAME, MAX_ENTRIES, PLACED, OrderEvent
from orders.tables import Item, open_order_item, order_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef, WriteRequestTypeDef

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_WRITES = 25
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_READS = 100

Numbered = tuple[str, OrderEvent]  # a stream record's sequence number and the event that it means


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Publish a batch of stream records; answer the sequence numbers of those that have to come again."""
    meant = stream.understood(event["Records"], event_from, os.environ["STREAM_FAILURE_QUEUE_URL"])
    to_publish, unread = mark_for_review(meant)
    unwritten = write_down([order_event for _, order_event in to_publish if order_event.detail_type == PLACED])
    failed = unread + [number for number, order_event in to_publish if order_event.order_id in unwritten]
    written = [numbered for numbered in to_publish if numbered[1].order_id not in unwritten]
    for batch in batched(written, MAX_ENTRIES):
        failed.extend(put_events(batch))
    logger.debug("published", records=len(event["Records"]), events=len(to_publish), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def event_from(record: stream.Record) -> OrderEvent | None:
    """What a stream record means for the bus; None for a change of no interest.

    Raises one of stream.NOT_UNDERSTOOD for a record that is of neither table.
    """
    if f":table/{os.environ['ORDER_STATES_TABLE']}/" in record["eventSourceARN"]:
        status = stream.new_status(record)
        if status is None:
            return None
        detail_type, reason = BECAME[status], _reason(record["dynamodb"]["NewImage"], status)
    elif record["eventName"] == "INSERT":
        detail_type, reason = PLACED, ""
    else:
        return None
    return OrderEvent(detail_type, stream.order_id(record), stream.changed_at(record), reason=reason)


def _reason(state: Item, status: str) -> str:
    """Why an order has come to this status: a later step's own reason, or the decision's; most steps have none."""
    decision = state["decision"]["M"]
    if "reason" in state:
        return str(state["reason"]["S"])
    return str(decision["reason"]["S"]) if status == decision["outcome"]["S"] else ""


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
