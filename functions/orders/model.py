"""The order as its table holds it. Outside data enters here, so pydantic is used here and in rules.py, nowhere else:
these two are imported only by those who let such data in.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
)

from orders.address import is_address
from orders.money import CURRENCIES, MAX_AMOUNT
from orders.order_id import MAX_LENGTH, is_order_id

MAX_LINES = 50
MAX_QUANTITY = 1_000
MAX_SHIP_TO = 500


def _integral(value: Any) -> Any:
    """DynamoDB numbers arrive as Decimal. A whole one is an int; anything else stays as it is and fails as such."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value


def _version(value: Any) -> Any:
    if isinstance(value, bool):  # which to a Literal is 0 or 1
        raise ValueError("must be a number")
    return _integral(value)


def _iso_8601(value: Any) -> Any:
    if not isinstance(value, str) or "T" not in value:  # pydantic takes seconds since 1970 as well, also as text
        raise ValueError("must be a time in ISO 8601")
    return value


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError("must be an email address")
    return value


def _order_id(value: str) -> str:
    if not is_order_id(value):
        raise ValueError(f"must be at most {MAX_LENGTH} letters, digits and ._:#- and begin with a letter or a digit")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be one that cards can be charged in")
    return value


def _utc(value: datetime) -> datetime:
    if value.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC")
    return value


def _pattern(pattern: str) -> StringConstraints:
    return StringConstraints(strict=True, pattern=pattern)


Integer = Annotated[int, BeforeValidator(_integral), Field(strict=True)]
Amount = Annotated[Integer, Field(ge=1, le=MAX_AMOUNT)]  # minor units; nothing is sold for nothing
OrderId = Annotated[str, StringConstraints(strict=True), AfterValidator(_order_id)]
Sku = Annotated[str, _pattern(r"^[!-~]{1,64}$")]
Currency = Annotated[str, StringConstraints(strict=True), AfterValidator(_currency)]
Email = Annotated[str, StringConstraints(strict=True), AfterValidator(_address)]


class Customer(BaseModel):
    customer_id: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128)]
    email: Email


class NewCustomer(Customer, extra="forbid"):
    """A customer as they name themselves."""


class NewLine(BaseModel, extra="forbid"):
    """A line as a customer asks for it: a price of theirs is refused."""

    sku: Sku
    quantity: Annotated[Integer, Field(ge=1, le=MAX_QUANTITY)]


class PricedLine(NewLine, extra="ignore"):
    """An item's line. What the customer saw as its price is held against the catalogue's."""

    unit_price: Amount


Lines = Annotated[list[PricedLine], Field(min_length=1, max_length=MAX_LINES)]
PaymentMethod = Annotated[str, _pattern(r"^pm_[A-Za-z0-9_]{1,100}$")]
# A postal address as it stands on a label. An order without one has an empty one.
ShipTo = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_SHIP_TO)]


class Bill(BaseModel):
    """What can be added up of an order, also when other parts of it are malformed."""

    lines: Lines
    total: Amount


class Price(BaseModel):
    """What can be charged of an order, or not, also when other parts of it are malformed."""

    currency: Currency
    total: Amount


class NewOrder(BaseModel, extra="forbid"):
    """What a customer asks for; what it costs is not theirs to say. Nothing that it does not name is let through."""

    customer: NewCustomer
    currency: Currency
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=MAX_LINES)]
    payment_method: PaymentMethod
    ship_to: ShipTo = ""


class NewReturn(BaseModel, extra="forbid"):
    """What a customer sends back; what it is worth is not theirs to say."""

    lines: Annotated[list[NewLine], Field(min_length=1, max_length=MAX_LINES)]


class Order(BaseModel):
    """The whole item, schema version 1. Attributes that it does not name are somebody else's and are let through."""

    order_id: OrderId
    customer: Customer
    currency: Currency
    lines: Lines
    total: Amount
    payment_method: PaymentMethod
    ship_to: ShipTo = ""
    placed_at: Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_utc)]
    schema_version: Annotated[Literal[1], BeforeValidator(_version)]
