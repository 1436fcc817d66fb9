"""Hold an order's stock, or give it back.

Pattern: the effect and its idempotency record in one write. A reservation and the counters that it takes from change
in one transaction, so there is no moment at which one exists without the other, whatever dies. A release that comes
before its reserve leaves the reservation as a tombstone; the late reserve finds it and refuses.

All items live in the Inventory table: the stock of a SKU (`SKU#<sku>`, `STOCK`: `available`; shards.py makes several
counters of it) and the reservation of an order (`ORDER#<order_id>`, `RESERVATION`: `status` RESERVED or RELEASED,
`lines`, and `shard`, unless it is 0).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aws import clients, logger
from inventory import shards
from orders import Reason, ReservationStatus, reservation_key
from orders.errors import TransactionConflict, Unrecoverable
from orders.order_id import is_order_id
from orders.retention import RETENTION_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Item = dict[str, Any]  # as DynamoDB writes it: {"status": {"S": "RESERVED"}, …}

# Why a transaction is cancelled that no repetition mends. Of the other reasons, TransactionConflict has a retry of its
# own; throttling (ProvisionedThroughputExceeded, ThrottlingError) is retried like everything that is not known here.
# https://docs.aws.amazon.com/botocore/latest/reference/services/dynamodb/client/exceptions/TransactionCanceledException.html
_FOR_GOOD = {"ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"}

_ROUNDS = 3  # of trying to reserve; between two of them, what is missing is fetched from other shards


class Line(TypedDict):
    """A SKU and how many of it."""

    sku: str
    quantity: int


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "reserve", "order_id", "lines"}` or `{"action": "release", "order_id", "reason"}`.

    A reserve answers `{"held": true}`, or `{"held": false, "reason"}` for what the business expects to happen; a
    release `{"released": true, "reason"}` with the reason that stands.
    """
    order_id = event["order_id"]
    answer: dict[str, Any]
    match event["action"]:
        case "reserve":
            refusal = reserve(order_id, event["lines"])
            answer = {"held": False, "reason": refusal} if refusal else {"held": True}
            done = "refused" if refusal else "reserved"
        case "release":
            answer = {"released": True, "reason": release(order_id, event["reason"])}
            done = "released"
        case action:
            raise ValueError(f"unknown action {action}")
    logger.info(done, order_id=order_id, reason=answer.get("reason"))
    return answer


