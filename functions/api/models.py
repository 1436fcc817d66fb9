"""What the API answers, for its document: `shown` makes an order, and other functions what is theirs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from orders import Outcome, Status
from orders.shipping import ReturnStatus

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Total = Annotated[int | None, Field(description="In minor units of the currency; null if it is not readable.")]
Currency = Annotated[str | None, Field(description="ISO 4217; null if it is not readable.")]
PlacedAt = Annotated[Time | None, Field(description="Null if it is not readable.")]


class Line(BaseModel):
    """How many of a SKU, and what one of it costs in minor units of the order's currency."""

    sku: str
    quantity: int
    unit_price: int


class Decision(BaseModel):
    """How the order was decided, for ever. Its violations are those that it was rejected for."""

    outcome: Outcome
    reason: str | None
    decided_at: Time | None
    violations: list[str] = []


class Order(BaseModel):
    """An order and what has become of it so far."""

    order_id: str
    status: Status
    decision: Annotated[Decision | None, Field(description="Null as long as it is not decided.")]
    lines: Annotated[list[Line], Field(description="Those that are readable.")]
    total: Total
    currency: Currency
    placed_at: PlacedAt
    history: Annotated[
        dict[str, Time],
        Field(
            description="What happened, and when, in the order of time: PLACED, IN_REVIEW, then APPROVED, DENIED or "
            "EXPIRED, and the statuses that it came to."
        ),
    ]


class ListedOrder(BaseModel):
    """An order in a list."""

    order_id: str
    status: Status
    total: Total
    currency: Currency
    placed_at: PlacedAt


class Orders(BaseModel):
    """A page of a customer's orders, the newest first."""

    orders: list[ListedOrder]
    cursor: Annotated[str | None, Field(description="Send it along for the next page; null on the last one.")]


class ReturnedLine(BaseModel):
    """How many of a SKU come back."""

    sku: str
    quantity: int


class Return(BaseModel):
    """What comes back of an order, and what is paid back for it once it is there."""

    return_id: str
    status: ReturnStatus
    lines: list[ReturnedLine]
    amount: Annotated[int, Field(description="What it was sold for, in minor units of the currency.")]
    currency: Currency
    requested_at: Time


class GatewayMessage(BaseModel):
    """What API Gateway answers by itself."""

    message: str
