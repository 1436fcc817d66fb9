"""What DynamoDB bills for a request, on demand: read and write units, from the request and the items it touched.

The rules are the developer guide's, read in November 2026:

* item size: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
* reads and writes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
* scans: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.CapacityUnits
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Item = dict[str, Any]  # as DynamoDB writes it: {"status": {"S": "RESERVED"}, …}
Params = Mapping[str, Any]

BILLED_ERRORS = (None, "ConditionalCheckFailedException", "TransactionCanceledException")
READ_BYTES, WRITE_BYTES = 4096, 1024  # of one unit


@dataclass(frozen=True)
class Units:
    """Read and write request units."""

    reads: float = 0.0
    writes: float = 0.0

    def __add__(self, other: Units) -> Units:
        return Units(self.reads + other.reads, self.writes + other.writes)


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


def table_of(description: Mapping[str, Any]) -> Table:
    """The same, from what DynamoDB says of a table."""

    def key(schema: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
        return tuple(element["AttributeName"] for element in schema)

    def index(one: Mapping[str, Any]) -> Index:
        everything = one["Projection"]["ProjectionType"] == "ALL"
        projected = None if everything else frozenset(one["Projection"].get("NonKeyAttributes", ()))
        return Index(key(one["KeySchema"]), projected)

    indexes = tuple(index(one) for one in description.get("GlobalSecondaryIndexes") or ())
    return Table(key(description["KeySchema"]), indexes)


@dataclass(frozen=True)
class Touched:
    """An item that a request names: its table and key, and the item itself where a put sends it."""

    table: str
    key: Item
    sent: Item = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request: `params` as DynamoDB gets them, the items that it has `touched`, in that order, as they were when it
    came and when it was done, the `answer`'s body, and the `error`'s code if it is one. `read` are the items that a
    scan went over, also those that it filtered out.
    """

    operation: str
    params: Params
    before: Sequence[Item | None]
    after: Sequence[Item | None]
    answer: Params = field(default_factory=dict)
    error: str | None = None
    read: Sequence[Item] = ()


def item_size(item: Item) -> int:
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
            return len(base64.b64decode(content))
        case "BOOL" | "NULL":
            return 1
        case "SS" | "NS" | "BS":
            return sum(value_size({kind[0]: member}) for member in content)
        case "L":
            return 3 + sum(1 + value_size(element) for element in content)
        case "M":
            return 3 + len(content) + item_size(content)
    raise ValueError(f"not a DynamoDB type: {kind}")


def number_size(text: str) -> int:
    """Bytes of a number: one for every two significant digits, and one more. Zeros on either end don't count."""
    digits = "".join(map(str, Decimal(text).as_tuple().digits)).strip("0")
    return math.ceil(len(digits) / 2) + 1


def read_units(size: int, *, consistent: bool) -> float:
    """Units for reading `size` bytes: one for each 4 KB begun, half of that when eventually consistent. An item
    that does not exist costs as much as a small one.
    """
    return max(1, math.ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def write_units(size: int) -> int:
    """Units for writing an item of `size` bytes: one for each KB begun."""
    return max(1, math.ceil(size / WRITE_BYTES))


def touched(operation: str, params: Params, tables: Mapping[str, Table]) -> list[Touched]:
    """The items that a request names; a query and a scan name none. Raises NotImplementedError for what the model does
    not know.
    """

    def written(write: Params) -> Touched:
        item = write.get("Item", {})
        return Touched(
            write["TableName"], write.get("Key") or {name: item[name] for name in tables[write["TableName"]].key}, item
        )

    match operation:
        case "GetItem":
            return [Touched(params["TableName"], params["Key"])]
        case "BatchGetItem":
            return [Touched(table, key) for table, wanted in params["RequestItems"].items() for key in wanted["Keys"]]
        case "Query" | "Scan":
            return []
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return [written(params)]
        case "BatchWriteItem":
            return [
                written({"TableName": table, **one})
                for table, writes in params["RequestItems"].items()
                for write in writes
                for one in write.values()
            ]
        case "TransactWriteItems":
            return [written(write) for member in params["TransactItems"] for write in member.values()]
    raise NotImplementedError(f"what is {operation} billed?")


def units_of(request: Request, tables: Mapping[str, Table]) -> Iterator[tuple[str, Units]]:
    """What a request is billed, as tables and units. Raises NotImplementedError for what the model does not know."""
    operation, params = request.operation, request.params
    if request.error not in BILLED_ERRORS:
        return
    if operation == "Query":
        yield params["TableName"], _query(params, request.answer)
    if operation == "Scan":
        yield params["TableName"], Units(reads=_read(request.read, params))
    # What a batch did not take was not written.
    unprocessed: list[Touched] = []
    if operation == "BatchWriteItem":
        unprocessed = touched(operation, {"RequestItems": request.answer["UnprocessedItems"]}, tables)
    for named, old, new in zip(touched(operation, params, tables), request.before, request.after, strict=True):
        if operation in ("GetItem", "BatchGetItem"):
            asked = params if operation == "GetItem" else params["RequestItems"][named.table]
            yield named.table, Units(reads=_read([old or {}], asked))
        elif named not in unprocessed:
            # A transaction writes every item twice: to prepare, and to commit.
            times = 2 if operation == "TransactWriteItems" else 1
            largest = max(item_size(item or {}) for item in (old, new, named.sent))
            table = tables[named.table]
            in_indexes = sum(_index_units(index, table.key, old, new) for index in table.indexes)
            yield named.table, Units(writes=times * write_units(largest) + in_indexes)


def _query(params: Params, answer: Params) -> Units:
    """Items that a query reads and filters out can't be seen here."""
    for option in ("FilterExpression", "ProjectionExpression", "Select"):
        if option in params:
            raise NotImplementedError(f"what does a query with {option} read?")
    return Units(reads=_read(answer["Items"], params))


def _read(items: Sequence[Item], asked: Params) -> float:
    """The items' sizes are added up, then rounded."""
    return read_units(sum(map(item_size, items)), consistent=asked.get("ConsistentRead", False))


def _index_units(index: Index, table_key: tuple[str, ...], old: Item | None, new: Item | None) -> int:
    """Writes of an index: one to put an entry, change what it projects or take it out, two when its key changes."""
    was, now = _entry(index, table_key, old), _entry(index, table_key, new)
    if was == now:
        return 0
    if was and now and all(was[name] == now[name] for name in index.key):
        return write_units(max(item_size(was), item_size(now)))
    return sum(write_units(item_size(entry)) for entry in (was, now) if entry)


def _entry(index: Index, table_key: tuple[str, ...], item: Item | None) -> Item | None:
    """What the index holds of an item, if it holds it."""
    if item is None or any(name not in item for name in index.key):
        return None
    if index.projected is None:
        return dict(item)
    return {name: value for name, value in item.items() if name in {*index.key, *table_key, *index.projected}}
