"""Take over the warehouse's count of a SKU."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"sku", "count", "counted_at"}` in, the time in UTC; out `{"count"}`, what the shop now sells from."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(event["sku"]),
        UpdateExpression="SET available = :count, counted_at = :counted_at",
        ExpressionAttributeValues={":count": {"N": str(event["count"])}, ":counted_at": {"S": event["counted_at"]}},
    )
    return {"count": event["count"]}
