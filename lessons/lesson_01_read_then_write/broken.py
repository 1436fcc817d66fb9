"""Take a piece from stock if there is one left."""

from __future__ import annotations

import os
from typing import Any

from orders import clients


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reserved": true}`, or `{"reserved": false}` when there is too little."""
    quantity = event["quantity"]
    stock = {
        "TableName": os.environ["INVENTORY_TABLE"],
        "Key": {"pk": {"S": f"SKU#{event['sku']}"}, "sk": {"S": "STOCK"}},
    }
    item = clients.dynamodb().get_item(**stock, ConsistentRead=True)["Item"]
    if int(item["available"]["N"]) < quantity:
        return {"reserved": False}
    clients.dynamodb().update_item(
        **stock,
        UpdateExpression="SET available = available - :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(quantity)}},
    )
    return {"reserved": True}
