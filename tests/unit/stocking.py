"""What the inventory function is asked, and what it answers: for the tests of its actions."""

from typing import Any

from inventory import app

HELD = {"held": True}


def reserve(order_id: str = "order-1", **quantities: int) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return app.handler({"action": "reserve", "order_id": order_id, "lines": lines}, None)


def release(order_id: str = "order-1", reason: str = "PAYMENT_DECLINED") -> dict[str, Any]:
    return app.handler({"action": "release", "order_id": order_id, "reason": reason}, None)


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


def released(reason: str) -> dict[str, Any]:
    return {"released": True, "reason": reason}
