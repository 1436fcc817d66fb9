"""Place an order: write it. The stream of the Orders table tells the bus, by the pipeline's own publisher."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from aws import clients
from publish.app import handler as on_change

__all__ = ["handler", "on_change"]


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The order's item in, as DynamoDB writes it; out `{"placed": true}`, also when it has been placed before."""
    with suppress(clients.dynamodb().exceptions.ConditionalCheckFailedException):
        clients.dynamodb().put_item(
            TableName=os.environ["ORDERS_TABLE"],
            Item=event["order"],
            ConditionExpression="attribute_not_exists(order_id)",
        )
    return {"placed": True}
