"""The domain: what may become of an order, and the keys under which it is written down. Plain Python, no AWS."""

from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an order was decided. The first decision stands for ever."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class Reason(StrEnum):
    """Why a function refused a hold. The workflow has reasons of its own, and so has a person."""

    OUT_OF_STOCK = "OUT_OF_STOCK"
    ORDER_CHANGED = "ORDER_CHANGED"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"  # by the card's bank
    PAYMENT_REFUSED = "PAYMENT_REFUSED"  # by the provider
    PAYMENT_VOIDED = "PAYMENT_VOIDED"


class ReservationStatus(StrEnum):
    """RESERVED holds stock; RELEASED gave it back, or forbids a reserve that has not come yet."""

    RESERVED = "RESERVED"
    RELEASED = "RELEASED"


class PaymentStatus(StrEnum):
    """AUTHORIZING: the provider is being asked. VOIDED gave the hold back, or forbids one that has not come yet."""

    AUTHORIZING = "AUTHORIZING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"


_SKU = "SKU#"


def stock_key(sku: str) -> dict[str, Any]:
    """The key of a SKU's stock item in the Inventory table, as DynamoDB writes it."""
    return {"pk": {"S": f"{_SKU}{sku}"}, "sk": {"S": "STOCK"}}


def sku_of(stock: dict[str, Any]) -> str:
    """The SKU of a stock item."""
    return str(stock["pk"]["S"]).removeprefix(_SKU)


def reservation_key(order_id: str) -> dict[str, Any]:
    """The key of an order's reservation in the Inventory table."""
    return {"pk": {"S": f"ORDER#{order_id}"}, "sk": {"S": "RESERVATION"}}
