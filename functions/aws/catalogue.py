"""Reading what is sold, and for how much."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from aws import clients
from orders.errors import Unrecoverable
from orders.rules import Product
from orders.tables import sku_of, stock_key


def read_catalogue(skus: Iterable[str]) -> dict[str, Product]:
    """Price and currency of those of `skus` that are sold.

    Raises TimeoutError when DynamoDB keeps leaving keys unprocessed: try again later. Raises Unrecoverable for a SKU
    without a whole price or a currency: that is our mistake, so no order is rejected for it.
    """
    table = os.environ["INVENTORY_TABLE"]
    keys = [stock_key(sku) for sku in sorted(skus)]
    # Consistent: a price read from a lagging replica would reject an order placed at the new price, for good.
    wanted: Any = {"Keys": keys, "ConsistentRead": True}
    catalogue: dict[str, Product] = {}
    for _ in range(3):
        if not wanted["Keys"]:
            return catalogue
        answer = clients.dynamodb().batch_get_item(RequestItems={table: wanted})
        for item in answer["Responses"].get(table, []):
            sku = sku_of(item)
            match item:
                case {"unit_price": {"N": price}, "currency": {"S": currency}} if price.isdecimal():
                    catalogue[sku] = Product(int(price), currency)
                case _:
                    raise Unrecoverable(f"{item['pk']['S']}: unit_price or currency is missing or malformed")
        wanted = answer["UnprocessedKeys"].get(table, {"Keys": []})
    if wanted["Keys"]:
        raise TimeoutError("the catalogue could not be read whole")
    return catalogue
