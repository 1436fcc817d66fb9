"""Reading and writing the Inventory table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from aws import clients
from orders import Line, Reservation
from orders.errors import TransactionConflict, Unrecoverable
from orders.shipping import counts
from orders.tables import Item, is_restock, order_of_restock, reservation_from, reservation_key, stock_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# Why a transaction is cancelled that no repetition mends. Of the other reasons, TransactionConflict has a retry of its
# own; throttling (ProvisionedThroughputExceeded, ThrottlingError) is retried like everything that is not known here.
# https://docs.aws.amazon.com/botocore/latest/reference/services/dynamodb/client/exceptions/TransactionCanceledException.html
_FOR_GOOD = {"ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"}


def name() -> str:
    """The Inventory table's name."""
    return os.environ["INVENTORY_TABLE"]


def read(order_id: str) -> Reservation | None:
    """The order's reservation, read consistently."""
    answer = clients.dynamodb().get_item(TableName=name(), Key=reservation_key(order_id), ConsistentRead=True)
    return reservation_from(answer["Item"]) if "Item" in answer else None


def read_with_restocks(order_id: str) -> tuple[Reservation | None, dict[str, Mapping[str, int]]]:
    """The order's reservation, and what was put back of it: units by SKU, by return. Read consistently, and in one
    page: that holds 1 MB, the reservation and hundreds of returns.
    """
    answer = clients.dynamodb().query(
        TableName=name(),
        KeyConditionExpression="pk = :order",
        ExpressionAttributeValues={":order": reservation_key(order_id)["pk"]},
        ConsistentRead=True,
    )
    items: list[Item] = answer["Items"]
    reservation = None
    restocked: dict[str, Mapping[str, int]] = {}
    for item in items:
        if is_restock(item):
            restocked[order_of_restock(item)[1]] = counts(item["units"])
        else:
            reservation = reservation_from(item)
    return reservation, restocked


def change_stock(line: Line, shard: int, direction: Literal["take", "return"]) -> TransactWriteItemTypeDef:
    """One SKU's counter, down by a line's quantity but never below zero, or up again."""
    take = direction == "take"
    return {
        "Update": {
            "TableName": name(),
            "Key": stock_key(line.sku, shard),
            "UpdateExpression": f"SET available = available {'-' if take else '+'} :quantity",
            "ConditionExpression": "available >= :quantity" if take else "attribute_exists(available)",
            "ExpressionAttributeValues": {":quantity": {"N": str(line.quantity)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",  # a counter tells whether there are others
        }
    }


def put_back(record: TransactWriteItemTypeDef, lines: Sequence[Line], shard: int) -> dict[str, Any] | None:
    """Write `record` and count these lines up, or do neither. Answers None when it is written, else the reason why the
    record's own condition failed.

    Raises Unrecoverable when a SKU to put back no longer exists; what `transact` raises.
    """
    cancelled = transact([record, *(change_stock(line, shard, "return") for line in lines)])
    if not cancelled:
        return None
    if failed(cancelled[0]):
        return cancelled[0]
    gone = [line.sku for line, why in zip(lines, cancelled[1:], strict=True) if failed(why)]
    raise Unrecoverable(f"reserved, and no longer in the inventory: {', '.join(gone)}")


def transact(items: list[TransactWriteItemTypeDef]) -> list[dict[str, Any]]:
    """Write all of `items` or none. Answers nothing when written, else the cancellation reasons in the items' order.

    If the first item's condition failed, that answer is final, and nothing elsewhere changes it. Otherwise raises
    Unrecoverable when an item can never be written like this; TransactionConflict when another transaction was in the
    way; for throttling, and for whatever DynamoDB may yet think of, its own exception.
    """
    try:
        clients.dynamodb().transact_write_items(TransactItems=items)
    except clients.dynamodb().exceptions.TransactionCanceledException as error:
        reasons: list[Any] = error.response["CancellationReasons"]
        codes = {reason["Code"] for reason in reasons} - {"None", "ConditionalCheckFailed"}
        if failed(reasons[0]) or not codes:
            return reasons
        if codes & _FOR_GOOD:
            refused = [
                f"{reason['Code']} for {_pk(item)}"
                for item, reason in zip(items, reasons, strict=True)
                if reason["Code"] in _FOR_GOOD
            ]
            raise Unrecoverable(f"DynamoDB refuses the write: {', '.join(refused)}") from None
        if "TransactionConflict" in codes:
            raise TransactionConflict(", ".join(sorted(codes))) from None
        raise
    return []


def failed(reason: dict[str, Any]) -> bool:
    """Whether this item's condition failed."""
    return bool(reason["Code"] == "ConditionalCheckFailed")


def _pk(item: TransactWriteItemTypeDef) -> str:
    write: Any = item.get("Update") or item.get("Put")
    return str((write.get("Key") or write["Item"])["pk"]["S"])
