"""The decision of an order, for those who decide outside of its workflow: its customer, and who has to approve it.

Pattern: first writer wins. The write is the workflow's own, with one condition: what was decided first stands for
ever, whoever decided, and everybody else learns what stands. The change goes to the bus by the table's stream.
"""

from __future__ import annotations

import os
import time

from aws import clients
from orders import Outcome, Reason, iso_8601
from orders.tables import Item, order_key


def cancel(order_id: str, reason: Reason) -> Item:
    """Cancel the order unless it is decided; answers what became of it, as OrderStates has it."""
    now = {"S": iso_8601(time.time())}
    outcome = {"S": Outcome.CANCELLED}
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["ORDER_STATES_TABLE"],
            Key=order_key(order_id),
            UpdateExpression="SET decision = :decision, #status = :outcome, history = :history",
            ConditionExpression="attribute_not_exists(decision)",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":decision": {"M": {"outcome": outcome, "reason": {"S": reason}, "decided_at": now}},
                ":outcome": outcome,
                ":history": {"M": {Outcome.CANCELLED: now}},
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        standing: Item = stands.response["Item"]  # type: ignore[typeddict-item]
        return standing
    return answer["Attributes"]
