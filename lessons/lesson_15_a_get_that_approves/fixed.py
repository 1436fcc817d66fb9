"""Decide on an order that is over the limit: the two links in the approver's email show it, and a button decides."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import order_key

STATUS = {"approve": "APPROVED", "deny": "DENIED"}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A request of API Gateway for `/approvals/{order_id}?decision=approve`, or `deny`. Answers the order's `status`,
    which the page shows. While it is PENDING, there is a button, which sends a POST to the page's own address.
    """
    order_id, decision = event["pathParameters"]["order_id"], event["queryStringParameters"]["decision"]
    if event["requestContext"]["http"]["method"] != "POST":
        return {"status": status_of(order_id)}
    return {"status": decide(order_id, STATUS[decision])}


def status_of(order_id: str) -> str:
    """PENDING, or the decision that stands."""
    answer = clients.dynamodb().get_item(
        TableName=os.environ["APPROVALS_TABLE"], Key=order_key(order_id), ConsistentRead=True
    )
    return answer["Item"]["status"]["S"] if "Item" in answer else "PENDING"


def decide(order_id: str, status: str) -> str:
    """Write the decision down, unless there is one. Answers the one that stands."""
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["APPROVALS_TABLE"],
            Item={**order_key(order_id), "status": {"S": status}},
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return str(stands.response["Item"]["status"]["S"])  # type: ignore[typeddict-item]
    return status
