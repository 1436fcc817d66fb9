"""Take an order's pieces from stock and write down for whom, in one transaction, once for each order and SKU."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id", "sku", "quantity"}` in; out `{"reservation"}`, its id. Raises when there is too little."""
    table, quantity = os.environ["INVENTORY_TABLE"], {"N": str(event["quantity"])}
    reservation = f"RESERVATION#{event['sku']}"
    try:
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
    except clients.dynamodb().exceptions.TransactionCanceledException as error:
        # The reservation's condition comes first in the transaction: an earlier attempt has made it.
        if error.response["CancellationReasons"][0]["Code"] != "ConditionalCheckFailed":
            raise
    return {"reservation": reservation}
