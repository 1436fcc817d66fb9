"""Check an order before anything is done for it.

Pattern: re-read, don't trust the event. The event says which order; what it says was read when it was sent and may be
days old. The order is read by its id, consistently, and what leaves here is only what was checked: the steps that
follow work with that and never with the item again, so an order that is rewritten meanwhile can't be charged for one
thing and shipped as another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from aws import clients, logger
from aws.item import read_order
from orders import rules
from orders.errors import OrderInvalid, Unrecoverable
from orders.model import Order
from orders.tables import sku_of, stock_key


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"order_id"}` in; out what the next steps need: `lines`, `amount` (minor units), `currency`, `payment_method`.

    Raises OrderInvalid with every violation; Unrecoverable when the catalogue is wrong.
    """
    try:
        order = check(event["order_id"])
    except OrderInvalid as invalid:
        logger.info("order invalid", order_id=event["order_id"], violations=invalid.violations)
        raise
    logger.debug("order valid", order_id=order.order_id, lines=len(order.lines))
    return {
        "lines": [{"sku": line.sku, "quantity": line.quantity} for line in order.lines],
        "amount": order.total,
        "currency": order.currency,
        "payment_method": order.payment_method,
    }


def check(order_id: str) -> Order:
    """The order, held against its rules and the catalogue. Raises OrderInvalid."""
    item = read_order(order_id)
    if item is None:
        raise OrderInvalid(["order: was deleted"])
    return rules.accept(item, read_catalogue(rules.skus_of(item)))


def read_catalogue(skus: Iterable[str]) -> dict[str, rules.Product]:
    """Price and currency of those of `skus` that are sold.

    Raises TimeoutError when DynamoDB keeps leaving keys unprocessed; the workflow tries again later. Raises
    Unrecoverable for a SKU without a whole price or a currency: that is our mistake, so no order is rejected for it.
    """
    table = os.environ["INVENTORY_TABLE"]
    keys = [stock_key(sku) for sku in sorted(skus)]
    # Consistent: a price read from a lagging replica would reject an order placed at the new price, for good.
    wanted: Any = {"Keys": keys, "ConsistentRead": True}
    catalogue: dict[str, rules.Product] = {}
    for _ in range(3):
        if not wanted["Keys"]:
            return catalogue
        answer = clients.dynamodb().batch_get_item(RequestItems={table: wanted})
        for item in answer["Responses"].get(table, []):
            sku = sku_of(item)
            match item:
                case {"unit_price": {"N": price}, "currency": {"S": currency}} if price.isdecimal():
                    catalogue[sku] = rules.Product(int(price), currency)
                case _:
                    raise Unrecoverable(f"{item['pk']['S']}: unit_price or currency is missing or malformed")
        wanted = answer["UnprocessedKeys"].get(table, {"Keys": []})
    if wanted["Keys"]:
        raise TimeoutError("the catalogue could not be read whole")
    return catalogue
