"""What an order's parcels hold, and where each comes from.

What is shipped is what was reserved and paid for, whatever the order's item says by now. A warehouse sends one parcel.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

from aws import clients
from orders import Payment, Reservation, ReservationStatus
from orders.errors import Unrecoverable
from orders.shipping import DEFAULT_WAREHOUSE, Parcel, Shipment
from orders.tables import reservation_from, reservation_key, sku_of, stock_key


def plan(order_id: str, payment: Payment) -> Shipment:
    """The parcels of an order that is paid for. Raises Unrecoverable when what is reserved is not what was paid for."""
    held = _reservation(order_id)
    if held is None or held.status != ReservationStatus.RESERVED:
        raise Unrecoverable(f"cannot ship a reservation that is {held.status if held else 'missing'}")
    if sum(line.quantity * line.unit_price for line in held.lines) != payment.charge.amount:
        raise Unrecoverable("what is reserved does not come to what was paid")
    warehouses = _warehouses([line.sku for line in held.lines])
    units: dict[str, dict[str, int]] = defaultdict(dict)
    for line in held.lines:
        units[warehouses.get(line.sku, DEFAULT_WAREHOUSE)][line.sku] = line.quantity
    return Shipment(
        order_id,
        tuple(Parcel(warehouse, of_it) for warehouse, of_it in sorted(units.items())),
        {line.sku: line.unit_price for line in held.lines},
    )


def _reservation(order_id: str) -> Reservation | None:
    answer = clients.dynamodb().get_item(
        TableName=os.environ["INVENTORY_TABLE"], Key=reservation_key(order_id), ConsistentRead=True
    )
    return reservation_from(answer["Item"]) if "Item" in answer else None


def _warehouses(skus: list[str]) -> dict[str, str]:
    """Where the SKUs lie of which their stock items say it. An order has no more SKUs than fit into one request."""
    request: Any = {
        os.environ["INVENTORY_TABLE"]: {
            "Keys": [stock_key(sku) for sku in skus],
            "ProjectionExpression": "pk, sk, warehouse",
        }
    }
    answer = clients.dynamodb().batch_get_item(RequestItems=request)
    if answer["UnprocessedKeys"]:
        raise TimeoutError("the stock items could not all be read")
    items = answer["Responses"].get(os.environ["INVENTORY_TABLE"], [])
    return {sku_of(item): item["warehouse"]["S"] for item in items if item.get("warehouse", {}).get("S")}