def reserve(order_id: str, lines: list[Line]) -> str | None:
    """Take every line from stock, or none. Answers None when the stock is held, else why it is not.

    A repeated call answers what the first one did, whatever the stock is by now. OUT_OF_STOCK leaves nothing behind:
    a later attempt may succeed. Raises TransactionConflict; Unrecoverable when a SKU's stock is no number.
    """
    shard = shards.home(order_id)
    record: TransactWriteItemTypeDef = {
        "Put": {
            "TableName": shards.table(),
            "Item": {
                **reservation_key(order_id),
                "status": {"S": ReservationStatus.RESERVED},
                **_holding(lines, shard),
            },
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    for _ in range(_ROUNDS):
        cancelled = _transact([record, *(_change_stock(line, shard, "take") for line in lines)])
        if not cancelled:
            return None
        # The reservation's own reason comes first: an earlier attempt's success stands, whatever the stock is by now.
        if earlier := cancelled[0].get("Item"):
            return _as_before(earlier, lines)
        short = [(line, _counter(reason)) for line, reason in zip(lines, cancelled[1:], strict=True) if _failed(reason)]
        if not all(shards.are_there_others(counter) for _, counter in short):
            return Reason.OUT_OF_STOCK
        if not _fetch([line for line, _ in short], shard):
            # What it didn't find, another attempt for this same order may have taken while it looked.
            meanwhile = _read(order_id)
            return _as_before(meanwhile, lines) if meanwhile else Reason.OUT_OF_STOCK
    raise TransactionConflict("others took what was fetched from other shards")


def _as_before(earlier: Item, lines: list[Line]) -> str | None:
    """The answer to a reserve that finds a reservation for its order."""
    if earlier["status"]["S"] == ReservationStatus.RELEASED:
        return str(earlier["reason"]["S"])
    return None if _same(earlier["lines"], lines) else Reason.ORDER_CHANGED


def _fetch(lines: list[Line], shard: int) -> bool:
    """Bring what `shard` lacks from other shards. False, and nothing moves, if they don't have enough of one line."""
    found: list[tuple[Line, shards.Spread]] = []
    for line in lines:
        spread = shards.look(line["sku"], line["quantity"])
        if spread is None:
            return False
        found.append((line, spread))
    for line, spread in found:
        if writes := shards.move(line["sku"], shard, line["quantity"], spread):
            _transact(writes)  # if a condition fails, the next round looks again
    return True


def release(order_id: str, reason: str) -> str:
    """Put the order's stock back, or forbid a reservation that has not come yet. Answers the reason that now stands.

    Raises TransactionConflict, also when the reservation changed under our feet; Unrecoverable when a SKU to put back
    no longer exists, or its stock is no number.
    """
    if not is_order_id(order_id):
        return reason  # no reservation can have this id, which may be longer than a key with `ORDER#` in front
    item = _read(order_id)
    if item is None:
        return _leave_tombstone(order_id, reason)
    if item["status"]["S"] == ReservationStatus.RELEASED:
        return str(item["reason"]["S"])
    lines, shard = _from_attribute(item["lines"]), int(item.get("shard", {"N": "0"})["N"])
    record: TransactWriteItemTypeDef = {
        "Update": {
            "TableName": shards.table(),
            "Key": reservation_key(order_id),
            "UpdateExpression": "SET #status = :released, reason = :reason",
            "ConditionExpression": "#status = :reserved",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":released": {"S": ReservationStatus.RELEASED},
                ":reserved": {"S": ReservationStatus.RESERVED},
                ":reason": {"S": reason},
            },
        }
    }
    cancelled = _transact([record, *(_change_stock(line, shard, "return") for line in lines)])
    if not cancelled:
        return reason
    if _failed(cancelled[0]):
        raise TransactionConflict("the reservation changed while it was being released")
    gone = [line["sku"] for line, reason in zip(lines, cancelled[1:], strict=True) if _failed(reason)]
    raise Unrecoverable(f"reserved, and no longer in the inventory: {', '.join(gone)}")


def _leave_tombstone(order_id: str, reason: str) -> str:
    expires_at = int(time.time()) + RETENTION_SECONDS
    try:
        clients.dynamodb().put_item(
            TableName=shards.table(),
            Item={
                **reservation_key(order_id),
                "status": {"S": ReservationStatus.RELEASED},
                "reason": {"S": reason},
                "lines": {"L": []},
                "expires_at": {"N": str(expires_at)},
            },
            ConditionExpression="attribute_not_exists(pk)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        raise TransactionConflict("a reservation arrived while it was being forbidden") from None
    return reason


def _read(order_id: str) -> Item | None:
    answer = clients.dynamodb().get_item(TableName=shards.table(), Key=reservation_key(order_id), ConsistentRead=True)
    return answer.get("Item")


def _transact(items: list[TransactWriteItemTypeDef]) -> list[dict[str, Any]]:
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
        if _failed(reasons[0]) or not codes:
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


def _pk(item: TransactWriteItemTypeDef) -> str:
    write: Any = item.get("Update") or item.get("Put")
    return str((write.get("Key") or write["Item"])["pk"]["S"])


def _failed(reason: dict[str, Any]) -> bool:
    return bool(reason["Code"] == "ConditionalCheckFailed")


def _counter(reason: dict[str, Any]) -> Item:
    """The counter that was short; {} if there is none. Raises Unrecoverable if it is not short but holds no number: a
    condition that compares text with a number just fails.
    """
    counter: Item = reason.get("Item", {})
    shards.units(counter)
    return counter


def _change_stock(line: Line, shard: int, direction: Literal["take", "return"]) -> TransactWriteItemTypeDef:
    """One SKU's counter, down by a line's quantity but never below zero, or up again."""
    take = direction == "take"
    return {
        "Update": {
            "TableName": shards.table(),
            "Key": shards.key(line["sku"], shard),
            "UpdateExpression": f"SET available = available {'-' if take else '+'} :quantity",
            "ConditionExpression": "available >= :quantity" if take else "attribute_exists(available)",
            "ExpressionAttributeValues": {":quantity": {"N": str(line["quantity"])}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",  # shard 0 knows whether there are others
        }
    }


def _holding(lines: list[Line], shard: int) -> Item:
    """What a reservation holds, and of which shard: there it goes back to, however many shards there are by then."""
    held: Item = {
        "lines": {"L": [{"M": {"sku": {"S": line["sku"]}, "quantity": {"N": str(line["quantity"])}}} for line in lines]}
    }
    return {**held, "shard": {"N": str(shard)}} if shard else held


def _from_attribute(lines: Item) -> list[Line]:
    return [{"sku": line["M"]["sku"]["S"], "quantity": int(line["M"]["quantity"]["N"])} for line in lines["L"]]


def _same(attribute: Item, lines: list[Line]) -> bool:
    return {line["sku"]: line["quantity"] for line in _from_attribute(attribute)} == {
        line["sku"]: line["quantity"] for line in lines
    }
