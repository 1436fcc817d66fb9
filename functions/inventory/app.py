"""Hold an order's stock, or give it back; put back what comes back of it (restock.py).

Pattern: the effect and its idempotency record in one write. A reservation and the counters that it takes from change
in one transaction, so there is no moment at which one exists without the other, whatever dies. A release that comes
before its reserve leaves the reservation as a tombstone; the late reserve finds it and refuses.

All items live in the Inventory table (orders/tables.py): the stock of a SKU, which shards.py may split over several
counters, the reservation of an order, and beside it what was put back of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aws import clients, logger
from inventory import shards, table
from inventory.restock import restock
from orders import Line, Reason, Reservation, ReservationStatus
from orders.errors import TransactionConflict
from orders.order_id import is_order_id
from orders.retention import RETENTION_SECONDS
from orders.tables import reservation_from, reservation_item, reservation_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"action": "reserve", "order_id", "lines"}`, `{"action": "release", "order_id", "reason"}` or `{"action":
    "restock", "order_id", "return_id", "lines"}`, without lines for everything. A line is `{"sku", "quantity"}`, of a
    reserve also with its `unit_price` in minor units.

    A reserve answers `{"held": true}`, or `{"held": false, "reason"}` for what the business expects to happen; a
    release `{"released": true, "reason"}` with the reason that stands; a restock `{"restocked": true}`.
    """
    order_id = event["order_id"]
    answer: dict[str, Any]
    match event["action"]:
        case "reserve":
            refusal = reserve(order_id, [Line(**line) for line in event["lines"]])
            answer = {"held": False, "reason": refusal} if refusal else {"held": True}
            done = "refused" if refusal else "reserved"
        case "release":
            answer = {"released": True, "reason": release(order_id, event["reason"])}
            done = "released"
        case "restock":
            restock(
                order_id, event["return_id"], [Line(**line) for line in event["lines"]] if "lines" in event else None
            )
            return {"restocked": True}
        case action:
            raise ValueError(f"unknown action {action}")
    logger.info(done, order_id=order_id, reason=answer.get("reason"))
    return answer


def reserve(order_id: str, lines: Sequence[Line], rounds: int = shards.ROUNDS) -> str | None:
    """Take every line from stock, or none. Answers None when the stock is held, else why it is not.

    A repeated call answers what the first one did, whatever the stock is by now. OUT_OF_STOCK leaves nothing behind:
    a later attempt may succeed. `rounds` are left, of which only shards take more than one.

    Raises TransactionConflict; Unrecoverable when a SKU's stock is no number.
    """
    shard = shards.home(order_id)
    reservation = Reservation(order_id, ReservationStatus.RESERVED, tuple(lines), shard)
    record: TransactWriteItemTypeDef = {
        "Put": {
            "TableName": table.name(),
            "Item": reservation_item(reservation),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    cancelled = table.transact([record, *(table.change_stock(line, shard, "take") for line in lines)])
    if not cancelled:
        return None
    # The reservation's own reason comes first: an earlier attempt's success stands, whatever the stock is by now.
    if earlier := cancelled[0].get("Item"):
        return _as_before(reservation_from(earlier), lines)
    short = {
        line: reason.get("Item", {}) for line, reason in zip(lines, cancelled[1:], strict=True) if table.failed(reason)
    }
    if shards.fetch(short, reservation, rounds):
        return reserve(order_id, lines, rounds - 1)
    return Reason.OUT_OF_STOCK


def _as_before(earlier: Reservation, lines: Sequence[Line]) -> str | None:
    """The answer to a reserve that finds a reservation for its order."""
    if earlier.status == ReservationStatus.RELEASED:
        return earlier.reason
    return None if _are_the_same(earlier.lines, lines) else Reason.ORDER_CHANGED


def _are_the_same(some: Sequence[Line], others: Sequence[Line]) -> bool:
    """Whether these are the lines of one order. A price of 0 was not written down: there was a time when none was."""

    def agree(one: Line, other: Line) -> bool:
        same_price = one.unit_price == other.unit_price or 0 in (one.unit_price, other.unit_price)
        return one.quantity == other.quantity and same_price

    mine, theirs = ({line.sku: line for line in lines} for lines in (some, others))
    return mine.keys() == theirs.keys() and all(agree(line, theirs[sku]) for sku, line in mine.items())


def release(order_id: str, reason: str) -> str:
    """Put the order's stock back, or forbid a reservation that has not come yet. Answers the reason that now stands.

    Raises TransactionConflict, also when the reservation changed under our feet; Unrecoverable when a SKU to put back
    no longer exists, or its stock is no number.
    """
    if not is_order_id(order_id):
        return reason  # no reservation can have this id, which may be longer than a key with `ORDER#` in front
    held = table.read(order_id)
    if held is None:
        return _leave_tombstone(order_id, reason)
    if held.status == ReservationStatus.RELEASED:
        return held.reason
    record: TransactWriteItemTypeDef = {
        "Update": {
            "TableName": table.name(),
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
    if table.put_back(record, held.lines, held.shard):
        raise TransactionConflict("the reservation changed while it was being released")
    return reason


def _leave_tombstone(order_id: str, reason: str) -> str:
    expires_at = int(time.time()) + RETENTION_SECONDS
    tombstone = reservation_item(Reservation(order_id, ReservationStatus.RELEASED, reason=reason))
    try:
        clients.dynamodb().put_item(
            TableName=table.name(),
            Item=tombstone | {"expires_at": {"N": str(expires_at)}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        raise TransactionConflict("a reservation arrived while it was being forbidden") from None
    return reason
