"""The columns of what a night writes: the contract with whoever reads the files, by Athena or otherwise.

A column is added at the end, and none is taken away or changes its type: a table reads all its days with the columns of
today. Amounts are integers in the currency's minor unit, times are UTC. tests/template holds the tables of
stacks/books.yaml to this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

type Columns = Mapping[str, str]  # a column's name, and its type as DuckDB names it

ORDERS: Final[Columns] = {
    "order_id": "VARCHAR",
    "placed_at": "TIMESTAMP",
    "decided_at": "TIMESTAMP",
    "told_at": "TIMESTAMP",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "status": "VARCHAR",
    "currency": "VARCHAR",
    "total": "BIGINT",
    "captured": "BIGINT",
    "refunded": "BIGINT",
    "seconds_to_told": "DOUBLE",
}
LINES: Final[Columns] = {
    "order_id": "VARCHAR",
    "sku": "VARCHAR",
    "quantity": "BIGINT",
    "unit_price": "BIGINT",
    "returned": "BIGINT",
}
# Of an order that has several lines of a SKU, `orders` counts one. `amount` is quantity times price; what came back of
# it is in `returned`, in units, and what was paid back only with the order.
SALES: Final[Columns] = {
    "sku": "VARCHAR",
    "currency": "VARCHAR",
    "outcome": "VARCHAR",
    "orders": "BIGINT",
    "units": "BIGINT",
    "amount": "BIGINT",
    "returned": "BIGINT",
}
# `repair` is '', 'void' or 'send again'; `repaired` is '', 'DONE' or 'FAILED'.
FINDINGS: Final[Columns] = {
    "code": "VARCHAR",
    "order_id": "VARCHAR",
    "subject": "VARCHAR",
    "currency": "VARCHAR",
    "expected": "BIGINT",
    "found": "BIGINT",
    "detail": "VARCHAR",
    "advice": "VARCHAR",
    "repair": "VARCHAR",
    "repaired": "VARCHAR",
}
# Only between the steps of a night: the units of a SKU that a partition's reservations hold, and those of them that
# orders under way may move.
HELD: Final[Columns] = {"sku": "VARCHAR", "held": "BIGINT", "moving": "BIGINT"}

# What lies under orders/, lines/, sales/ and findings/ in the bucket.
TABLES: Final[Mapping[str, Columns]] = {"orders": ORDERS, "lines": LINES, "sales": SALES, "findings": FINDINGS}


def create(table: str, columns: Columns) -> str:
    """SQL that makes an empty table with these columns."""
    return f"CREATE TABLE {table} ({', '.join(f'"{name}" {kind}' for name, kind in columns.items())})"
