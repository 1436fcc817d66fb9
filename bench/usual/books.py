"""The books with pandas in DuckDB's place: the same files in, the same checks and invariants in the same code, the same
findings, sums and counts out.

The lines are read one by one, which is the fastest way that pandas has with nested JSON, and takes a third of the
memory of `read_json`.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from pathlib import Path

import pandas as pd

from jobs import parquet, parts, schema
from jobs.cases import Case, Night
from jobs.parts import PartCounts
from jobs.reconcile import BATCH, Partition, judge, night_of
from jobs.runs import Plan

COLUMNS = ["key", "source", "text"]


def reconcile_files(files: Mapping[str, Sequence[Path]], plan: Plan, folder: Path) -> PartCounts:
    """As jobs.reconcile does it, with the same files in `folder` at the end."""
    night = night_of(plan, files)
    items = pd.concat([_read(source, paths) for source, paths in files.items()], ignore_index=True)
    written = {table: io.StringIO() for table in parts.TABLES}
    here = Partition(written, None, looks=0)
    for some in batched(_cases(items, night), BATCH, strict=False):
        judge(here, some)
    for table, columns in parts.TABLES.items():
        rows = [json.loads(line) for line in written[table].getvalue().splitlines()]
        frame = pd.DataFrame(rows, columns=list(columns), dtype=object) if table != "held" else _held(here)
        _write(frame, columns, folder / f"{table}.parquet")
    return PartCounts(here.orders, here.under_way, here.rows, here.placed, here.findings)


def _read(source: str, paths: Sequence[Path]) -> pd.DataFrame:
    rows = [(line["key"], source, json.dumps(line["item"])) for path in paths for line in _lines(path)]
    return pd.DataFrame.from_records(rows, columns=COLUMNS)


def _lines(path: Path) -> Iterator[Mapping[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _cases(items: pd.DataFrame, night: Night) -> Iterator[Case]:
    """The orders, in the order of their ids."""
    for order_id, rows in items.sort_values(COLUMNS).groupby("key", sort=False):
        some: dict[str, list[dict[str, object]]] = {}
        for source, text in zip(rows["source"], rows["text"], strict=True):
            some.setdefault(source, []).append(json.loads(text))
        yield Case(str(order_id), some, night)


def _held(here: Partition) -> pd.DataFrame:
    both = pd.DataFrame({"held": pd.Series(here.held), "moving": pd.Series(here.moving)}).fillna(0).astype("int64")
    return both.rename_axis("sku").reset_index()


def _write(frame: pd.DataFrame, columns: schema.Columns, file: Path) -> None:
    """As Parquet, by DuckDB: pandas has no writer of its own."""
    with parquet.connect(file.parent) as database:
        database.register("frame", frame)
        named = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in columns.items())
        parquet.write(database, f"SELECT {named} FROM frame ORDER BY ALL", file)
