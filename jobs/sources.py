"""What is extracted: the tables, in which branch of the workflow, and of which order an item is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orders.shipping import read_reference
from orders.tables import Item, is_shard, order_in_stock, stock_key

# The counters of the stock. They are of no order, so they are in partition 0, and `begin` reads them before the rest.
STOCK = "stock"
PROVIDER = "provider"


@dataclass(frozen=True)
class Source:
    """A table: `variable` is the container's variable with its name, `table` what the templates call it. `key` answers
    the order that an item is of, None for an item that the books do not need. What is `needed` is there in every shop;
    the table of another is only there with its stack. Of some only these `attributes` are read: whatever else customers
    write is theirs, and much of it is personal.
    """

    name: str
    variable: str
    table: str
    branch: str
    key: Callable[[Item], str | None]
    needed: bool = False
    attributes: tuple[str, ...] = ()


def _order(item: Item) -> str:
    return str(item["order_id"]["S"])


def _on_a_list(item: Item) -> str:
    """An order, or a return of one, on a list of what is to do (orders.tables.open_order_key)."""
    return_id = item.get("return_id", {"S": ""})["S"]
    return _order(item).removesuffix(f"/{return_id}") if return_id else _order(item)


def _told(item: Item) -> str | None:
    """A record of notify's. One of an email that is being sent has no `data` yet, and others are of no order."""
    try:
        data: Any = json.loads(item["data"]["S"])
    except (KeyError, ValueError):
        return None
    match data:
        case {"order_id": str(order_id)}:
            return order_id
    return None


def _held(item: Item) -> str | None:
    """A reservation, or what was put back of one."""
    return None if is_counter(item) else order_in_stock(item)


def is_counter(item: Item) -> bool:
    """Whether an item of the Inventory table is a counter of the stock."""
    return is_shard(item) or item["sk"] == stock_key("")["sk"]


def _news(item: Item) -> str:
    """News that is of no order that it names is filed under its own id, so that it is judged at all."""
    if order_id := item.get("order_id", {"S": ""})["S"]:
        return str(order_id)
    return _referred(item.get("subject", {"S": ""})["S"]) or str(item["id"]["S"])


def _carried(item: Item) -> str:
    """So is a parcel whose reference is not one of ours."""
    return _referred(item.get("reference", {"S": ""})["S"]) or str(item["id"]["S"])


def _charged(item: Item) -> str:
    """And a payment intent that names no order."""
    return _order(item) if "order_id" in item else str(item["id"]["S"])


def _referred(reference: str) -> str | None:
    try:
        return read_reference(reference)[0] or None
    except ValueError:
        return None


_ORDERED = ("order_id", "placed_at", "currency", "lines", "total")

SOURCES = (
    Source("orders", "ORDERS_TABLE", "OrdersTable", "orders", _order, needed=True, attributes=_ORDERED),
    Source("states", "ORDER_STATES_TABLE", "OrderStatesTable", "orders", _order, needed=True),
    Source("open", "OPEN_ORDERS_TABLE", "OpenOrdersTable", "orders", _on_a_list, needed=True),
    Source("told", "IDEMPOTENCY_TABLE", "IdempotencyTable", "orders", _told, needed=True),
    Source("approvals", "APPROVALS_TABLE", "ApprovalsTable", "orders", _order),
    Source("inventory", "INVENTORY_TABLE", "InventoryTable", "inventory", _held, needed=True),
    Source("payments", "PAYMENTS_TABLE", "PaymentsTable", "payments", _order, needed=True),
    Source(PROVIDER, "SIMULATED_GATEWAY_TABLE", "SimulatedGatewayTable", "provider", _charged),
    Source("shipments", "SHIPMENTS_TABLE", "ShipmentsTable", "carrier", _order),
    Source("returns", "RETURNS_TABLE", "ReturnsTable", "carrier", _order),
    Source("open_shipments", "OPEN_SHIPMENTS_TABLE", "OpenShipmentsTable", "carrier", _on_a_list),
    Source("inbox", "INBOX_TABLE", "InboxTable", "carrier", _news),
    Source("carrier", "SIMULATED_CARRIER_TABLE", "SimulatedCarrierTable", "carrier", _carried),
)
BRANCHES = tuple(dict.fromkeys(source.branch for source in SOURCES))
