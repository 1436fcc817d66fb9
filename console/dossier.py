"""Everything about one order that the stack can tell: its items in each table, and what its functions have logged.

Tables are found by their outputs, and how an order is found in one by the table's keys. A table that has no key by
order is searched on the embedded stack, where it is small, and left alone on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aws.item import plain_item
from console.parts import words
from console.place import Place
from orders.tables import reservation_key

KEY = "order_id"
TABLE = "TableName"  # what the outputs end with that tell of a table
# By which attribute an item may tell of an order that has no key of it.
MENTIONS = ("order_id", "reference", "subject", "data", "id", "key")
LOGS = "/aws/lambda/"
AT_ONCE = 8  # requests
_TELLING = 6  # characters of an id that nobody writes by chance
LINES = 500  # of a log at most
HIDDEN = "(not shown: whoever has it may answer)"

Plain = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table, and how an order's items are found in it: by its key, by an index, in a partition, or by searching."""

    output: str
    name: str
    hash_key: str
    range_key: str
    index: str = ""

    @property
    def title(self) -> str:
        return words(self.output.removesuffix(TABLE))


@dataclass(frozen=True)
class Line:
    """A line that a function has logged about an order; `at` is in seconds since 1970, `answers` says whether the
    function answers people's requests.
    """

    at: float
    function: str
    said: Plain
    answers: bool = False


@dataclass(frozen=True)
class Dossier:
    """What was read. `items` has the tables by the names of their outputs, also those that have nothing of the order;
    `unread` are those in which nobody can look.
    """

    order_id: str
    items: dict[str, list[Plain]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def one(self, output: str) -> Plain:
        """The order's item in a table that has one for each order; empty where there is none."""
        return next(iter(self.items.get(output, ())), {})


class Reader:
    """Reads a place's tables and logs. Threads may share it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dossier")

    def read(self, order_id: str, subjects: Sequence[str] = (), *, logs: bool = True) -> Dossier:
        """Read everything. `subjects` are what an order has several of, such as its returns, and by which its lists
        may name it as `<order>/<subject>`. Raises what boto3 raises.
        """
        tables = [table for table in self.tables if self._place.embedded or not _searched(table)]
        names = [order_id, *(f"{order_id}/{subject}" for subject in subjects)]
        found = list(self._pool.map(lambda table: self._items(table, order_id, names), tables))
        return Dossier(
            order_id,
            {table.output: items for table, items in zip(tables, found, strict=True)},
            tuple(table.output for table in self.tables if table not in tables),
            self.lines(order_id) if logs else (),
        )

    @cached_property
    def tables(self) -> list[Table]:
        """The tables that there are, in the outputs' order."""
        client = self._place.client("dynamodb")
        found = []
        for output, name in self._place.outputs.items():
            if output.endswith(TABLE) and name:
                described = client.describe_table(TableName=name)["Table"]
                keys = {key["KeyType"]: key["AttributeName"] for key in described["KeySchema"]}
                by_order = [
                    index["IndexName"]
                    for index in described.get("GlobalSecondaryIndexes", ())
                    if {"AttributeName": KEY, "KeyType": "HASH"} in index["KeySchema"]
                ]
                found.append(Table(output, name, keys["HASH"], keys.get("RANGE", ""), next(iter(by_order), "")))
        return found

    def lines(self, order_id: str) -> tuple[Line, ...]:
        """What the functions have logged about an order, oldest first."""
        found = self._pool.map(lambda group: list(self._logged(group, order_id)), self._groups)
        return tuple(sorted((line for lines in found for line in lines), key=lambda line: line.at))

    @cached_property
    def _groups(self) -> list[str]:
        """The log groups of the place's own functions."""
        pages = self._place.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=LOGS)
        names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        return [name for name in names if name.removeprefix(LOGS).partition("/")[0] in self._place.stacks]

    @cached_property
    def answering(self) -> frozenset[str]:
        """The log groups of the functions that answer people's requests: an API calls them."""
        api = self._place.outputs.get("ApiId")
        if not api:
            return frozenset()
        called = self._place.client("apigatewayv2").get_integrations(ApiId=api)["Items"]
        pages = self._place.client("lambda").get_paginator("list_functions").paginate()
        return frozenset(
            one.get("LoggingConfig", {}).get("LogGroup", LOGS + one["FunctionName"])
            for page in pages
            for one in page["Functions"]
            if any(one["FunctionArn"] in each.get("IntegrationUri", "") for each in called)
        )

    def _logged(self, group: str, order_id: str) -> Iterator[Line]:
        quoted = order_id.replace("\\", "\\\\").replace('"', '\\"')
        pages = self._place.client("logs").get_paginator("filter_log_events")
        asked = {"MaxItems": LINES}
        for page in pages.paginate(logGroupName=group, filterPattern=f'"{quoted}"', PaginationConfig=asked):
            for event in page["events"]:
                said = _parsed(event["message"])
                if is_about(said, order_id):
                    yield Line(event["timestamp"] / 1000, group.rpartition("/")[2], said, group in self.answering)

    def _items(self, table: Table, order_id: str, names: Sequence[str]) -> list[Plain]:
        client = self._place.client("dynamodb")
        if table.hash_key == KEY and not table.range_key:
            keys = [{KEY: {"S": name}} for name in dict.fromkeys(names)][:100]
            answer = client.batch_get_item(RequestItems={table.name: {"Keys": keys}})
            return [plain_item(item) for item in answer["Responses"].get(table.name, ())]
        if table.index or table.range_key:
            value = order_id if table.index or table.hash_key == KEY else reservation_key(order_id)["pk"]["S"]
            answer = client.query(
                TableName=table.name,
                KeyConditionExpression="#key = :value",
                ExpressionAttributeNames={"#key": KEY if table.index else table.hash_key},
                ExpressionAttributeValues={":value": {"S": value}},
                **({"IndexName": table.index} if table.index else {}),
            )
            return [plain_item(item) for item in answer["Items"]]
        return self._search(table, order_id)

    def _search(self, table: Table, order_id: str) -> list[Plain]:
        pages = (
            self._place.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=table.name,
                FilterExpression=" OR ".join(f"contains(#a{number}, :id)" for number in range(len(MENTIONS))),
                ExpressionAttributeNames={f"#a{number}": name for number, name in enumerate(MENTIONS)},
                ExpressionAttributeValues={":id": {"S": order_id}},
            )
        )
        items = [plain_item(item) for page in pages for item in page["Items"]]
        return [item for item in items if mentions({name: item.get(name) for name in MENTIONS}, order_id)]


