"""Writing what becomes of an approval, under a condition."""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.approval import Approval, ApprovalStatus
from orders.tables import approval_from, order_key


def write(order_id: str, update: str, condition: str, values: dict[str, Any]) -> tuple[Approval, bool]:
    """Set what `update` says if `condition` holds; answers the approval as it stands then, and whether it held. Between
    them the two have to use `#status` and `:pending`. The condition has to hold where there is no approval yet.
    """
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["APPROVALS_TABLE"],
            Key=order_key(order_id),
            UpdateExpression=f"SET {update}",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":pending": {"S": ApprovalStatus.PENDING}} | values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return approval_from(stands.response["Item"]), False  # type: ignore[typeddict-item]
    return approval_from(answer["Attributes"]), True
