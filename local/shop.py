"""A small shop to play with: a catalogue, orders of every kind, and how an order is placed."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.types import DYNAMODB_CONTEXT
from botocore.exceptions import ClientError

from local.stack import Problem, Stack

CURRENCY = "EUR"
GENERATED = "generated"

# JSON is larger than the item of 400 KB that it becomes, by escapes and blanks.
LARGEST_FILE_BYTES = 4_000_000
LONGEST_KEY_BYTES = 2_048
DEEPEST = 32  # the item is the first; what stands in the last one counts as well
_TOO_DEEP = "That is nested too deeply: DynamoDB takes 32 levels."


@dataclass(frozen=True)
class Product:
    """A SKU for sale: `unit_price` in cents, `available` as the shop opens."""

    sku: str
    name: str
    unit_price: int
    available: int


CATALOGUE = [
    Product("TEA-100", "Darjeeling, 100 g", 890, 5_000),
    Product("TEA-250", "Darjeeling, 250 g", 1_990, 5_000),
    Product("MUG-BLUE", "Mug, blue", 1_250, 5_000),
    Product("MUG-GREEN", "Mug, green", 1_250, 5_000),
    Product("POT-1L", "Teapot, 1 litre", 4_900, 5_000),
    Product("KETTLE", "Kettle", 6_900, 5_000),
    Product("TRAY", "Tray, walnut", 3_450, 5_000),
    Product("CUP-1960", "Cup from 1960, the last one", 12_000, 1),
    Product("WHISK", "Whisk, sold out", 1_500, 0),
]
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
    confirmed, cancelled, rejected = frozenset({"CONFIRMED"}), frozenset({"CANCELLED"}), frozenset({"REJECTED"})
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
        yield Placement(GENERATED, item, frozenset({"CANCELLED" if declined else "CONFIRMED"}))


def open_shop(stack: Stack) -> None:
    """Write the catalogue with its stock."""
    with stack.table("InventoryTableName").batch_writer() as batch:
        for product in CATALOGUE:
            batch.put_item(
                Item={
                    "pk": f"SKU#{product.sku}",
                    "sk": "STOCK",
                    "available": product.available,
                    "unit_price": product.unit_price,
                    "currency": CURRENCY,
                    "name": product.name,
                }
            )


def place(stack: Stack, item: Mapping[str, Any]) -> None:
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


def deliver_again(stack: Stack, order_id: str) -> None:
    """Send an order's event once more, as the bus may do at any time."""
    detail = {
        "version": 1,
        "event_id": f"{order_id}:placed",
        "order_id": order_id,
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    entry = {"Source": "orders", "DetailType": "OrderPlaced", "Detail": json.dumps(detail)}
    stack.client("events").put_events(Entries=[entry | {"EventBusName": stack.outputs["EventBusName"]}])


def read(path: Path) -> dict[str, Any]:
    """The order in a JSON file, in any encoding of Unicode. Raises Problem when there is none, as `parse` does."""
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise Problem(f"Cannot read {path}: {error.strerror}.") from None
    except RuntimeError:  # `~name`, which expanduser does not know
        raise Problem(f"Cannot read {path}: there is no such user.") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise Problem(f"{path} is too large for an order: DynamoDB takes items of up to 400 KB.")
    try:
        text = raw.decode(json.detect_encoding(raw))
    except UnicodeDecodeError:
        raise Problem(f"{path} is not in UTF-8, as JSON has to be. Save it as UTF-8.") from None
    return parse(text.removeprefix("\N{BYTE ORDER MARK}"))


def parse(text: str) -> dict[str, Any]:
    """An order from JSON, with an id and a date where it has none.

    Raises Problem for what is not a JSON object, and for what DynamoDB can't store:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """
    try:
        item = json.loads(
            text, parse_float=_number, parse_int=_integer, parse_constant=_no_number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        where = f": {error.msg} in line {error.lineno}, column {error.colno}" if text.strip() else ": there is nothing"
        raise Problem(f"That is not JSON{where}.") from None
    except RecursionError:
        raise Problem(_TOO_DEEP) from None
    if not isinstance(item, dict):
        raise Problem("An order is a JSON object; events/order.json is one.")
    if _depth(item) > DEEPEST:
        raise Problem(_TOO_DEEP)
    if re.search("[\ud800-\udfff]", json.dumps(item, default=str, ensure_ascii=False)):
        raise Problem("That holds half a character (a lone surrogate such as \\ud800), which nobody can store.")
    now = datetime.now(UTC)
    order = {"order_id": f"order-{now:%Y%m%d-%H%M%S-%f}", "placed_at": now.isoformat(timespec="seconds")} | item
    if not isinstance(order["order_id"], str):
        raise Problem('The order_id has to be a text, such as "order_id": "o-1".')
    if not 1 <= len(order["order_id"].encode()) <= LONGEST_KEY_BYTES:
        raise Problem(f"The order_id is the table's key, which takes from 1 to {LONGEST_KEY_BYTES} bytes.")
    return order


def _number(text: str) -> Decimal:
    try:
        return DYNAMODB_CONTEXT.create_decimal(text)
    except ArithmeticError:
        shown = text if len(text) <= 50 else f"{text[:40]}…"
        raise Problem(
            f"DynamoDB can't store {shown}: numbers have up to 38 digits, and 126 before the point."
        ) from None


def _integer(text: str) -> int:
    return int(_number(text))


def _no_number(text: str) -> Decimal:
    raise Problem(f"{text} is not a number that JSON or DynamoDB knows.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise Problem(f"{json.dumps(repeated[0])} stands there more than once in one object.")
    return dict(pairs)


def _depth(item: Any) -> int:
    """How many levels of maps and lists there are."""
    levels, level = 0, [item]
    while level := [value for value in level if isinstance(value, dict | list)]:
        levels += 1
        level = [child for value in level for child in (value.values() if isinstance(value, dict) else value)]
    return levels
