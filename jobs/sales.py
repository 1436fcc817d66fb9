"""What was sold on a day, and how long its customers waited: DuckDB's sums over the views `orders` and `lines`.

A rejected order may say anything of itself. What no card can be charged is no amount, and counts for nothing.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from jobs import parquet
from jobs.summary import Decided, Money, Sold, Told, Waited
from orders import Outcome
from orders.money import MAX_AMOUNT

# SKUs of a currency that have a line of their own.
LINES = 20
# Seconds; what a customer notices, up to the hours for which a person may take to approve.
BOUNDS = (1, 2, 5, 10, 30, 60, 300, 1800, 3600, 86_400)


def write(database: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Sales by SKU, currency and outcome (schema.SALES), written to `file`, and the table `sales` of them."""
    amount = _sensible("lines.quantity::HUGEINT * lines.unit_price")
    database.execute(
        f"""
        CREATE OR REPLACE TABLE sales AS
        SELECT
            coalesce(lines.sku, '') AS sku,
            coalesce(orders.currency, '') AS currency,
            coalesce(orders.outcome, '') AS outcome,
            count(DISTINCT lines.order_id) AS orders,
            sum({_sensible("lines.quantity")})::BIGINT AS units,
            sum({amount})::BIGINT AS amount,
            sum({_sensible("lines.returned")})::BIGINT AS returned
        FROM lines JOIN orders USING (order_id)
        GROUP BY ALL
        """
    )
    parquet.write(database, "SELECT * FROM sales ORDER BY sku, currency, outcome", file)


def _sensible(amount: str) -> str:
    """An amount in SQL, or 0 where it is none that can be charged."""
    return f"CASE WHEN {amount} BETWEEN 0 AND {MAX_AMOUNT} THEN {amount} ELSE 0 END"


def decided(database: duckdb.DuckDBPyConnection) -> tuple[Decided, ...]:
    """The day's orders by outcome and reason."""
    rows = database.execute(
        "SELECT coalesce(outcome, ''), coalesce(reason, ''), count(*) FROM orders GROUP BY ALL ORDER BY 1, 3 DESC, 2"
    )
    return tuple(Decided(*row) for row in rows.fetchall())


def money(database: duckdb.DuckDBPyConnection) -> tuple[Money, ...]:
    """What the day's orders have brought in, by currency; none that nothing was sold in."""
    rows = database.execute(
        f"""
        SELECT
            coalesce(currency, '') AS currency,
            count(*) FILTER (outcome = '{Outcome.CONFIRMED}') AS confirmed,
            coalesce(sum({_sensible("total")}) FILTER (outcome = '{Outcome.CONFIRMED}'), 0)::BIGINT AS sold,
            coalesce(sum({_sensible("captured")}), 0)::BIGINT AS captured,
            coalesce(sum({_sensible("refunded")}), 0)::BIGINT AS refunded,
            count(*) FILTER (refunded > 0) AS refunds
        FROM orders
        GROUP BY 1
        HAVING confirmed > 0 OR captured > 0 OR refunded > 0
        ORDER BY confirmed DESC, currency
        """
    )
    return tuple(Money(*row) for row in rows.fetchall())


def sold(database: duckdb.DuckDBPyConnection) -> tuple[Sold, ...]:
    """What confirmed orders bought, from the table `sales`: of each currency the SKUs that brought in most, and then
    the others as one.
    """
    rows = database.execute(
        f"""
        WITH ranked AS (
            SELECT *, row_number() OVER (PARTITION BY currency ORDER BY amount DESC, units DESC, sku) AS place
            FROM sales WHERE outcome = '{Outcome.CONFIRMED}'
        )
        SELECT
            currency,
            CASE WHEN place <= {LINES} THEN sku ELSE '' END AS name,
            count(*) AS skus,
            sum(orders)::BIGINT AS orders,
            sum(units)::BIGINT AS units,
            sum(amount)::BIGINT AS amount,
            sum(returned)::BIGINT AS returned
        FROM ranked
        GROUP BY currency, name, least(place, {LINES + 1})
        ORDER BY currency, least(min(place), {LINES + 1})
        """
    )
    return tuple(Sold(*row) for row in rows.fetchall())


def told(database: duckdb.DuckDBPyConnection) -> tuple[Told, ...]:
    """How long customers waited for the outcome: all of them, then those of each outcome. Empty if nobody was told."""
    rows = database.execute(
        """
        SELECT coalesce(outcome, ''), count(*), quantile_cont(seconds_to_told, [0.5, 0.95, 0.99]), max(seconds_to_told)
        FROM (
            SELECT '' AS outcome, seconds_to_told FROM orders
            UNION ALL SELECT outcome, seconds_to_told FROM orders WHERE outcome <> ''
        )
        WHERE seconds_to_told IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """
    )
    return tuple(
        Told(outcome, orders, *(round(seconds, 3) for seconds in (*quantiles, longest)))
        for outcome, orders, quantiles, longest in rows.fetchall()
    )


def waited(database: duckdb.DuckDBPyConnection) -> tuple[Waited, ...]:
    """How many customers waited for how long. Empty if nobody was told."""
    counted = ", ".join(
        f"count(*) FILTER (seconds_to_told >= {low} AND seconds_to_told < {high})"
        for low, high in zip(("'-inf'::DOUBLE", *BOUNDS), (*BOUNDS, "'inf'::DOUBLE"), strict=False)
    )
    [*counts] = database.execute(f"SELECT {counted} FROM orders").fetchone() or ()
    if not any(counts):
        return ()
    return tuple(Waited(below, orders) for below, orders in zip((*BOUNDS, None), counts, strict=True))
