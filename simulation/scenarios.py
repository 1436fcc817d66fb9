"""What customers and the rest of the world do: the orders, the catalogue, and what changes while they are processed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orders import Outcome, Reason
from orders.tables import order_key, stock_key
from simulation.faults import Fault
from simulation.world import World

PRICE = 1250  # cents


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens in the world right after the first invocation of `after` has ended."""

    after: str
    what: str
    do: Callable[[World], None]


@dataclass(frozen=True)
class Scenario:
    """`orders` are items, `stock` is available pieces by SKU. `outcomes` are those that each order may come to."""

    name: str
    orders: tuple[dict[str, Any], ...]
    stock: dict[str, int]
    outcomes: dict[str, frozenset[str]]
    meanwhile: tuple[Meanwhile, ...] = ()
    given: tuple[Fault, ...] = ()  # what goes wrong in this scenario before any fault is injected
    shards: int = 1  # over how many items each SKU's stock is split


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


_CONFIRMED, _CANCELLED, _REJECTED = (frozenset([outcome]) for outcome in Outcome)
_FITS, _ANY = _CONFIRMED | _CANCELLED, _CONFIRMED | _CANCELLED | _REJECTED

_ONE = order("A", {"mug": 2})
_OTHER = order("B", {"mug": 1})
_MANY = {f"sku-{number}": number % 3 + 1 for number in range(8)}
_CHANGED = order("A", {"mug": 3})
# What only the pipeline may say; in a customer's item it means nothing.
_FORGED: dict[str, Any] = {
    "status": {"S": Outcome.CONFIRMED},
    "decision": {"M": {"outcome": {"S": Outcome.CONFIRMED}, "reason": {"S": Reason.ACCEPTED}}},
}

# `outcomes` is what may come of it under any fault. A fault may turn a confirmation into a cancellation (the provider
# was unreachable for too long), never the other way round.
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("happy", (_ONE,), {"mug": 5}, {"A": _FITS}),
        Scenario("many lines", (order("A", _MANY),), dict.fromkeys(_MANY, 5), {"A": _FITS}),
        Scenario("last unit", (order("A", {"mug": 1}), order("B", {"mug": 1})), {"mug": 1}, {"A": _FITS, "B": _FITS}),
        Scenario(
            "out of stock in one line",
            (order("A", {"mug": 2, "pot": 3, "tea": 1}),),
            {"mug": 5, "pot": 2, "tea": 5},
            {"A": _CANCELLED},
        ),
        Scenario(
            "restocked in between",
            (_ONE,),
            {"mug": 1},
            {"A": _FITS},
            (Meanwhile("reserve", "the missing mug arrives", restock("mug", 4)),),
        ),
        Scenario("declined", (order("A", {"mug": 2}, "pm_card_chargeDeclined"),), {"mug": 5}, {"A": _CANCELLED}),
        Scenario(
            "refused by the provider",
            (_ONE,),
            {"mug": 5},
            {"A": _CANCELLED},
            given=(
                Fault("authorize/gateway.authorize#1", "refusals"),
                Fault("void/gateway.authorize#1", "refusals"),
            ),
        ),
        Scenario(
            "gateway error, then success",
            (_ONE,),
            {"mug": 5},
            {"A": _FITS},
            given=(Fault("authorize/gateway.authorize#1", "throttled"),),
        ),
        Scenario(
            "gateway ambiguous",
            (_ONE,),
            {"mug": 5},
            {"A": _FITS},
            given=(Fault("authorize/gateway.authorize#1", "lost"),),
        ),
        Scenario("invalid", (order("A", {"mug": 2}, total={"N": "1"}, **_FORGED),), {"mug": 5}, {"A": _REJECTED}),
        Scenario(
            "price changed between two executions",
            (_ONE,),
            {"mug": 5},
            {"A": _ANY},
            (Meanwhile("validate", "the mug gets dearer", reprice("mug", PRICE + 100)),),
        ),
        Scenario(
            "item changed after the event",
            (_ONE,),
            {"mug": 5},
            {"A": _FITS},
            (
                Meanwhile(
                    "validate",
                    "the order becomes three mugs",
                    change_order("A", lines=_CHANGED["lines"], total=_CHANGED["total"]),
                ),
            ),
        ),
        Scenario(
            "restored from a backup",
            (_ONE,),
            {"mug": 5},
            {"A": _FITS},
            (
                Meanwhile("notify", "the Orders table is restored from a backup", restore(_ONE)),
                Meanwhile("notify", "the mug gets dearer", reprice("mug", PRICE + 100)),
            ),
        ),
        # Nobody may bring an order back that its owner deleted. One that is deleted before it is decided is rejected.
        Scenario(
            "deleted under way",
            (_ONE, _OTHER),
            {"mug": 5},
            {"A": _ANY, "B": _FITS},
            (
                Meanwhile("validate", "A is deleted", delete_order("A")),
                Meanwhile("notify", "B is put once more and deleted", place_again_and_delete(_OTHER)),
            ),
        ),
        # Of four shards A meets number 1, B 0, E 3 and H 2; all the stock lies in shard 0 at first.
        Scenario(
            "last unit in another shard",
            (order("A", {"mug": 1}), order("E", {"mug": 1})),
            {"mug": 1},
            {"A": _FITS, "E": _FITS},
            shards=4,
        ),
        Scenario("many lines, shards", (order("A", _MANY),), dict.fromkeys(_MANY, 5), {"A": _FITS}, shards=4),
        # Just enough for all, so that no unit may be overlooked while it moves.
        Scenario(
            "hot SKU, shards",
            (
                order("A", {"mug": 3}),
                order("B", {"mug": 2}),
                order("E", {"mug": 4}),
                order("H", {"mug": 3}, "pm_card_chargeDeclined"),
            ),
            {"mug": 12},
            {"A": _FITS, "B": _FITS, "E": _FITS, "H": _CANCELLED},
            shards=4,
        ),
        Scenario(
            "fewer shards",
            (order("A", {"mug": 2}, "pm_card_chargeDeclined"), order("B", {"mug": 6})),
            {"mug": 8},
            {"A": _CANCELLED, "B": _FITS},
            (Meanwhile("reserve", "the stock is no longer split", split_over(1)),),
            shards=4,
        ),
    )
}
