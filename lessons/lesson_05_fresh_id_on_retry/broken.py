"""Take an order's pieces from stock and write down for whom, in one transaction."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reservation"}`, its id. Raises when there is too little."""
    table, quantity = os.environ["INVENTORY_TABLE"], {"N": str(event["quantity"])}
    reservation = f"RESERVATION#{uuid4()}"
    clients.dynamodb().transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": table,
                    "Item": {
                        "pk": {"S": f"ORDER#{event['order_id']}"},
                        "sk": {"S": reservation},
                        "sku": {"S": event["sku"]},
                        "quantity": quantity,
                    },
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    "TableName": table,
                    "Key": stock_key(event["sku"]),
                    "UpdateExpression": "SET available = available - :quantity",
                    "ConditionExpression": "available >= :quantity",
                    "ExpressionAttributeValues": {":quantity": quantity},
                }
            },
        ]
    )
    return {"reservation": reservation}
