"""What the inventory function is asked, and what it answers: for the tests of its actions."""

from collections.abc import Mapping
from typing import Any

from inventory import app

HELD = {"held": True}
RESTOCKED = {"restocked": True}
PRICES = {"TEA": 450, "POT": 2900}


def reserve(order_id: str = "order-1", prices: Mapping[str, int] | None = PRICES, **quantities: int) -> dict[str, Any]:
    """Without `prices`, as they were once reserved."""
    lines = [
        {"sku": sku, "quantity": quantity} | ({} if prices is None else {"unit_price": prices.get(sku, 1)})
        for sku, quantity in quantities.items()
    ]
    return app.handler({"action": "reserve", "order_id": order_id, "lines": lines}, None)


def release(order_id: str = "order-1", reason: str = "PAYMENT_DECLINED") -> dict[str, Any]:
    return app.handler({"action": "release", "order_id": order_id, "reason": reason}, None)


def restock(return_id: str = "r-1", order_id: str = "order-1", **quantities: int) -> dict[str, Any]:
    """Put back what a return is of, or everything."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    event = {"action": "restock", "order_id": order_id, "return_id": return_id}
    return app.handler(event | ({"lines": lines} if lines else {}), None)


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


def released(reason: str) -> dict[str, Any]:
    return {"released": True, "reason": reason}
