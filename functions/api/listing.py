"""A customer's orders, the newest first, page by page."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from api import shown
from api.requests import Cursor, ListRequest
from aws import clients
from aws.item import plain_item
from orders.tables import order_key

ATTEMPTS = 3


def read(wanted: ListRequest) -> dict[str, Any]:
    """A page, and the cursor of the next one; null where nothing comes any more, or by chance one page later.

    The index is not consistent: an order that was placed this second may be missing. Raises TimeoutError when DynamoDB
    leaves a part unread.
    """
    whose = {"customer_id": {"S": wanted.customer_id}}
    query: Any = {
        "TableName": os.environ["ORDERS_TABLE"],
        "IndexName": "by-customer",
        "KeyConditionExpression": "customer_id = :whose",
        "ExpressionAttributeValues": {":whose": whose["customer_id"]},
        "ScanIndexForward": False,
        "Limit": wanted.limit,
    }
    if wanted.after:
        behind = {"placed_at": {"S": wanted.after.placed_at}}
        query["ExclusiveStartKey"] = {**whose, **behind, **order_key(wanted.after.order_id)}
    answer = clients.dynamodb().query(**query)
    items = [plain_item(item) for item in answer["Items"]]
    statuses = _statuses({item["order_id"] for item in items})
    last = answer.get("LastEvaluatedKey")
    return {
        "orders": [shown.listed(item, statuses.get(item["order_id"])) for item in items],
        "cursor": str(Cursor(last["placed_at"]["S"], last["order_id"]["S"])) if last else None,
    }


def _statuses(order_ids: Iterable[str]) -> dict[str, str]:
    """The status of each of these orders that has one."""
    table = os.environ["ORDER_STATES_TABLE"]
    wanted: Any = {
        "Keys": [order_key(order_id) for order_id in sorted(order_ids)],
        "ProjectionExpression": "order_id, #status",
        "ExpressionAttributeNames": {"#status": "status"},
    }
    statuses: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        if not wanted["Keys"]:
            return statuses
        answer = clients.dynamodb().batch_get_item(RequestItems={table: wanted})
        for item in answer["Responses"].get(table, []):
            if "status" in item:
                statuses[item["order_id"]["S"]] = item["status"]["S"]
        wanted = answer["UnprocessedKeys"].get(table, {"Keys": []})
    if wanted["Keys"]:
        raise TimeoutError("the orders' statuses could not be read whole")
    return statuses
