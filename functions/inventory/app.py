"""Hold an order's stock, or give it back.

Pattern: the effect and its idempotency record in one write. A reservation and the counters that it takes from change
in one transaction, so there is no moment at which one exists without the other, whatever dies. A release that comes
before its reserve leaves the reservation as a tombstone; the late reserve finds it and refuses.

All items live in the Inventory table: the stock of a SKU (`SKU#<sku>`, `STOCK`: `available`) and the reservation of an
order (`ORDER#<order_id>`, `RESERVATION`: `status` RESERVED or RELEASED, `lines`).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from orders import clients
from orders.errors import TransactionConflict, Unrecoverable
from orders.log import logger
from orders.retention import RETENTION_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Item = dict[str, Any]  # as DynamoDB writes it: {"status": {"S": "RESERVED"}, …}


class Line(TypedDict):
    """A SKU and how many of it."""

    sku: str
    quantity: int


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "reserve", "order_id", "lines"}` or `{"action": "release", "order_id", "reason"}`.

    Answers `{"held": true}`, or `{"held": false, "reason"}` for what the business expects to happen.
    """
    order_id = event["order_id"]
    match event["action"]:
        case "reserve":
            refusal = reserve(order_id, event["lines"])
        case "release":
            refusal = release(order_id, event["reason"])
        case action:
            raise ValueError(f"unknown action {action}")
    logger.info(event["action"], order_id=order_id, refusal=refusal)
    return {"held": False, "reason": refusal} if refusal else {"held": True}


def reserve(order_id: str, lines: list[Line]) -> str | None:
    """Take every line from stock, or none. Answers None when the stock is held, else why it is not.

    A repeated call answers what the first one did, whatever the stock is by now. OUT_OF_STOCK leaves nothing behind:
    a later attempt may succeed. Raises TransactionConflict.
    """
    record: TransactWriteItemTypeDef = {
        "Put": {
            "TableName": _table(),
            "Item": {**_reservation(order_id), "status": {"S": "RESERVED"}, "lines": _as_attribute(lines)},
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    cancelled = _transact([record, *(_change_stock(line, "take") for line in lines)])
    if not cancelled:
        return None
    # The reservation's own reason comes first: an earlier attempt's success stands, also when the stock sold out since.
    if earlier := cancelled[0].get("Item"):
        if earlier["status"]["S"] == "RELEASED":
            return str(earlier["reason"]["S"])
        return None if _same(earlier["lines"], lines) else "ORDER_CHANGED"
    return "OUT_OF_STOCK"


def release(order_id: str, reason: str) -> str:
    """Put the order's stock back, or forbid a reservation that has not come yet. Answers the reason that now stands.

    Raises TransactionConflict, also when the reservation changed under our feet; Unrecoverable when a SKU to put back
    no longer exists.
    """
    answer = clients.dynamodb().get_item(TableName=_table(), Key=_reservation(order_id), ConsistentRead=True)
    if "Item" not in answer:
        return _leave_tombstone(order_id, reason)
    item: Item = answer["Item"]
    if item["status"]["S"] == "RELEASED":
        return str(item["reason"]["S"])
    lines = _from_attribute(item["lines"])
    record: TransactWriteItemTypeDef = {
        "Update": {
            "TableName": _table(),
            "Key": _reservation(order_id),
            "UpdateExpression": "SET #status = :released, reason = :reason",
            "ConditionExpression": "#status = :reserved",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":released": {"S": "RELEASED"},
                ":reserved": {"S": "RESERVED"},
                ":reason": {"S": reason},
            },
        }
    }
    cancelled = _transact([record, *(_change_stock(line, "return") for line in lines)])
    if not cancelled:
        return reason
    if _failed(cancelled[0]):
        raise TransactionConflict("the reservation changed while it was being released")
    raise Unrecoverable("a reserved SKU is no longer in the inventory")


def _leave_tombstone(order_id: str, reason: str) -> str:
    expires_at = int(time.time()) + RETENTION_SECONDS
    try:
        clients.dynamodb().put_item(
            TableName=_table(),
            Item={
                **_reservation(order_id),
                "status": {"S": "RELEASED"},
                "reason": {"S": reason},
                "lines": {"L": []},
                "expires_at": {"N": str(expires_at)},
            },
            ConditionExpression="attribute_not_exists(pk)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        raise TransactionConflict("a reservation arrived while it was being forbidden") from None
    return reason


def _transact(items: list[TransactWriteItemTypeDef]) -> list[dict[str, Any]]:
    """Write all of `items` or none. Answers nothing when written, else the cancellation reasons in the items' order.

    Raises TransactionConflict when another transaction was in the way, unless the first item's condition failed:
    that answer is final, and a conflict elsewhere doesn't change it.
    """
    try:
        clients.dynamodb().transact_write_items(TransactItems=items)
    except clients.dynamodb().exceptions.TransactionCanceledException as error:
        reasons: list[Any] = error.response["CancellationReasons"]
        codes = {reason["Code"] for reason in reasons}
        if not _failed(reasons[0]) and codes - {"None", "ConditionalCheckFailed"}:
            raise TransactionConflict(", ".join(sorted(codes))) from None
        return reasons
    return []


def _failed(reason: dict[str, Any]) -> bool:
    return bool(reason["Code"] == "ConditionalCheckFailed")


def _change_stock(line: Line, direction: Literal["take", "return"]) -> TransactWriteItemTypeDef:
    """One SKU's counter, down by a line's quantity but never below zero, or up again."""
    take = direction == "take"
    return {
        "Update": {
            "TableName": _table(),
            "Key": {"pk": {"S": f"SKU#{line['sku']}"}, "sk": {"S": "STOCK"}},
            "UpdateExpression": f"SET available = available {'-' if take else '+'} :quantity",
            "ConditionExpression": "available >= :quantity" if take else "attribute_exists(available)",
            "ExpressionAttributeValues": {":quantity": {"N": str(line["quantity"])}},
        }
    }


def _table() -> str:
    return os.environ["INVENTORY_TABLE"]


def _reservation(order_id: str) -> Item:
    return {"pk": {"S": f"ORDER#{order_id}"}, "sk": {"S": "RESERVATION"}}


def _as_attribute(lines: list[Line]) -> Item:
    return {"L": [{"M": {"sku": {"S": line["sku"]}, "quantity": {"N": str(line["quantity"])}}} for line in lines]}


def _from_attribute(lines: Item) -> list[Line]:
    return [{"sku": line["M"]["sku"]["S"], "quantity": int(line["M"]["quantity"]["N"])} for line in lines["L"]]


def _same(attribute: Item, lines: list[Line]) -> bool:
    return {line["sku"]: line["quantity"] for line in _from_attribute(attribute)} == {
        line["sku"]: line["quantity"] for line in lines
    }
