"""Bring together what many files say of each order, in bounded memory.

DuckDB reads the files into a table, and puts on the disk what does not fit into memory. Their lines come out of it by
order, as a stream, so no more than a batch of them is in here at a time. What is sorted has to fit into memory, in
DuckDB too when items are long: so the orders are sorted in as many buckets as that takes. Nor is grouping done in SQL,
for a list that is made by a GROUP BY has to fit as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import parquet
from jobs.cases import Case, Night
from jobs.parquet import text as quoted
from orders.tables import Item

if TYPE_CHECKING:
    import duckdb

ROWS = 4096  # that are taken from DuckDB in one go
BUCKET_BYTES = parquet.MEMORY_BYTES // 4  # that are sorted in one go
# A line is an item, which has 400 KB at most, in JSON, where a byte may become six.
_LONGEST_LINE = 4 * 1024 * 1024


def cases(database: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]], night: Night) -> Iterator[Case]:
    """The orders in these files, by source, always in the same order."""
    names = sorted(source for source, paths in files.items() if paths)
    for order_id, rows in groupby(_rows(database, files, names), key=itemgetter(0)):
        # Where a source has several, as they are written and not as they came: the same night has the same findings.
        some = sorted(row[1:] for row in rows)
        items: dict[str, list[Item]] = {}
        # All of an order in one go: to call the parser costs as much as a small item.
        for (source, _), item in zip(some, json.loads(f"[{','.join([text for _, text in some])}]"), strict=True):
            items.setdefault(names[source], []).append(item)
        yield Case(order_id, items, night)


def _rows(
    database: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]], names: Sequence[str]
) -> Iterator[tuple[str, int, str]]:
    """An order, the number of a source, and an item: all of an order after each other."""
    database.execute("SET preserve_insertion_order = false")  # it would keep them in memory; they are sorted anyway
    database.execute("CREATE TEMP TABLE items (key VARCHAR, source UTINYINT, item VARCHAR)")
    for number, name in enumerate(names):
        database.execute(f"INSERT INTO items {_select(number, files[name])}")
    [(size,)] = database.execute("SELECT coalesce(sum(strlen(item)), 0) FROM items").fetchall()
    buckets = 1 + int(size) // BUCKET_BYTES
    for bucket in range(buckets):
        answer = database.execute(
            f"SELECT key, source, item FROM items WHERE hash(key) % {buckets} = {bucket} ORDER BY key"
        )
        while rows := answer.fetchmany(ROWS):
            yield from rows


def _select(number: int, paths: Sequence[Path]) -> str:
    listed = ", ".join(quoted(str(path)) for path in paths)
    return (
        f"SELECT key, {number}, item FROM read_json([{listed}], format = 'newline_delimited',"
        f" columns = {{key: 'VARCHAR', item: 'VARCHAR'}}, maximum_object_size = {_LONGEST_LINE})"
    )
