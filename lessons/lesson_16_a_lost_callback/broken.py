"""Process an order over the limit once a person has approved it: the workflow calls `ask`, waits for the token that
`decide` sends back, and calls `process`.
"""

from __future__ import annotations

import os
from typing import Any

from aws import clients
from orders.tables import order_key, stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "ask", "order_id", "task_token"}`, `{"action": "decide", "order_id", "status"}`, the last being
    APPROVED or DENIED, or `{"action": "process", "order_id"}`.
    """
    match event["action"]:
        case "ask":
            return {"status": ask(event["order_id"], event["task_token"])}
        case "decide":
            return {"status": decide(event["order_id"], event["status"])}
        case _:
            return {"processed": process(event["order_id"])}


def ask(order_id: str, task_token: str) -> str:
    """Put an order on the approver's page, and note who waits for the answer."""
    answer = clients.dynamodb().update_item(
        TableName=os.environ["APPROVALS_TABLE"],
        Key=order_key(order_id),
        UpdateExpression="SET #status = if_not_exists(#status, :pending), task_token = :token",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":pending": {"S": "PENDING"}, ":token": {"S": task_token}},
        ReturnValues="ALL_NEW",
    )
    return answer["Attributes"]["status"]["S"]


def decide(order_id: str, status: str) -> str:
    """Write the first answer down, and let the workflow go on. Answers the one that stands."""
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["APPROVALS_TABLE"],
            Key=order_key(order_id),
            UpdateExpression="SET #status = :status",
            ConditionExpression="#status = :pending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}, ":pending": {"S": "PENDING"}},
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return str(stands.response["Item"]["status"]["S"])  # type: ignore[typeddict-item]
    clients.workflows().send_task_success(taskToken=answer["Attributes"]["task_token"]["S"], output="{}")
    return status


def process(order_id: str) -> bool:
    """Take a samovar for an order that is approved, once. Answers whether it did."""
    try:
        clients.dynamodb().transact_write_items(
            TransactItems=[
                {
                    "Update": {
                        "TableName": os.environ["APPROVALS_TABLE"],
                        "Key": order_key(order_id),
                        "UpdateExpression": "SET #status = :processed",
                        "ConditionExpression": "#status = :approved",
                        "ExpressionAttributeNames": {"#status": "status"},
                        "ExpressionAttributeValues": {":processed": {"S": "PROCESSED"}, ":approved": {"S": "APPROVED"}},
                    }
                },
                {
                    "Update": {
                        "TableName": os.environ["INVENTORY_TABLE"],
                        "Key": stock_key("samovar"),
                        "UpdateExpression": "SET available = available - :one",
                        "ConditionExpression": "available >= :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
            ]
        )
    except clients.dynamodb().exceptions.TransactionCanceledException as error:
        if error.response["CancellationReasons"][0]["Code"] != "ConditionalCheckFailed":
            raise
        return False
    return True
