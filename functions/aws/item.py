"""Reading an order's item."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aws import clients
from orders.tables import order_key


def read_order(order_id: str) -> dict[str, Any] | None:
    """The order as it is now, read consistently, in plain Python values (numbers are Decimal).

    None when there is no such order: an event that speaks of it exists, so its owner deleted it.
    """
    answer = clients.dynamodb().get_item(
        TableName=os.environ["ORDERS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    if "Item" not in answer:
        return None
    return {name: plain(value) for name, value in answer["Item"].items()}


def plain(attribute: Mapping[str, Any]) -> Any:
    """An attribute as DynamoDB writes it, `{"N": "3"}`, as a plain Python value; numbers are Decimal, binary is bytes.

    boto3 has the same in its TypeDeserializer, at the price of importing boto3: 8 % of a cold start.
    """
    [(kind, content)] = attribute.items()
    match kind:
        case "N":
            return Decimal(content)
        case "L":
            return [plain(element) for element in content]
        case "M":
            return {name: plain(element) for name, element in content.items()}
        case "NULL":
            return None
        case "NS":
            return {Decimal(number) for number in content}
        case "SS" | "BS":
            return set(content)
        case _:  # S, B and BOOL are plain already
            return content
