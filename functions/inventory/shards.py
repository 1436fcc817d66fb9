"""The stock of a SKU in one counter or in several, so that many orders at once don't all want the same item.

Two transactions can't write one item at the same moment, and a partition takes 1,000 writes a second. With
`STOCK_SHARDS` = N each SKU has N counters, its shards. Shard 0 is the item that the catalogue and every restock know;
shard k is an item of another partition, which exists once units were moved there. The stock of a SKU is the sum. An
order meets one shard, always the same, for all its lines. With one shard, nothing in here asks DynamoDB for anything.

A shard that is short gets units from the others in a transaction that never changes the sum, so it may happen twice,
late or in vain. `shards` on shard 0 says how many shards ever were: after N was lowered, units are still found in all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from aws import clients
from inventory import table
from orders import Line, Reservation
from orders.errors import TransactionConflict, Unrecoverable
from orders.tables import Item, stock_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ROUNDS = 3  # of trying to reserve; between two of them, what is missing is fetched from other shards
_LOOKS = 4


class Spread(NamedTuple):
    """One look at a SKU's shards: the `units` in each, how often units were `moved` to or from each, and how many
    shards are `known` to shard 0.
    """

    units: list[int]
    moved: list[int]
    known: int


@cache
def count() -> int:
    """How many shards a SKU has. Another deployment may run with another number at the same time."""
    return int(os.environ["STOCK_SHARDS"])


def home(order_id: str) -> int:
    """The shard that an order meets. The same for all its lines: two orders for the same ten SKUs are in each other's
    way with a chance of 1/N, and not of almost one.
    """
    return int.from_bytes(sha256(order_id.encode()).digest()[:8]) % count()


def fetch(short: Mapping[Line, Item], wanting: Reservation, rounds: int) -> bool:
    """Bring what a reservation's shard lacks from other shards. `short` is each line that it lacks, with the counter as
    it was found ({} if there is none); `rounds` are left. True when another attempt is worth while, False when there is
    not enough of one line in all shards; nothing has moved then.

    Raises TransactionConflict when units keep moving; Unrecoverable when a counter holds no number: a condition that
    compares text with a number just fails.
    """
    for counter in short.values():
        units(counter)
    if not all(_are_there_others(counter) for counter in short.values()):
        return False
    found: list[tuple[Line, Spread]] = []
    for line in short:
        spread = look(line.sku, line.quantity)
        if spread is None:
            # What is not there, another attempt for this same order may have taken meanwhile.
            return table.read(wanting.order_id) is not None
        found.append((line, spread))
    if rounds <= 1:
        raise TransactionConflict("others took what was fetched from other shards")
    for line, spread in found:
        if writes := move(line.sku, wanting.shard, line.quantity, spread):
            table.transact(writes)  # if a condition fails, the next round looks again
    return True


def _are_there_others(short: Item) -> bool:
    """Whether units may be elsewhere than in the shard `short`; {} if it doesn't exist."""
    return count() > 1 or "shards" in short


def look(sku: str, wanted: int) -> Spread | None:
    """Where the units of a SKU are. None when all shards together have less than `wanted`.

    Items are read one after the other, so units that move meanwhile can be missed. Too little counts only if nothing
    has moved between two looks: then each unit that was not seen was held by an order. (TransactGetItems would see all
    shards at one moment, and fail for every write that is under way: most of the time, in a rush.)

    Raises TransactionConflict when units keep moving; TimeoutError when DynamoDB leaves keys unprocessed; Unrecoverable
    when a counter holds no number.
    """
    before = None
    for _ in range(_LOOKS):
        spread = _read(sku)
        if sum(spread.units) >= wanted:
            return spread
        if spread.moved == before:
            return None
        before = spread.moved
    raise TransactionConflict("units kept moving while they were counted")


def _read(sku: str) -> Spread:
    shards = count()
    while True:
        pks = [stock_key(sku, shard)["pk"]["S"] for shard in range(shards)]
        items = _read_items([stock_key(sku, shard) for shard in range(shards)])
        first = items.get(pks[0])
        known = _number(first, "shards", 1) if first else 1
        if known <= shards:
            break
        shards = known  # it was lowered since
    if first is None:
        return Spread([0] * shards, [0] * shards, known)  # nobody sells it any more
    counters = [items.get(pk, {}) for pk in pks]
    return Spread([units(counter) for counter in counters], [_number(each, "moved", 0) for each in counters], known)


def _read_items(keys: list[Item]) -> dict[str, Item]:
    request: Any = {table.name(): {"Keys": keys, "ConsistentRead": True}}
    answer = clients.dynamodb().batch_get_item(RequestItems=request)
    if answer["UnprocessedKeys"]:
        raise TimeoutError("the shards could not all be read")
    return {item["pk"]["S"]: item for item in answer["Responses"].get(table.name(), [])}


def units(counter: Item) -> int:
    """How many units a counter has, as it was read; none if it doesn't exist ({}). Raises Unrecoverable when what it
    has is no whole number: somebody has written the item by hand, and no retry changes it.
    """
    return _number(counter, "available") if counter else 0


def _number(counter: Item, attribute: str, otherwise: int | None = None) -> int:
    """An attribute of a counter; `otherwise`, if that is given, where the counter hasn't got it."""
    if attribute not in counter and otherwise is not None:
        return otherwise
    try:
        return int(counter[attribute]["N"])
    except (KeyError, ValueError):
        raise Unrecoverable(f"{counter['pk']['S']}: {attribute} is no whole number") from None


def move(sku: str, shard: int, quantity: int, spread: Spread) -> list[TransactWriteItemTypeDef]:
    """The writes that bring a shard to `quantity`, or to its fair share of all if that is more; none if it has enough.

    With a fair share, the other shards that are almost empty get theirs as well: what a restock put into shard 0 is
    spread by the first order that is short. Nothing is taken that is not there when the writes come.
    """
    if spread.units[shard] >= quantity:
        return []
    share = sum(spread.units) // count()
    level = max(share, quantity)
    change = {
        at: level - units
        for at, units in enumerate(spread.units)
        if at == shard or (level == share and at < count() and units < share // 2)
    }
    missing = sum(change.values())
    for at in sorted(set(range(len(spread.units))) - set(change), key=lambda at: -spread.units[at]):
        if missing == 0:
            break
        change[at] = -min(spread.units[at], missing)
        missing += change[at]
    shards = len(spread.units)
    if spread.known < shards:
        change.setdefault(0, 0)  # nobody may find units in a new shard before shard 0 knows of it
    return [_change(sku, at, by, shards if at == 0 and spread.known < shards else None) for at, by in change.items()]


def _change(sku: str, shard: int, by: int, shards: int | None) -> TransactWriteItemTypeDef:
    """One shard's part in a move. `shards`, for shard 0, is how many there are from now on."""
    conditions = []
    update = "ADD available :by, moved :one"
    values: Item = {":by": {"N": str(by)}, ":one": {"N": "1"}}
    if by < 0:
        conditions.append("available >= :taken")
        values[":taken"] = {"N": str(-by)}
    elif shard == 0:
        conditions.append("attribute_exists(available)")  # or it would put a SKU into the catalogue that has no price
    if shards:
        conditions.append("(attribute_not_exists(shards) OR shards < :shards)")
        values[":shards"] = {"N": str(shards)}
        update = f"SET shards = :shards {update}"
    write: Any = {
        "TableName": table.name(),
        "Key": stock_key(sku, shard),
        "UpdateExpression": update,
        "ExpressionAttributeValues": values,
    }
    if conditions:
        write["ConditionExpression"] = " AND ".join(conditions)
    return {"Update": write}
