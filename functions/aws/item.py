"""Reading what the tables hold of an order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aws import clients
from orders.tables import Item, order_key


def read_order(order_id: str) -> dict[str, Any] | None:
    """The order as it is now, read consistently, in plain Python values (numbers are Decimal).

    None when there is no such order: an event that speaks of it exists, so its owner deleted it.
    """
    answer = clients.dynamodb().get_item(
        TableName=os.environ["ORDERS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    return plain_item(answer["Item"]) if "Item" in answer else None


def read_items(order_id: str, *variables: str) -> list[Item | None]:
    """What several tables hold of an order, read consistently in one request; None where there is nothing. The tables
    are named by the variables that hold their names.

    Raises TimeoutError when DynamoDB leaves a part unread.
    """
    tables = [os.environ[variable] for variable in variables]
    answer = clients.dynamodb().batch_get_item(
        RequestItems={table: {"Keys": [order_key(order_id)], "ConsistentRead": True} for table in tables}
    )
    if answer["UnprocessedKeys"]:
        raise TimeoutError("the order could not be read whole")
    return [next(iter(answer["Responses"].get(table, [])), None) for table in tables]


def plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in plain Python values."""
    return {name: plain(value) for name, value in item.items()}


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
