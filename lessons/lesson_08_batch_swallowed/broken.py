"""Tell the bus of every order that was placed: the Orders table's stream, in batches."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from aws import clients
from orders.events import PLACED, SOURCE, OrderEvent


def on_change(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of stream records in, ten at most; a record that fails raises, and Lambda delivers the batch again."""
    placed = [record for record in event["Records"] if record["eventName"] == "INSERT"]
    clients.events().put_events(
        Entries=[
            {
                "EventBusName": os.environ["EVENT_BUS_NAME"],
                "Source": SOURCE,
                "DetailType": PLACED,
                "Detail": json.dumps(order_event(record).detail),
            }
            for record in placed
        ]
    )
    return {"batchItemFailures": []}


def order_event(record: dict[str, Any]) -> OrderEvent:
    """The event of an order that was placed."""
    change = record["dynamodb"]
    placed_at = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    return OrderEvent(PLACED, change["Keys"]["order_id"]["S"], placed_at.isoformat())
