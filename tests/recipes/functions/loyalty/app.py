"""Give the customer a point for a confirmed order.

Pattern: the effect in one conditional write, under the order's own key.
"""

from __future__ import annotations

import os
from typing import Any

from aws import clients, logger
from orders.tables import order_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id"}` in; out `{"points": 1}`, for a duplicate as well."""
    order_id = event["order_id"]
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["POINTS_TABLE"],
            Item=order_key(order_id) | {"points": {"N": "1"}},
            ConditionExpression="attribute_not_exists(order_id)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return {"points": 1}
    logger.info("point given", order_id=order_id)
    return {"points": 1}