def _searched(table: Table) -> bool:
    return not (table.index or table.range_key or table.hash_key == KEY)


def is_telling(order_id: str) -> bool:
    """Whether whoever writes this id means the order, and not just a word or a number."""
    return len(order_id) >= _TELLING and bool(re.search(r"[\d-]", order_id))


def is_about(said: Mapping[str, object], order_id: str) -> bool:
    """Whether a log line is about this order: it names it, alone or with what belongs to it, or in the midst of a text
    where its id can mean nothing else.
    """
    if is_telling(order_id):
        return mentions(said, order_id)
    names = re.compile(rf"{re.escape(order_id)}([/:].*)?", re.DOTALL)
    return any(names.fullmatch(value) for _, value in flat(said) if value != said.get("message"))


def mentions(value: object, order_id: str) -> bool:
    """Whether something tells of this order, and not only of one whose id begins or ends like it."""
    if isinstance(value, Mapping):
        return any(mentions(one, order_id) for one in value.values())
    if isinstance(value, list | tuple | set):
        return any(mentions(one, order_id) for one in value)
    word = r"[\w-]"
    return isinstance(value, str) and bool(re.search(rf"(?<!{word}){re.escape(order_id)}(?!{word})", value))


def flat(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """An item's attributes, those within others as well, each with its value as a text: `customer.email`, `lines.0`.
    What whoever has it could act by is left out.
    """
    for name, value in item.items():
        path = f"{prefix}{name}"
        if "token" in name and value:
            yield path, HIDDEN
        elif isinstance(value, Mapping) and value:
            yield from flat(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield from flat({str(number): one for number, one in enumerate(value)}, f"{path}.")
        elif isinstance(value, list | set | frozenset):
            yield path, ", ".join(sorted(map(str, value)))
        else:
            yield path, str(value)


def _parsed(message: str) -> Plain:
    try:
        said = json.loads(message)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"message": message.strip()}
