"""Place an order: write it, then tell the bus."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from aws import clients
from orders.events import PLACED, SOURCE, OrderEvent


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The order's item in, as DynamoDB writes it; out `{"placed": true}`, also when it has been placed before."""
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["ORDERS_TABLE"],
            Item=event["order"],
            ConditionExpression="attribute_not_exists(order_id)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return {"placed": True}
    clients.events().put_events(
        Entries=[
            {
                "EventBusName": os.environ["EVENT_BUS_NAME"],
                "Source": SOURCE,
                "DetailType": PLACED,
                "Detail": json.dumps(OrderEvent(PLACED, event["order_id"], datetime.now(UTC).isoformat()).detail),
            }
        ]
    )
    return {"placed": True}
