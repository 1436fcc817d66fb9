"""Start what was ordered: written on a list first, crossed out at the end, and looked for every minute in between."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from aws import clients
from orders import OpenOrder
from orders.events import PLACED, SOURCE, OrderEvent
from orders.tables import open_order_from, open_order_item, order_key, stock_key
from publish.app import event_from

PATIENCE_SECONDS = 60  # within which an order should be finished


def on_change(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Write new orders down, then tell the bus. Those that it does not take come again."""
    failed = []
    for record in event["Records"]:
        if order := event_from(record):
            due = int(time.time()) + PATIENCE_SECONDS
            clients.dynamodb().put_item(
                TableName=os.environ["OPEN_ORDERS_TABLE"],
                Item=open_order_item(OpenOrder(order.order_id, order.occurred_at, sweep_at=due)),
            )
            if not tell(order):
                failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}


def on_schedule(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Tell the bus again about what is on the list for too long."""
    page = clients.dynamodb().scan(
        TableName=os.environ["OPEN_ORDERS_TABLE"],
        FilterExpression="sweep_at <= :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
    )
    late = [open_order_from(item) for item in page["Items"]]
    for order in late:
        tell(OrderEvent(PLACED, order.order_id, order.occurred_at))
    return {"again": len(late)}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An order's event in. Takes a mug, once for each order, and crosses the order out."""
    taken = take_a_mug(event["order_id"])
    clients.dynamodb().delete_item(TableName=os.environ["OPEN_ORDERS_TABLE"], Key=order_key(event["order_id"]))
    return {"taken": taken}


def tell(order: OrderEvent) -> bool:
    """Send an order's event; answers whether the bus took it."""
    entry: Any = {
        "EventBusName": os.environ["EVENT_BUS_NAME"],
        "Source": SOURCE,
        "DetailType": order.detail_type,
        "Detail": json.dumps(order.detail),
    }
    return clients.events().put_events(Entries=[entry])["FailedEntryCount"] == 0


def take_a_mug(order_id: str) -> bool:
    """Answers False for an order that has its mug, or when there is none left."""
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
        return False
    return True
