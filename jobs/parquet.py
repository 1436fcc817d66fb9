"""DuckDB as the jobs use it: on one thread, in bounded memory, with nothing from a network.

One thread, because then the same rows make the same file, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from jobs.schema import Columns

# What does not fit is put into the folder. A container has more; a query needs some beside this.
MEMORY_BYTES = 512 * 1024**2


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory, which spills into a folder."""
    return duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": f"{MEMORY_BYTES}B",
            "temp_directory": str(folder),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def write(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write a query's rows as Parquet. The same rows in the same order make the same bytes: let the query sort."""
    connection.execute(f"COPY ({query}) TO {text(str(file))} (FORMAT parquet, COMPRESSION zstd)")


def columns(connection: duckdb.DuckDBPyConnection, file: Path) -> Columns:
    """The columns of a Parquet file, and their types as DuckDB names them."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({text(str(file))})").fetchall()
    return {name: kind for name, kind, *_ in rows}


def view(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path]) -> None:
    """Let a name stand for the rows of some Parquet files; there has to be one."""
    listed = ", ".join(text(str(file)) for file in files)
    connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet([{listed}])")


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
