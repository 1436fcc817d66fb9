"""What customers and the rest of the world do: the orders, the catalogue, and what changes while they are processed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orders.tables import order_key, stock_key
from simulation.faults import Fault
from simulation.stack import AFTER_SALE
from simulation.world import World

PRICE = 1250  # cents


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens in the world right after the first invocation of `after` has ended, or, as a repair, right
    after a person was called.
    """

    after: str
    what: str
    do: Callable[[World], None]
    minutes: float = 0  # that a repair takes


@dataclass(frozen=True)
class Scenario:
    """`orders` are items, `stock` is available pieces by SKU. `outcomes` are those that each order may come to.

    `people` come to the front door, each at their own time, `approver` is what somebody does who gets an email with a
    link, and `carrier` what one does who gets a parcel, by its reference. `variables` are those of the functions that
    are not the template's defaults. Where `about` names the beginnings of steps, a fault anywhere else has been tried
    in other scenarios. The stacks that it is `without` do not stand. `days` is for how long open orders are swept.
    """

    name: str
    orders: tuple[dict[str, Any], ...]
    stock: dict[str, int]
    outcomes: dict[str, frozenset[str]]
    meanwhile: tuple[Meanwhile, ...] = ()
    given: tuple[Fault, ...] = ()  # what goes wrong in this scenario before any fault is injected
    repairs: tuple[Meanwhile, ...] = ()  # what a person does who is called: at the first call, at the second…
    shards: int = 1  # over how many items each SKU's stock is split
    people: tuple[Callable[[World], None], ...] = ()
    approver: Callable[[World, str], None] | None = None
    carrier: Callable[[World, str], None] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    without: frozenset[str] = AFTER_SALE
    days: int = 2


def order(order_id: str, lines: dict[str, int], method: str = "pm_card_visa", **changes: Any) -> dict[str, Any]:
    """An order's item as DynamoDB writes it; `lines` is quantity by SKU."""
    total = sum(quantity * PRICE for quantity in lines.values())
    return {
        "order_id": {"S": order_id},
        "customer": {"M": {"customer_id": {"S": "c-1"}, "email": {"S": f"{order_id.lower()}@example.com"}}},
        "currency": {"S": "EUR"},
        "lines": {
            "L": [
                {"M": {"sku": {"S": sku}, "quantity": {"N": str(n)}, "unit_price": {"N": str(PRICE)}}}
                for sku, n in lines.items()
            ]
        },
        "total": {"N": str(total)},
        "payment_method": {"S": method},
        "placed_at": {"S": "2026-03-02T09:00:00Z"},
        "schema_version": {"N": "1"},
        **changes,
    }


def stock_item(sku: str, available: int, price: int = PRICE) -> dict[str, Any]:
    """A SKU's item in the catalogue."""
    return {
        **stock_key(sku),
        "available": {"N": str(available)},
        "unit_price": {"N": str(price)},
        "currency": {"S": "EUR"},
        "name": {"S": sku},
    }


def restock(sku: str, quantity: int) -> Callable[[World], None]:
    """More of a SKU arrives."""

    def do(world: World) -> None:
        world.services.client("dynamodb").update_item(
            TableName=world.stack.tables["InventoryTable"],
            Key=stock_key(sku),
            UpdateExpression="SET available = available + :more",
            ExpressionAttributeValues={":more": {"N": str(quantity)}},
        )
        world.restocked[sku] += quantity

    return do


def reprice(sku: str, price: int) -> Callable[[World], None]:
    """A SKU gets another price."""

    def do(world: World) -> None:
        world.services.client("dynamodb").update_item(
            TableName=world.stack.tables["InventoryTable"],
            Key=stock_key(sku),
            UpdateExpression="SET unit_price = :price",
            ExpressionAttributeValues={":price": {"N": str(price)}},
        )

    return do


def misprice(sku: str) -> Callable[[World], None]:
    """A SKU's price becomes what no price can be."""

    def do(world: World) -> None:
        world.services.client("dynamodb").update_item(
            TableName=world.stack.tables["InventoryTable"],
            Key=stock_key(sku),
            UpdateExpression="SET unit_price = :nonsense",
            ExpressionAttributeValues={":nonsense": {"S": "ask me"}},
        )

    return do


def split_over(shards: int) -> Callable[[World], None]:
    """The stack is deployed with another number of shards. What runs goes on with the one that it knows."""

    def do(world: World) -> None:
        os.environ["STOCK_SHARDS"] = str(shards)
        world.idle.clear()

    return do


def change_order(order_id: str, **attributes: Any) -> Callable[[World], None]:
    """Somebody changes the item of an order that was placed."""

    def do(world: World) -> None:
        placed = world.placed[order_id]
        world.put("OrdersTable", placed[-1] | attributes)

    return do


def delete_order(order_id: str) -> Callable[[World], None]:
    """Somebody deletes an order under way."""

    def do(world: World) -> None:
        world.services.client("dynamodb").delete_item(
            TableName=world.stack.tables["OrdersTable"], Key=order_key(order_id)
        )

    return do


def place_again_and_delete(item: dict[str, Any]) -> Callable[[World], None]:
    """The same item is put once more and deleted before the stream tells of either."""

    def do(world: World) -> None:
        place_again(item)(world)
        delete_order(item["order_id"]["S"])(world)

    return do


def restore(item: dict[str, Any]) -> Callable[[World], None]:
    """The Orders table is restored from a backup: to the stream, the order is new."""

    def do(world: World) -> None:
        delete_order(item["order_id"]["S"])(world)
        place_again(item)(world)

    return do


def place_again(item: dict[str, Any]) -> Callable[[World], None]:
    """The shop's own retry puts the same item once more."""
    return lambda world: world.put("OrdersTable", item)
