"""What DynamoDB bills for a request, on demand: read and write units, from the request and the items it touched.

The rules are the developer guide's, read in November 2026:

* item size: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
* reads and writes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
* transactions: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-capacity-handling
* indexes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations

The guide leaves three things open. Where it matters, the dearer reading is taken. A number has the size that the guide
calls approximate. A cancelled transaction is billed like one that was carried out, whichever item was the reason. An
update whose condition failed is taken to be as large as the item that was there. Any other error (a validation, a
throttled request) is not billed.
"""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

Item = dict[str, Any]  # as DynamoDB writes it: {"status": {"S": "RESERVED"}, …}

# Conditional writes that fail are billed. Every other error is not: nothing was read or written.
BILLED_ERRORS = ("ConditionalCheckFailedException", "TransactionCanceledException")
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")

READ_BYTES, WRITE_BYTES = 4096, 1024  # of one unit


class Units(NamedTuple):
    """Read and write request units."""

    reads: float = 0.0
    writes: float = 0.0


@dataclass(frozen=True)
class Index:
    """A global secondary index: its key, and the attributes that it projects in addition to keys (None: all)."""

    key: tuple[str, ...]
    projected: frozenset[str] | None = None


@dataclass(frozen=True)
class Table:
    """What of a table decides on the bill."""

    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()


Lookup = Callable[[str, Item], Item | None]  # the item of a table with a key, if there is one


@dataclass(frozen=True)
class Request:
    """One request: `params` as DynamoDB gets them, the `answer`'s body, and the `error`'s code if it is one. `before`
    and `after` look items up as they were when it came and when it was done.
    """

    operation: str
    params: Mapping[str, Any]
    before: Lookup
    after: Lookup
    answer: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def item_size(item: Mapping[str, Any]) -> int:
    """Bytes of an item: its attributes' names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value: Mapping[str, Any]) -> int:
    """Bytes of one value, without its name. A list or map takes 3 more, and 1 for each element."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return number_size(content)
        case "B":
            return _binary_size(content)
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "NS":
            return sum(map(number_size, content))
        case "BS":
            return sum(map(_binary_size, content))
        case "L":
            return 3 + sum(1 + value_size(element) for element in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(element) for name, element in content.items())
    raise ValueError(f"not a DynamoDB type: {kind}")


def number_size(text: str) -> int:
    """Bytes of a number: one for every two significant digits, and one more. Zeros on either end don't count."""
    digits = "".join(map(str, Decimal(text).as_tuple().digits)).strip("0")
    return math.ceil(len(digits) / 2) + 1


def _binary_size(content: str | bytes) -> int:
    """Bytes of a binary value as they are, not of its base64."""
    return len(base64.b64decode(content) if isinstance(content, str) else content)


