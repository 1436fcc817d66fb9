"""Bring together what many files say of each order, in bounded memory.

DuckDB reads the files, sorts their lines by order, and puts on the disk what does not fit into memory. What comes out
is a stream, so no more than a batch of it is in here at a time. Grouping is done here and not in SQL: a list that is
made by a GROUP BY has to fit into memory, a sort has not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.cases import Case, Night
from jobs.parquet import text as quoted
from orders.tables import Item

if TYPE_CHECKING:
    import duckdb

ROWS = 4096  # that are taken from DuckDB in one go
# A line is an item, which has 400 KB at most, in JSON, where a byte may become six.
_LONGEST_LINE = 4 * 1024 * 1024


def cases(database: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]], night: Night) -> Iterator[Case]:
    """The orders in these files, by source, in the order of their ids."""
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
    """An order, the number of a source, and an item, sorted by order."""
    if not names:
        return
    selects = [_select(number, files[name]) for number, name in enumerate(names)]
    answer = database.execute(f"SELECT key, source, item FROM ({' UNION ALL '.join(selects)}) ORDER BY key")
    while rows := answer.fetchmany(ROWS):
        yield from rows


def _select(number: int, paths: Sequence[Path]) -> str:
    listed = ", ".join(quoted(str(path)) for path in paths)
    return (
        f"SELECT key, {number}::UTINYINT AS source, item FROM read_json([{listed}], format = 'newline_delimited',"
        f" columns = {{key: 'VARCHAR', item: 'JSON'}}, maximum_object_size = {_LONGEST_LINE})"
    )
