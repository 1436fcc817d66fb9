"""An order's way after its decision, one guarded transition at a time.

Pattern: a state machine in a table. A workflow waits and remembers where it was, and there may be two of it, or none;
what an order has come to is in OrderStates, and each step there has the one before it as its condition. So two that
race, a customer who cancels and a warehouse that ships, are decided by whichever write comes first, and the other one
reads what stands.
"""

from __future__ import annotations

import os
import time

from aws import clients
from orders import NEXT, Reason, Status, iso_8601
from orders.tables import Item, order_key


def advance(order_id: str, before: Status, after: Status, reason: Reason | None = None) -> Item:
    """Bring the order from one status to the next, if it is there; answers the item as it stands after that.

    Raises ValueError for a step that there is not.
    """
    if after not in NEXT[before]:
        raise ValueError(f"nothing goes from {before} to {after}")
    values: Item = {
        ":before": {"S": before},
        ":after": {"S": after},
        ":now": {"S": iso_8601(time.time())},
    }
    if reason:
        values[":reason"] = {"S": reason}
    try:
        answer = clients.dynamodb().update_item(
            TableName=os.environ["ORDER_STATES_TABLE"],
            Key=order_key(order_id),
            UpdateExpression=f"SET #status = :after, history.#after = :now{', reason = :reason' if reason else ''}",
            ConditionExpression="#status = :before",
            ExpressionAttributeNames={"#status": "status", "#after": after},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        standing: Item = stands.response["Item"]  # type: ignore[typeddict-item]
        return standing
    return answer["Attributes"]


def since(state: Item, status: Status) -> str:
    """When the order came to a status, in ISO 8601; empty if it did not."""
    return str(state["history"]["M"].get(status, {"S": ""})["S"])
