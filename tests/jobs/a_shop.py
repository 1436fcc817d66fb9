"""A shop in the evening: orders of all kinds that the simulation has brought to their end, and what the night says."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest_socket

from jobs.cases import Case, Night
from jobs.findings import Finding
from jobs.partitions import partition_of
from jobs.reconcile import what_is_wrong
from jobs.sources import SOURCES, is_counter
from jobs.stock import compare
from orders.tables import Item, sku_of
from simulation.scenarios import SCENARIOS
from simulation.scenarios.front_door import cancel
from simulation.scenarios.shipping import DELIVERS, HOUR, VARIABLES, send_back
from simulation.scenarios.world import Scenario, order
from simulation.schedule import Schedule, run
from simulation.world import World, world
from tests.jobs.victims import KEYS

type Tables = Mapping[str, Sequence[Item]]

_KEPT = [order(f"K-{number}", {"mug": 1, "pot": 2}) for number in range(10)]
_SHORT = [order(f"O-{number}", {"gold": 2}) for number in range(4)]
_OTHERS = [
    order("D-1", {"mug": 1}, "pm_card_chargeDeclined"),
    order("D-2", {"tea": 3}, "pm_card_chargeDeclined"),
    order("I-1", {"mug": 2}, total={"N": "1"}),
    order("R-1", {"mug": 2}),
    order("W-1", {"pot": 1}),
    order("C-1", {"tea": 2}),
]
STOCK = {"mug": 50, "pot": 50, "tea": 20, "box": 7, "gold": 1}
_SHOP = Scenario(
    "a shop",
    (*_KEPT, *_SHORT, *_OTHERS),
    STOCK,
    {},
    people=(
        send_back({"mug": 1}, 8 * HOUR, order_id="R-1"),
        send_back({"pot": 1}, 8 * HOUR, order_id="W-1"),
        cancel("C-1", 3.0),
    ),
    carrier=DELIVERS,
    variables=VARIABLES,
    without=frozenset(),
    days=7,
)
_MINUTE = 60.0


@contextmanager
def with_sockets() -> Iterator[None]:
    """The simulation's emulator needs one, to itself, when it is made."""
    pytest_socket.enable_socket()
    try:
        yield
    finally:
        pytest_socket.disable_socket()


@cache
def in_the_evening() -> tuple[Tables, float]:
    """The tables, by what the templates call them, and what time it is then, in seconds since 1970."""
    SCENARIOS[_SHOP.name] = _SHOP
    try:
        run(Schedule(_SHOP.name))
        here = world()
        return stored(here, STOCK), round(here.loop.now + _MINUTE)
    finally:
        del SCENARIOS[_SHOP.name]
        world().leave()


def stored(here: World, stock: Mapping[str, int]) -> dict[str, list[Item]]:
    """The tables of a simulated world as they are, where this stock and what came in since were received."""
    tables: dict[str, list[Item]] = json.loads(json.dumps(here.stored(), default=sorted))  # a set of links is one
    for item in tables["InventoryTable"]:
        if item["sk"]["S"] == "STOCK":
            sku = sku_of(item)
            item["received"] = {"N": str(stock.get(sku, 0) + here.restocked[sku])}
    return tables


def cases(tables: Tables, as_of: float, without: Collection[str] = ()) -> list[Case]:
    """The orders in these tables, as they were at a time; nobody has read the sources that it is `without`."""
    there = [source for source in SOURCES if source.table in tables and source.name not in without]
    items: dict[str, dict[str, list[Item]]] = defaultdict(dict)
    for source in there:
        for item in tables[source.table]:
            if (order_id := source.key(item)) is not None:
                items[order_id].setdefault(source.name, []).append(item)
    night = Night(as_of, frozenset(source.name for source in there))
    return [Case(order_id, some, night) for order_id, some in sorted(items.items())]


def judged(tables: Tables, as_of: float) -> list[Finding]:
    """What a night would find in these tables, of orders and of the stock."""
    orders = cases(tables, as_of)
    held, moving = Counter[str](), Counter[str]()
    for case in orders:
        held.update(case.units_out)
        moving.update(case.units_in_doubt)
    units = {sku: (held[sku], moving[sku]) for sku in held.keys() | moving.keys()}
    found, _ = compare(counters(tables), units)
    return [finding for case in orders for finding in what_is_wrong(case)] + found


def counters(tables: Tables) -> list[Item]:
    """The items of the Inventory table that are the stock's."""
    return [item for item in tables["InventoryTable"] if is_counter(item)]


def extracted(tables: Tables, folder: Path, partitions: int = 1, partition: int = 0) -> dict[str, list[Path]]:
    """The files that an extract of these tables leaves of a partition, by source; two of each."""
    files = {}
    for source in SOURCES:
        if source.table not in tables:
            continue
        files[source.name] = [folder / f"{source.name}-{number}.jsonl.gz" for number in range(2)]
        keyed = ((source.key(item), item) for item in tables[source.table])
        lines = [
            {"key": key, "item": item} for key, item in keyed if key and partition_of(key, partitions) == partition
        ]
        for number, file in enumerate(files[source.name]):
            with gzip.open(file, "wt", encoding="utf-8") as stream:
                stream.writelines(json.dumps(line) + "\n" for line in lines[number::2])
    return files


class InMemory:
    """As much of a DynamoDB client as damage needs, over tables by their names."""

    def __init__(self, tables: Tables) -> None:
        self._tables: dict[str, dict[str, Item]] = {
            name: {self._key(name, item): item for item in items} for name, items in tables.items()
        }

    @staticmethod
    def _key(table: str, item: Item) -> str:
        return str([item[name] for name in KEYS.get(table, ("order_id",))])

    def scan(self, **request: Any) -> dict[str, list[Item]]:
        return {"Items": [*self._tables[request["TableName"]].values()]}

    def get_item(self, **request: Any) -> dict[str, Item]:
        found = self._tables[request["TableName"]].get(self._key(request["TableName"], request["Key"]))
        return {"Item": found} if found else {}

    def put_item(self, **request: Any) -> None:
        self._tables[request["TableName"]][self._key(request["TableName"], request["Item"])] = request["Item"]

    def delete_item(self, **request: Any) -> None:
        self._tables[request["TableName"]].pop(self._key(request["TableName"], request["Key"]), None)
