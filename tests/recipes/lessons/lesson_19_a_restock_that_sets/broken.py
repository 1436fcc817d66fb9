"""Add what arrived to the stock: read, add, write."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"sku", "quantity"}` in; out `{"restocked": true}`."""
    table, key = os.environ["INVENTORY_TABLE"], stock_key(event["sku"])
    item = clients.dynamodb().get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    available = int(item["available"]["N"]) + event["quantity"]
    clients.dynamodb().update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET available = :available",
        ExpressionAttributeValues={":available": {"N": str(available)}},
    )
    return {"restocked": True}
