"""Take over the warehouse's count of a SKU, unless a newer one is there."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"sku", "count", "counted_at"}` in, the time in UTC; out `{"count"}`, what the shop now sells from."""
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["INVENTORY_TABLE"],
            Key=stock_key(event["sku"]),
            UpdateExpression="SET available = :count, counted_at = :counted_at",
            ConditionExpression="attribute_not_exists(counted_at) OR counted_at <= :counted_at",
            ExpressionAttributeValues={":count": {"N": str(event["count"])}, ":counted_at": {"S": event["counted_at"]}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as error:
        newer: dict[str, Any] = error.response["Item"]  # type: ignore[typeddict-item]
        return {"count": int(newer["available"]["N"])}
    return {"count": event["count"]}
