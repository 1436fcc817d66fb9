"""Put back into stock what comes back of an order: with a return, or because it is cancelled before it ships.

Pattern: the effect and its idempotency record in one write, as in reserve. What was put back is an item beside the
order's reservation, made in the transaction that counts the units up, and it never expires: whoever comes again, at the
same moment or a year later, finds it. The reservation stays as it is, for it says what the customer bought.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws import logger
from inventory import table
from orders import Line, ReservationStatus
from orders.errors import Unrecoverable
from orders.shipping import counted, counts
from orders.tables import restock_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def restock(order_id: str, return_id: str, lines: Sequence[Line] | None) -> None:
    """Put a return's lines back where they were taken from; with None, all that the reservation holds. Once for each
    return, however often it is called.

    That no two returns give back the same unit is the caller's to see to. What would give back more than is still out
    is refused all the same.

    Raises TransactionConflict; Unrecoverable when the order holds no stock, or less than that, when the return was put
    back with other lines, when a SKU to put back no longer exists, or its stock is no number.
    """
    reservation, restocked = table.read_with_restocks(order_id)
    asked = None if lines is None else _units(lines)
    if return_id in restocked:
        _as_before(order_id, return_id, restocked[return_id], asked)
        return
    if reservation is None or reservation.status != ReservationStatus.RESERVED:
        raise Unrecoverable("cannot restock what is not reserved")
    bought = _units(reservation.lines)
    units = bought if asked is None else asked
    out = Counter(bought)
    for earlier in restocked.values():
        out.subtract(earlier)
    if too_much := [sku for sku, quantity in units.items() if not 0 < quantity <= out[sku]]:
        raise Unrecoverable(f"cannot restock more than is out: {', '.join(too_much)}")
    record: TransactWriteItemTypeDef = {
        "Put": {
            "TableName": table.name(),
            "Item": {**restock_key(order_id, return_id), "units": counted(units)},
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    if refused := table.put_back(record, [Line(*each) for each in units.items()], reservation.shard):
        _as_before(order_id, return_id, counts(refused["Item"]["units"]), asked)
    else:
        logger.info("restocked", order_id=order_id, return_id=return_id)


def _units(lines: Sequence[Line]) -> dict[str, int]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.sku] += line.quantity
    return dict(units)


def _as_before(order_id: str, return_id: str, earlier: Mapping[str, int], asked: Mapping[str, int] | None) -> None:
    """What was put back stands."""
    if asked is not None and asked != earlier:
        raise Unrecoverable("the return was restocked with other lines")
    logger.debug("restocked before", order_id=order_id, return_id=return_id)
