"""A small shop to play with: a catalogue, orders of every kind, and how an order is placed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from local.stack import Problem, RunningStack
from orders import Outcome
from orders.events import PLACED, SOURCE, OrderEvent
from orders.tables import sku_of

CATALOGUE_FILE = Path(__file__).with_name("catalogue.json")  # what there is for sale, as items of the Inventory table
CURRENCY = "EUR"
GENERATED = "generated"


@dataclass(frozen=True)
class Product:
    """A SKU for sale: `unit_price` in cents, `available` as the shop opens."""

    sku: str
    name: str
    unit_price: int
    available: int


def _catalogue() -> list[Product]:
    items = json.loads(CATALOGUE_FILE.read_text("utf-8"))["InventoryTableName"]
    return [
        Product(
            sku_of({"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}}),
            item["name"],
            item["unit_price"],
            item["available"],
        )
        for item in items
    ]


CATALOGUE = _catalogue()
OPENING_STOCK = {product.sku: product.available for product in CATALOGUE}
_BY_SKU = {product.sku: product for product in CATALOGUE}


@dataclass(frozen=True)
class Placement:
    """An order to place: what it shows, how many times its event is delivered, and the outcomes that are right."""

    title: str
    item: dict[str, Any]
    expected: frozenset[str]
    deliveries: int = 1
    order_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order_id", self.item["order_id"])


def order(order_id: str, lines: Mapping[str, int], **changes: Any) -> dict[str, Any]:
    """An order of `lines` (SKU to quantity) at the catalogue's prices, with some attributes changed."""
    priced: list[dict[str, Any]] = [
        {"sku": sku, "quantity": quantity, "unit_price": _BY_SKU[sku].unit_price if sku in _BY_SKU else 100}
        for sku, quantity in lines.items()
    ]
    return {
        "order_id": order_id,
        "customer": {"customer_id": f"customer-{order_id}", "email": f"{order_id}@example.com"},
        "currency": CURRENCY,
        "lines": priced,
        "total": sum(line["quantity"] * line["unit_price"] for line in priced),
        "payment_method": "pm_card_visa",
        "placed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "schema_version": 1,
    } | changes


def showcase() -> list[Placement]:
    """One order of every kind."""
    confirmed, cancelled, rejected = (frozenset({outcome}) for outcome in Outcome)
    everything = {product.sku: 1 for product in CATALOGUE if product.available > 1}
    return [
        Placement("one line", order("one-line", {"TEA-100": 2}), confirmed),
        Placement("many lines", order("many-lines", everything), confirmed),
        Placement("the last cup, wanted by A", order("last-unit-a", {"CUP-1960": 1}), confirmed | cancelled),
        Placement("the last cup, wanted by B", order("last-unit-b", {"CUP-1960": 1}), confirmed | cancelled),
        Placement("one of two lines sold out", order("sold-out", {"TEA-100": 1, "WHISK": 1}), cancelled),
        Placement(
            "card declined", order("declined", {"KETTLE": 1}, payment_method="pm_card_chargeDeclined"), cancelled
        ),
        Placement("total is not the sum", order("wrong-total", {"POT-1L": 1}, total=100), rejected),
        Placement("unknown SKU", order("unknown-sku", {"UNICORN": 1}), rejected),
        Placement("event delivered twice", order("twice", {"MUG-BLUE": 3}), confirmed, deliveries=2),
        Placement(
            "malformed item",
            {"order_id": "malformed", "lines": "two mugs, please", "total": "12.50", "currency": None},
            rejected,
        ),
    ]


def generated(count: int, seed: int = 1) -> Iterator[Placement]:
    """`count` more orders, the same ones for the same seed: most are fine, a tenth of the cards is declined."""
    rng = random.Random(seed)
    skus = [product.sku for product in CATALOGUE if product.available > 1]
    for number in range(1, count + 1):
        lines = {sku: rng.randint(1, 3) for sku in rng.sample(skus, rng.randint(1, 4))}
        declined = rng.random() < 0.1
        method = "pm_card_chargeDeclined" if declined else "pm_card_visa"
        item = order(f"generated-{number:04}", lines, payment_method=method)
        yield Placement(GENERATED, item, frozenset({Outcome.CANCELLED if declined else Outcome.CONFIRMED}))


def place(stack: RunningStack, item: Mapping[str, Any]) -> None:
    """Place an order as any client should: the condition makes a repeated put harmless.

    Raises Problem when there is an order with this id, or when DynamoDB can't store the item.
    """
    try:
        stack.table("OrdersTableName").put_item(Item=dict(item), ConditionExpression=Attr("order_id").not_exists())
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise Problem(f"There is an order {item['order_id']} already. Give this one another order_id.") from None
        raise Problem(f"DynamoDB does not take this order: {error.response['Error']['Message']}") from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Problem(f"DynamoDB can't store this order: {error}") from None


def deliver_again(stack: RunningStack, order_id: str) -> None:
    """Send an order's event once more, as the bus may do at any time."""
    event = OrderEvent(PLACED, order_id, datetime.now(UTC).isoformat(timespec="seconds"))
    entry = {"Source": SOURCE, "DetailType": event.detail_type, "Detail": json.dumps(event.detail)}
    stack.client("events").put_events(Entries=[entry | {"EventBusName": stack.outputs["EventBusName"]}])
