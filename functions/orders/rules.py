"""What makes an order acceptable: an item and a catalogue go in, an order or its violations come out. No AWS here.

And a return of some of it, which is held against what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from orders import money
from orders.errors import OrderInvalid
from orders.model import MAX_LINES, Bill, NewLine, NewOrder, NewReturn, Order, Price, PricedLine

# An unsupported currency is the model's to report.
_TOTAL = {
    "amount_too_small": "is less than a card can be charged",
    "amount_too_large": "is more than a card can be charged",
    "amount_too_precise": "has more decimal places than a card can be charged",
}

# As many as a person reads. Step Functions takes no more than 32,768 characters of an error:
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskFailedEventDetails.html
MAX_VIOLATIONS = 50


@dataclass(frozen=True)
class Product:
    """What the catalogue says of a SKU; `unit_price` is in minor units of `currency`."""

    unit_price: int
    currency: str


def skus_of(order: Mapping[str, Any], lines: type[NewLine] = PricedLine) -> set[str]:
    """The SKUs to look up for an item, also when other parts of it are malformed; with NewLine, for a new order."""
    return {line.sku for line in _readable_lines(order, lines).values()}


def accept(item: Mapping[str, Any], catalogue: Mapping[str, Product]) -> Order:
    """Parse `item` and hold it against the catalogue.

    Raises OrderInvalid with the violations, in the order's own terms (`lines[2].quantity: …`). No value is quoted: the
    list becomes part of the decision and passes through logs and the execution history.
    """
    order, violations = _parse(Order, item)
    violations += _against_catalogue(_readable_lines(item), item.get("currency"), catalogue)
    if not _adds_up(item):
        violations.append("total: is not the sum of the lines")
    else:
        violations += _against_the_provider(item)
    if order and not violations:
        return order
    # Raised here and not where pydantic's own error is being handled: that one holds the values.
    raise OrderInvalid(_first(violations))


def accept_new(wanted: Mapping[str, Any], catalogue: Mapping[str, Product]) -> NewOrder:
    """The same for what a customer asks for, whose prices are the catalogue's. Raises OrderInvalid."""
    order, violations = _parse(NewOrder, wanted)
    violations += _against_catalogue(_readable_lines(wanted, NewLine), wanted.get("currency"), catalogue)
    if order and not violations:
        violations += _not_chargeable(total_of(order, catalogue), order.currency)
    if order and not violations:
        return order
    raise OrderInvalid(_first(violations))


def total_of(order: NewOrder, catalogue: Mapping[str, Product]) -> int:
    """What a new order comes to, in minor units of its currency."""
    return sum(line.quantity * catalogue[line.sku].unit_price for line in order.lines)


def is_what_was_asked_for(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an item is the order that a customer asks for, whatever it costs by now. What is malformed is not."""
    try:
        placed, asked = Order.model_validate(item), NewOrder.model_validate(wanted)
    except ValidationError:
        return False
    content = placed.model_dump(include=set(NewOrder.model_fields), exclude={"lines": {"__all__": {"unit_price"}}})
    return content == asked.model_dump()


def accept_return(wanted: Mapping[str, Any]) -> dict[str, int]:
    """The units by SKU that a customer wants to send back, in the sequence of their lines. Raises OrderInvalid."""
    asked, violations = _parse(NewReturn, wanted)
    units: dict[str, int] = {}
    for position, line in _readable_lines(wanted, NewLine).items():
        if line.sku in units:
            violations.append(f"lines[{position}].sku: appears in an earlier line")
        units[line.sku] = line.quantity
    if asked and not violations:
        return units
    raise OrderInvalid(_first(violations))


def too_many(units: Mapping[str, int], left: Mapping[str, int]) -> list[str]:
    """The violations of a return by what is left of the order, by SKU; none if all of it may come back."""
    return [
        f"lines[{position}].{'quantity: is more than is left' if sku in left else 'sku: was not in the order'}"
        for position, (sku, quantity) in enumerate(units.items())
        if quantity > left.get(sku, 0)
    ]


def _parse[Model: BaseModel](model: type[Model], order: Mapping[str, Any]) -> tuple[Model | None, list[str]]:
    """The order, or None and what is malformed in it."""
    try:
        return model.model_validate(order), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, [f"{_path(one['loc'])}: {one['msg']}" for one in found]


def _first(violations: list[str]) -> list[str]:
    more = len(violations) - MAX_VIOLATIONS
    return violations if more <= 0 else [*violations[:MAX_VIOLATIONS], f"and {more} more"]


def _adds_up(item: Mapping[str, Any]) -> bool:
    """False when the total is another than the lines'. Lines or a total that are malformed are reported as such."""
    try:
        bill = Bill.model_validate(item)
    except ValidationError:
        return True
    return bill.total == sum(line.quantity * line.unit_price for line in bill.lines)


def _against_the_provider(item: Mapping[str, Any]) -> Iterator[str]:
    """What the payment provider would refuse. A currency or total that is malformed is reported as such."""
    try:
        price = Price.model_validate(item)
    except ValidationError:
        return
    yield from _not_chargeable(price.total, price.currency)


def _not_chargeable(total: int, currency: str) -> Iterator[str]:
    if obstacle := money.obstacle(total, currency):
        yield f"total: {_TOTAL[obstacle]}"


def _against_catalogue(
    lines: Mapping[int, NewLine], currency: object, catalogue: Mapping[str, Product]
) -> Iterator[str]:
    seen: set[str] = set()
    foreign = False
    for position, line in lines.items():
        product = catalogue.get(line.sku)
        if line.sku in seen:
            yield f"lines[{position}].sku: appears in an earlier line"
        if product is None:
            yield f"lines[{position}].sku: is not in the catalogue"
        elif not product.unit_price:
            yield f"lines[{position}].sku: has no price"
        elif isinstance(line, PricedLine) and line.unit_price != product.unit_price:
            yield f"lines[{position}].unit_price: is not the catalogue's"
        seen.add(line.sku)
        foreign = foreign or (product is not None and product.currency != currency)
    if foreign:
        yield "currency: is not the catalogue's"


def _readable_lines(order: Mapping[str, Any], model: type[NewLine] = PricedLine) -> dict[int, NewLine]:
    """Those lines, by position, that are well formed in themselves; none of a list longer than an order may have."""
    lines = order.get("lines")
    if not isinstance(lines, list) or len(lines) > MAX_LINES:
        return {}
    readable: dict[int, NewLine] = {}
    for position, line in enumerate(lines):
        try:
            readable[position] = model.model_validate(line)
        except ValidationError:
            continue  # reported with the rest of the order's violations
    return readable


def _path(location: tuple[int | str, ...]) -> str:
    """`("lines", 2, "sku")` as a person writes it: `lines[2].sku`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
