"""Start what was ordered: the stream tells the bus, and the bus tells `handler`, which takes the stock."""

from __future__ import annotations

import json
import os
from typing import Any

from aws import clients
from orders.events import SOURCE
from orders.tables import stock_key
from publish.app import event_from


def on_change(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Tell the bus about new orders. Those that it does not take come again."""
    failed = []
    for record in event["Records"]:
        if order := event_from(record):
            entry: Any = {
                "EventBusName": os.environ["EVENT_BUS_NAME"],
                "Source": SOURCE,
                "DetailType": order.detail_type,
                "Detail": json.dumps(order.detail),
            }
            answer = clients.events().put_events(Entries=[entry])
            if answer["FailedEntryCount"]:
                failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An order's event in. Takes a mug, once for each order."""
    order_id = event["order_id"]
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["INVENTORY_TABLE"],
            Key=stock_key("mug"),
            UpdateExpression="SET available = available - :one, #taken = :yes",
            ConditionExpression="available >= :one AND attribute_not_exists(#taken)",
            ExpressionAttributeNames={"#taken": f"taken by {order_id}"},
            ExpressionAttributeValues={":one": {"N": "1"}, ":yes": {"BOOL": True}},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return {"taken": False}
    return {"taken": True}
