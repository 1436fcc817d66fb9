"""Orders of every kind as the pipeline leaves them, at every age: what many synthetic ones are copies of.

They go through the real workflows and handlers in the simulation, so their items are the real ones. What is in all
tables is looked at several times on their way.
"""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from bench import simulated
from bench.simulated import DAY, WHOLE, World, patched_environment
from bench.units import Item
from demo import shop
from orders import Status
from orders.events import BECAME

FAMILY = "SKU-000"  # what each SKU begins with: copies have other numbers
SKUS, DOLLARS_FROM = 40, 30  # so many, of which those from this one on are priced in dollars
SOLD_OUT, NORTH = 0, 10  # the one that there is none of; every tenth lies in another warehouse
BASKETS = 4  # orders of each kind
LIMIT = 200_000  # cents, above which an order has to be approved

HOUR = 3600.0
# When it is looked. By then it is told, shipped (2 hours), delivered (4 more), a return is asked for, paid back, and
# the time for returns is over.
AGES = (60.0, 3 * HOUR, 8 * HOUR, 3 * DAY + HOUR, 4 * DAY, 14 * DAY + 7 * HOUR)
CANCELLED_AFTER, SHIPPED_AFTER = 5.0, 10.0  # seconds; who cancels has to be faster than the warehouse

Tables = Mapping[str, list[Item]]  # by logical name, items as DynamoDB writes them


@dataclass(frozen=True)
class Kind:
    """What becomes of an order, and of how many in a hundred."""

    name: str
    percent: int
    do: Callable[[World, str, dict[str, int]], None] = lambda *_: None
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the order that is placed
    lines: tuple[int, int] = (1, 4)  # from so many to so many
    quantity: int = 3  # of a line, at most
    sku: int | None = None  # that is in it


def _send_back(share: float) -> Callable[[World, str, dict[str, int]], None]:
    def do(here: World, order_id: str, lines: dict[str, int]) -> None:
        some = dict(list(lines.items())[: max(1, int(share * len(lines)))])
        simulated.send_back(here, order_id, some, 3 * DAY)

    return do


def _cancel(here: World, order_id: str, _: dict[str, int]) -> None:
    simulated.later(here, CANCELLED_AFTER, lambda: here.ask("POST", f"/orders/{order_id}/cancel"))


KINDS = (
    Kind("kept", 64),
    Kind("in two parcels", 8, lines=(2, 4), sku=NORTH - 1),
    Kind("partly sent back", 7, _send_back(0.5), lines=(2, 4)),
    Kind("sent back", 5, _send_back(1)),
    Kind("approved", 2, lines=(4, 4), quantity=40),
    Kind("cancelled", 3, _cancel),
    Kind("declined", 7, changes={"payment_method": "pm_card_chargeDeclined"}),
    Kind("sold out", 3, sku=SOLD_OUT),
    Kind("rejected", 1, changes={"total": 100}),
)


@dataclass(frozen=True)
class Life:
    """An order: the tables' items that are about it, by how old it was, in seconds. It was placed at `placed`, in
    seconds since 1970.
    """

    kind: str
    order_id: str
    placed: float
    at: Mapping[float, Tables]


def lived(order_of: Mapping[str, Callable[[Item], str | None]], baskets: int = BASKETS) -> list[Life]:
    """So many orders of each kind. `order_of` says, for each table, which order an item is about, or that it is about
    none. Takes some seconds.

    Raises RuntimeError when one of them did not end as its kind does.
    """
    with (
        simulated.ready(WHOLE, list(_stock())) as here,
        patched_environment({"APPROVAL_LIMIT": str(LIMIT)}),
    ):
        simulated.hold_back(here, BECAME[Status.CONFIRMED], SHIPPED_AFTER)
        here.approver = functools.partial(_approve, here)
        begun, seen = here.loop.now, {}

        def look(age: float) -> None:
            seen[age] = _by_order(here, order_of)

        kinds: dict[str, str] = {}
        for order_id, kind in _placed(here, baskets):
            kinds[order_id] = kind.name
        for age in AGES:
            simulated.later(here, age, functools.partial(look, age))
        here.loop.settle()
        simulated.all_closed(here)
        statuses = {item["order_id"]: item["status"] for item in here.items("OrderStatesTable")}
    lives = [
        Life(kind, order_id, begun, {age: tables[order_id] for age, tables in seen.items()})
        for order_id, kind in kinds.items()
    ]
    if wrong := [life for life in lives if statuses[life.order_id] != ENDS[life.kind]]:
        raise RuntimeError(f"{wrong[0].kind}: became {statuses[wrong[0].order_id]}")
    return lives


