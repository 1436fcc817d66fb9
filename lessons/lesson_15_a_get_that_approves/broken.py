"""Decide on an order that is over the limit: the two links in the approver's email lead here."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import order_key

STATUS = {"approve": "APPROVED", "deny": "DENIED"}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A request of API Gateway for `/approvals/{order_id}?decision=approve`, or `deny`. Answers the order's `status`,
    which the page shows.
    """
    order_id, decision = event["pathParameters"]["order_id"], event["queryStringParameters"]["decision"]
    return {"status": decide(order_id, STATUS[decision])}


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
