"""One write under a condition, and what stands after it, for the items that are found by an order's id."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from aws import clients
from orders.tables import Item, order_key


def write(table: str, order_id: str, update: str, condition: str, terms: Mapping[str, Any]) -> tuple[Item, bool]:
    """Set what `update` says if `condition` holds; answers the item as it stands then, {} if there is none, and whether
    the condition held. `table` is the variable that holds the table's name. `terms` is what the two expressions use,
    and nothing else: `{":now": {"N": "1"}, "#open": "open"}`.
    """
    request: Any = {
        "TableName": os.environ[table],
        "Key": order_key(order_id),
        "UpdateExpression": f"SET {update}",
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {term: value for term, value in terms.items() if term.startswith(":")},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if names := {term: name for term, name in terms.items() if term.startswith("#")}:
        request["ExpressionAttributeNames"] = names  # DynamoDB takes no empty ones
    try:
        answer = clients.dynamodb().update_item(**request)
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        standing: Item = stands.response.get("Item", {})  # type: ignore[assignment]
        return standing, False
    return answer["Attributes"], True
