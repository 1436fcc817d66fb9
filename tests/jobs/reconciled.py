"""Partitions that are reconciled, without having been: what load and repair find in the bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import duckdb

from jobs import bucket, parquet, parts, places, schema
from jobs.findings import ADVICE, Code
from jobs.parts import PartCounts
from jobs.runs import Plan

Row = Mapping[str, Any]


def an_order(order_id: str, **differing: Any) -> dict[str, Any]:
    """A confirmed order of 20.00 EUR, of which the customer was told after two seconds."""
    return {
        "order_id": order_id,
        "placed_at": "2026-01-01 10:00:00",
        "decided_at": "2026-01-01 10:00:01",
        "told_at": "2026-01-01 10:00:02",
        "outcome": "CONFIRMED",
        "reason": "ACCEPTED",
        "status": "CONFIRMED",
        "currency": "EUR",
        "total": 2000,
        "captured": 2000,
        "refunded": 0,
        "seconds_to_told": 2.0,
    } | differing


def a_line(order_id: str, sku: str = "mug", **differing: Any) -> dict[str, Any]:
    """A line of two mugs at 10.00."""
    return {"order_id": order_id, "sku": sku, "quantity": 2, "unit_price": 1000, "returned": 0} | differing


def a_finding(code: Code, order_id: str, **differing: Any) -> dict[str, Any]:
    """A finding that only a person can see to."""
    return {
        "code": code.value,
        "order_id": order_id,
        "subject": "",
        "currency": "EUR",
        "expected": 0,
        "found": 2000,
        "detail": "Something is wrong.",
        "advice": ADVICE[code],
        "repair": "",
        "repaired": "",
    } | differing


def put_part(
    plan: Plan,
    partition: int,
    *,
    orders: Sequence[Row] = (),
    lines: Sequence[Row] = (),
    findings: Sequence[Row] = (),
    held: Sequence[Row] = (),
    under_way: int = 0,
) -> None:
    """Put a partition's files, as reconcile does."""
    rows = {"orders": orders, "lines": lines, "findings": findings, "held": held}
    columns = parts.TABLES
    with TemporaryDirectory() as folder:
        for table, content in rows.items():
            write_rows(Path(folder) / f"{table}.parquet", columns[table], content)
        counts = PartCounts(len(orders), under_way, 10 * len(orders), len(orders), len(findings))
        bucket.delete([places.part(plan.run, partition, "part.json")])
        parts.put(plan, partition, Path(folder), counts)


def put_parts(plan: Plan, **rows: Sequence[Row]) -> None:
    """Put these rows into partition 0, and nothing into the others."""
    put_part(plan, 0, **rows)  # type: ignore[arg-type]
    for partition in range(1, plan.partitions):
        put_part(plan, partition)


def write_rows(file: Path, columns: schema.Columns, rows: Iterable[Row]) -> Path:
    """Write rows as Parquet; answers the file."""
    database = _database()
    database.execute(schema.create("written", columns).replace("CREATE TABLE", "CREATE OR REPLACE TABLE"))
    if content := [[row[column] for column in columns] for row in rows]:
        database.executemany(f"INSERT INTO written VALUES ({', '.join('?' * len(columns))})", content)
    parquet.write(database, "SELECT * FROM written ORDER BY ALL", file)
    return file


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """To connect takes longer than most of these tests."""
    return parquet.connect(Path(gettempdir()))


def read_rows(content: bytes) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    with _as_file(content) as file:
        parquet.view(_database(), "read", [file])
        answer = _database().execute("SELECT * FROM read")
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def columns_of(content: bytes) -> list[tuple[str, str]]:
    """The columns of a Parquet file and their types, in order."""
    with _as_file(content) as file:
        return [*parquet.columns(_database(), file).items()]


@contextmanager
def _as_file(content: bytes) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "read.parquet"
        file.write_bytes(content)
        yield file
