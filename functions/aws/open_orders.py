"""The list of what a stack has still to do, for those who put something on it, or know when it is due again.

Each stack has its own list, in the table that OPEN_ORDERS_TABLE names, and a sweep of its own over it (sweep/app.py).
"""

from __future__ import annotations

import os
import time

from aws import clients, logger
from orders import OpenOrder
from orders.tables import open_order_item, open_order_key


def enlist(order: OpenOrder) -> bool:
    """Put something on the list, unless it is there: what was seen of it since stays. Answers whether it was not."""
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["OPEN_ORDERS_TABLE"],
            Item=open_order_item(order),
            ConditionExpression="attribute_not_exists(order_id)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("on the list already", order_id=order.order_id)
        return False
    return True


def look_again_at(moment: float, order_id: str, return_id: str = "") -> None:
    """Let the sweep come to it at this moment, in seconds since 1970, and not before. It has come further, so how often
    it was tried counts no more. What is off the list stays off.
    """
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["OPEN_ORDERS_TABLE"],
            Key=open_order_key(order_id, return_id),
            UpdateExpression="SET sweep_at = :moment, sweeps = :none",
            ConditionExpression="attribute_exists(order_id)",
            ExpressionAttributeValues={":moment": {"N": str(int(moment))}, ":none": {"N": "0"}},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("not on the list", order_id=order_id)


def look_soon(order_id: str, return_id: str = "") -> None:
    """Let the sweep come to it in a minute, unless it is taken further before that."""
    look_again_at(time.time() + 60, order_id, return_id)


def close(order_id: str, return_id: str = "") -> None:
    """Take it off the list: there is nothing left to do."""
    clients.dynamodb().delete_item(TableName=os.environ["OPEN_ORDERS_TABLE"], Key=open_order_key(order_id, return_id))
