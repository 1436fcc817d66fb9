"""Confirmed orders and one of every kind, placed one after another through either design, and counted."""

from __future__ import annotations

import copy
import functools
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from bench import simulated
from bench.figures import Progress
from bench.meter import Tally, metered
from bench.simulated import PIPELINE, Design
from bench.units import Item
from bench.usual.design import USUAL
from demo import shop

ORDERS = 20


@functools.cache
def tallies(progress: Progress) -> dict[str, Tally]:
    """Both designs' runs of confirmed orders; made once in a process."""
    found = {}
    for design in (PIPELINE, USUAL):
        progress(f"{ORDERS} orders through the {design.name} design")
        found[design.name] = confirmed(design)
    return found


def confirmed(design: Design, orders: int = ORDERS, lines: int = 2) -> Tally:
    """`orders` that are confirmed, of two lines each, as in events/order.json, or of one."""
    wanted = dict([("TEA-100", 2), ("MUG-BLUE", 1)][:lines])
    return _one_by_one(design, [shop.order(f"order-{number:014}", wanted) for number in range(orders)])


def mixed(design: Design) -> Tally:
    """The showcase: one order of every kind."""
    placements = shop.showcase()
    copies = frozenset(one.order_id for one in placements if one.deliveries > 1)
    return _one_by_one(design, [one.item for one in placements], copies)


def stock() -> list[Item]:
    """The shop's catalogue, as items of the Inventory table."""
    return [
        simulated.stock_item(product.sku, product.available, product.unit_price)
        | {"name": {"S": product.name}, "currency": {"S": shop.CURRENCY}}
        for product in shop.CATALOGUE
    ]


def _one_by_one(design: Design, plain: list[dict[str, Any]], copies: frozenset[str] = frozenset()) -> Tally:
    """Place orders so that no two share an invocation, which is the most expensive case.

    The event of an order in `copies` is delivered twice. An uncounted order goes first, so that every function has a
    warm sandbox.
    """
    serialize = TypeSerializer().serialize
    orders = [{name: serialize(value) for name, value in item.items()} for item in plain]
    with simulated.ready(design, stock()) as here:
        with metered(here, design.settings):
            here.put("OrdersTable", {**copy.deepcopy(orders[0]), "order_id": {"S": "warm"}})
            here.loop.settle()
        with metered(here, design.settings) as tally:
            for order in orders:
                here.put("OrdersTable", order)
                here.loop.settle()
                if order["order_id"]["S"] in copies:
                    here.start_target(here.matched[-1])
                    here.loop.settle()
        simulated.all_closed(here)
        tally.orders = len(orders)
        # The usual design keeps the status in the order.
        items = [*here.items("OrdersTable"), *here.items("OrderStatesTable")]
        status = {item["order_id"]: item.get("status", "undecided") for item in items}
        tally.outcomes.update(status[order["order_id"]["S"]] for order in orders)
    return tally
