"""Take a piece from stock if there is one left."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reserved": true}`, or `false` when there is too little."""
    key = stock_key(event["sku"])
    stock = clients.dynamodb().get_item(TableName=os.environ["INVENTORY_TABLE"], Key=key, ConsistentRead=True)["Item"]
    if int(stock["available"]["N"]) < event["quantity"]:
        return {"reserved": False}
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=key,
        UpdateExpression="SET available = available - :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(event["quantity"])}},
    )
    return {"reserved": True}
