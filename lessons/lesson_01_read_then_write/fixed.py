"""Take a piece from stock if there is one left: the check and the change are one write."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reserved": true}`, or `false` when there is too little."""
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["INVENTORY_TABLE"],
            Key=stock_key(event["sku"]),
            UpdateExpression="SET available = available - :quantity",
            ConditionExpression="available >= :quantity",
            ExpressionAttributeValues={":quantity": {"N": str(event["quantity"])}},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return {"reserved": False}
    return {"reserved": True}
