"""Reading a table's stream, for the functions that Lambda hands its records to.

Pattern: at-least-once stream, partial batch responses. What a function could not do for a record it reports by the
record's sequence number, and Lambda redelivers from the lowest one reported. A record that can't be understood will not
be understood the next time either, and its retries would hold up every order behind it in the shard: it is put aside,
into the queue in which Lambda itself leaves what it gave up on.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from aws import clients, logger

# What reading a record of another shape raises; the last two, for a time that no calendar has.
NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)

Record = dict[str, Any]  # as Lambda hands it over


def understood[Meaning](
    records: Iterable[Record], read: Callable[[Record], Meaning | None], failure_queue_url: str
) -> list[tuple[str, Meaning]]:
    """What the records mean to `read`, each with its sequence number; without those that mean nothing to it (None).

    One for which it raises one of NOT_UNDERSTOOD is put aside. Raises what SQS raises when that fails; the whole batch
    then comes again.
    """
    found: list[tuple[str, Meaning]] = []
    for record in records:
        try:
            number = record["dynamodb"]["SequenceNumber"]
            meaning = read(record)
        except NOT_UNDERSTOOD as error:
            _put_aside(record, error, failure_queue_url)
        else:
            if meaning is not None:
                found.append((number, meaning))
    return found


def _put_aside(record: Any, error: Exception, queue_url: str) -> None:
    """Leave what identifies a record that makes no sense in the failure queue, without the order's content."""
    record = record if isinstance(record, dict) else {}
    change = record.get("dynamodb")
    message = {
        "problem": "stream record not understood",
        "error": type(error).__name__,  # its text would quote the order
        "event_id": record.get("eventID"),
        "keys": change.get("Keys") if isinstance(change, dict) else None,
    }
    clients.queues().send_message(QueueUrl=queue_url, MessageBody=json.dumps(message))
    logger.error("stream record put aside", event_id=message["event_id"], error=message["error"])


def order_id(record: Record) -> str:
    """The order that a record is about."""
    return str(record["dynamodb"]["Keys"]["order_id"]["S"])


def changed_at(record: Record) -> str:
    """When the change was made, in ISO 8601: the same however often the record comes."""
    return datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC).isoformat()


def new_status(record: Record) -> str | None:
    """The status that an order has come to by a change in OrderStates; None where it is the one that it had."""
    if record["eventName"] == "REMOVE":
        return None
    change = record["dynamodb"]
    status, before = change["NewImage"]["status"], change.get("OldImage", {}).get("status")
    return None if status == before else status["S"]