def read_units(size: int, *, consistent: bool) -> float:
    """Units for reading `size` bytes: one for each 4 KB begun, half of that when eventually consistent. An item
    that does not exist costs as much as a small one.
    """
    return max(1, math.ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def write_units(size: int) -> int:
    """Units for writing an item of `size` bytes: one for each KB begun."""
    return max(1, math.ceil(size / WRITE_BYTES))


def units_of(request: Request, tables: Mapping[str, Table]) -> dict[str, Units]:
    """What a request is billed, by table. Raises NotImplementedError for what the model does not know."""
    if request.error and request.error not in BILLED_ERRORS:
        return {}
    reads: defaultdict[str, float] = defaultdict(float)
    writes: defaultdict[str, float] = defaultdict(float)
    for table, amount in _reads(request):
        reads[table] += amount
    for table, amount in _writes(request, tables):
        writes[table] += amount
    return {table: Units(reads[table], writes[table]) for table in {**reads, **writes}}


def _reads(request: Request) -> Iterator[tuple[str, float]]:
    params = request.params
    match request.operation:
        case "GetItem":
            yield params["TableName"], _read(request.before(params["TableName"], params["Key"]), params)
        case "BatchGetItem":
            for table, wanted in params["RequestItems"].items():
                for key in wanted["Keys"]:
                    yield table, _read(request.before(table, key), wanted)
        case "Query" | "Scan":
            yield params["TableName"], _read_all(params, request.answer)
        case operation if operation not in WRITES:
            raise NotImplementedError(f"what is {operation} billed?")


def _writes(request: Request, tables: Mapping[str, Table]) -> Iterator[tuple[str, float]]:
    # A transaction writes every item twice: to prepare, and to commit.
    times = 2 if request.operation == "TransactWriteItems" else 1
    for write in _members(request.operation, request.params):
        yield write["TableName"], times * _write(request, write, tables) + _index_writes(request, write, tables)


def _members(operation: str, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The single writes that a request is made of."""
    match operation:
        case "PutItem" | "UpdateItem" | "DeleteItem":
            yield params
        case "BatchWriteItem":
            for table, members in params["RequestItems"].items():
                for member in members:
                    yield {"TableName": table, **next(iter(member.values()))}
        case "TransactWriteItems":
            for member in params["TransactItems"]:
                yield next(iter(member.values()))


def _read(item: Item | None, request: Mapping[str, Any]) -> float:
    return read_units(item_size(item or {}), consistent=request.get("ConsistentRead", False))


def _read_all(request: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    """A query's items are added up, then rounded. Items that it read and filtered out can't be seen here."""
    for option in ("FilterExpression", "ProjectionExpression", "Select"):
        if option in request:
            raise NotImplementedError(f"what does a query with {option} read?")
    size = sum(item_size(item) for item in answer["Items"])
    return read_units(size, consistent=request.get("ConsistentRead", False))


def _write(request: Request, write: Mapping[str, Any], tables: Mapping[str, Table]) -> int:
    """By the largest of the item before, the item after, and, where a condition failed, the item that was sent."""
    key = _key(write, tables)
    versions = (request.before(write["TableName"], key), request.after(write["TableName"], key), write.get("Item"))
    return write_units(max(item_size(item or {}) for item in versions))


def _index_writes(request: Request, write: Mapping[str, Any], tables: Mapping[str, Table]) -> int:
    table, key = tables[write["TableName"]], _key(write, tables)
    old, new = request.before(write["TableName"], key), request.after(write["TableName"], key)
    return sum(_index_units(index, table.key, old, new) for index in table.indexes)


def _key(write: Mapping[str, Any], tables: Mapping[str, Table]) -> Item:
    if "Key" in write:
        return dict(write["Key"])
    return {name: write["Item"][name] for name in tables[write["TableName"]].key}


def _index_units(index: Index, table_key: tuple[str, ...], old: Item | None, new: Item | None) -> int:
    """Writes of an index: one to put an entry, change what it projects or take it out, two when its key changes."""
    was, now = _entry(index, table_key, old), _entry(index, table_key, new)
    if was == now:
        return 0
    if was and now and all(was[name] == now[name] for name in index.key):
        return write_units(max(item_size(was), item_size(now)))
    return sum(write_units(item_size(entry)) for entry in (was, now) if entry)


def _entry(index: Index, table_key: tuple[str, ...], item: Item | None) -> Item | None:
    if item is None or any(name not in item for name in index.key):
        return None
    if index.projected is None:
        return dict(item)
    return {name: value for name, value in item.items() if name in {*index.key, *table_key, *index.projected}}


def touched(operation: str, params: Mapping[str, Any], tables: Mapping[str, Table]) -> Iterator[tuple[str, Item]]:
    """The items that a request names: their tables and keys."""
    match operation:
        case "GetItem":
            yield params["TableName"], params["Key"]
        case "BatchGetItem":
            for table, wanted in params["RequestItems"].items():
                for key in wanted["Keys"]:
                    yield table, key
        case operation if operation in WRITES:
            for write in _members(operation, params):
                yield write["TableName"], _key(write, tables)
