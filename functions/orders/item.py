"""Reading an order's item."""

from __future__ import annotations

import os
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from orders import clients
from orders.errors import Unrecoverable

_from_dynamodb = TypeDeserializer().deserialize


def read_order(order_id: str) -> dict[str, Any]:
    """The order as it is now, read consistently, in plain Python values (numbers are Decimal).

    Raises Unrecoverable when there is no such order: an event that speaks of it exists, so somebody deleted it.
    """
    answer = clients.dynamodb().get_item(
        TableName=os.environ["ORDERS_TABLE"], Key={"order_id": {"S": order_id}}, ConsistentRead=True
    )
    if "Item" not in answer:
        raise Unrecoverable("the order does not exist")
    return {name: _from_dynamodb(value) for name, value in answer["Item"].items()}
