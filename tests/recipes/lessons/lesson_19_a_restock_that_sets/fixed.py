"""Add what arrived to the stock, in one step."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"sku", "quantity"}` in; out `{"restocked": true}`."""
    clients.dynamodb().update_item(
        TableName=os.environ["INVENTORY_TABLE"],
        Key=stock_key(event["sku"]),
        UpdateExpression="ADD available :quantity",
        ExpressionAttributeValues={":quantity": {"N": str(event["quantity"])}},
    )
    return {"restocked": True}