ENDS = dict.fromkeys((kind.name for kind in KINDS), Status.ARCHIVED) | {
    "sent back": Status.RETURNED,
    "cancelled": Status.CANCELLED,
    "declined": Status.CANCELLED,
    "sold out": Status.CANCELLED,
    "rejected": Status.REJECTED,
}


def sku(number: int) -> str:
    """The SKU of that number in the first family."""
    return f"{FAMILY}-{number:02}"


def stock(number: int) -> Item:
    """The item of that SKU in the catalogue: its price never changes."""
    item = simulated.stock_item(sku(number), 0 if number == SOLD_OUT else 1_000_000, 290 + 173 * number)
    return item | {"currency": {"S": currency(number)}}


def currency(number: int) -> str:
    """What it is priced in."""
    return "USD" if number >= DOLLARS_FROM else shop.CURRENCY


def _stock() -> Iterator[Item]:
    for number in range(SKUS):
        yield stock(number) | ({"warehouse": {"S": "north"}} if number % NORTH == NORTH - 1 else {})


def _placed(here: World, baskets: int) -> Iterator[tuple[str, Kind]]:
    """Place the orders, all of them now."""
    rng, serialize = random.Random(13), TypeSerializer().serialize
    placed_at = datetime.fromtimestamp(here.loop.now, UTC).isoformat(timespec="seconds")
    for number in range(baskets * len(KINDS)):
        kind, order_id = KINDS[number % len(KINDS)], f"template-{number:04}"
        lines = _basket(rng, kind, dollars=number % 5 == 4)
        prices = {name: int(stock(int(name[-2:]))["unit_price"]["N"]) for name in lines}
        item = shop.order(order_id, {}, placed_at=placed_at) | {
            "currency": currency(int(next(iter(lines))[-2:])),
            "lines": [{"sku": name, "quantity": count, "unit_price": prices[name]} for name, count in lines.items()],
            "total": sum(count * prices[name] for name, count in lines.items()),
        }
        kind.do(here, order_id, lines)
        here.put("OrdersTable", {name: serialize(value) for name, value in {**item, **kind.changes}.items()})
        yield order_id, kind


def _basket(rng: random.Random, kind: Kind, *, dollars: bool) -> dict[str, int]:
    among = range(DOLLARS_FROM, SKUS) if dollars and kind.sku is None else range(1, DOLLARS_FROM)
    near = [number for number in among if number % NORTH != NORTH - 1]
    numbers = rng.sample(near, rng.randint(*kind.lines))
    if kind.sku is not None:
        numbers[0] = kind.sku
    least = kind.quantity // 2 if kind.quantity > 3 else 1
    return {sku(number): rng.randint(least, kind.quantity) for number in numbers}


def _approve(here: World, link: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    simulated.later(here, 10.0, lambda: here.ask("POST", link, "decision=approve", form))


def _by_order(here: World, order_of: Mapping[str, Callable[[Item], str | None]]) -> dict[str, dict[str, list[Item]]]:
    found: dict[str, dict[str, list[Item]]] = {}
    for table, items in here.stored().items():
        for item in items if table in order_of else ():
            if (order_id := order_of[table](item)) is not None:
                found.setdefault(order_id, {}).setdefault(table, []).append(copy.deepcopy(item))
    return found
