"""Route the Orders table's stream to the event bus.

Pattern: at-least-once stream, partial batch responses, deterministic event ids.

A record whose event the bus did not take is reported by its sequence number; Lambda then redelivers from the lowest
one reported. What is published twice by that carries the same event id, and every consumer absorbs it. A record that
can't be understood will not be understood the next time either, and its retries would hold up every order behind it
in the shard: it is put aside, into the queue in which Lambda itself leaves what it gave up on.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from orders import clients
from orders.events import DECIDED, PLACED, SOURCE, OrderEvent
from orders.log import logger

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
MAX_ENTRIES = 10

# What a record of another shape makes of `event_from`; the last two come from a time that no calendar has.
NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)

Numbered = tuple[str, OrderEvent]  # a stream record's sequence number and the event that it means


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Publish a batch of stream records; answer the sequence numbers of those that have to come again."""
    to_publish: list[Numbered] = []
    failed: list[str] = []
    for record in event["Records"]:
        try:
            number = record["dynamodb"]["SequenceNumber"]
            order_event, wiped = event_from(record), wiped_decision(record)
        except NOT_UNDERSTOOD as error:
            put_aside(record, error)
        else:
            if order_event:
                to_publish.append((number, order_event))
            elif wiped and not restore_decision(record):
                failed.append(number)
    for batch in batched(to_publish, MAX_ENTRIES):
        failed.extend(put_events(batch))
    logger.debug("published", records=len(event["Records"]), events=len(to_publish), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def event_from(record: dict[str, Any]) -> OrderEvent | None:
    """What a stream record means for the bus, found by comparing its images; None for a change of no interest.

    Raises one of NOT_UNDERSTOOD for a record that is not one of the Orders table's.
    """
    change = record["dynamodb"]
    order_id = change["Keys"]["order_id"]["S"]
    if record["eventName"] == "REMOVE":
        return None
    new, old = change["NewImage"], change.get("OldImage", {})
    if "decision" in new and "decision" not in old:
        detail_type = DECIDED[new["decision"]["M"]["outcome"]["S"]]
    elif "decision" not in new and not old:
        detail_type = PLACED
    else:
        return None
    changed_at = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    return OrderEvent(detail_type, order_id, changed_at.isoformat())


def wiped_decision(record: dict[str, Any]) -> bool:
    """Whether the change took the order's decision away: a client that never got the answer to its put repeats it, and
    by then the order may be decided.
    """
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE":
        return False
    return {"decision", "status"} <= change.get("OldImage", {}).keys() and "decision" not in change["NewImage"]


def restore_decision(record: dict[str, Any]) -> bool:
    """Write the decision back that a repeated put wiped out. Answers whether it stands.

    The order is not decided anew: prices and stock may have changed since, and the money may have been taken.
    """
    change = record["dynamodb"]
    old, order_id = change["OldImage"], change["Keys"]["order_id"]
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["ORDERS_TABLE"],
            Key={"order_id": order_id},
            UpdateExpression="SET decision = if_not_exists(decision, :decision),"
            " #status = if_not_exists(#status, :status)",
            ConditionExpression="attribute_exists(order_id)",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":decision": old["decision"], ":status": old["status"]},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.warning("decided order deleted", order_id=order_id["S"])
    except (ClientError, BotoCoreError) as error:
        logger.error("decision not restored", order_id=order_id["S"], error=type(error).__name__)
        return False
    else:
        logger.warning("decision restored", order_id=order_id["S"])
    return True


def put_aside(record: Any, error: Exception) -> None:
    """Leave what identifies a record that makes no sense in the failure queue, without the order's content.

    Raises what SQS raises; the whole batch then comes again.
    """
    record = record if isinstance(record, dict) else {}
    change = record.get("dynamodb")
    letter = {
        "problem": "stream record not understood",
        "error": type(error).__name__,  # its text would quote the order
        "event_id": record.get("eventID"),
        "keys": change.get("Keys") if isinstance(change, dict) else None,
    }
    clients.queues().send_message(QueueUrl=os.environ["STREAM_FAILURE_QUEUE_URL"], MessageBody=json.dumps(letter))
    logger.error("stream record put aside", event_id=letter["event_id"], error=letter["error"])


def put_events(batch: Sequence[Numbered]) -> Iterator[str]:
    """Publish up to ten events in one request; yield the sequence numbers of those that the bus did not take."""
    entries: list[PutEventsRequestEntryTypeDef] = [
        {
            "EventBusName": os.environ["EVENT_BUS_NAME"],
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail),
        }
        for _, event in batch
    ]
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
