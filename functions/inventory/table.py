"""Reading and writing the Inventory table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aws import clients
from orders import Reservation
from orders.errors import TransactionConflict, Unrecoverable
from orders.tables import reservation_from, reservation_key

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
