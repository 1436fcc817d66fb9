"""How fast a night reconciles: synthetic orders of all kinds, two processes at a time, beside pandas in the same run.

The same extract is reconciled by arrays of several sizes, and once more with pandas in DuckDB's place. Both have to
come to the same findings, rows and sums, and to all the damage that was done.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from bench import container, synthetic
from bench.container import AT_ONCE, Task, Took, Work
from bench.figures import Figure, Progress, Section
from bench.synthetic import Written
from jobs import parts, places
from jobs.findings import Code

ORDERS = 1_000_000
ARRAYS = (2, 4, 8, 16)  # partitions
FEWER = (8, 3)  # parts of the orders, with as many orders in a partition
ENOUGH = 25_000  # orders in a partition that is compared
ROOM = 1024  # MB, a quarter of what a container has (stacks/books.yaml)
BOUNDED = 1.15  # what more orders may take of memory, by chance
MB = 1_000_000


@dataclass(frozen=True)
class Extract:
    """So many orders, extracted into a folder in so many partitions."""

    folder: Path
    orders: int
    partitions: int


@dataclass(frozen=True)
class Reconciled:
    """One way to reconcile some orders: each process, and for how many seconds all of them took."""

    orders: int
    partitions: int
    took: Sequence[Took]
    seconds: float

    @property
    def cpu(self) -> float:
        """Microseconds of CPU for each order, of all processes."""
        return 1e6 * sum(one.cpu for one in self.took) / self.orders

    @property
    def peak(self) -> float:
        """MB of memory that the largest process had."""
        return max(one.peak for one in self.took) / MB

    @property
    def longest(self) -> float:
        """Seconds that the longest process took: an array that may run at once takes no longer."""
        return max(one.seconds for one in self.took)


@dataclass(frozen=True)
class Measured:
    """All of a run: `arrays` by their partitions, the `load` of one, `pandas` beside the array of as many partitions,
    and fewer to more orders with as many in each partition. `differences` are rows that pandas has otherwise, `wrong`
    is damage that was missed or made up.
    """

    written: Written
    arrays: Mapping[int, Reconciled]
    load: Took
    pandas: Reconciled
    sizes: Sequence[Reconciled]
    differences: int
    wrong: int


def measure(progress: Progress, orders: int = ORDERS) -> Section:
    """The section for the report. Its files are in a folder of its own, which is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="books-") as name:
        return section(measured(progress, orders, Path(name)))


def measured(progress: Progress, orders: int, folder: Path) -> Measured:
    """Write the orders, and reconcile them in every way."""
    most, alike = max(ARRAYS), compared_array(orders)
    progress(f"writing {orders:,} orders")
    extract = Extract(folder / "extract", orders, most)
    written = synthetic.write(orders, most, extract.folder)
    arrays: dict[int, Reconciled] = {}
    buckets = {partitions: folder / f"jobs-{partitions}" for partitions in ARRAYS}
    wrong = 0
    for partitions, bucket in buckets.items():
        progress(f"{orders:,} orders in {partitions} partitions")
        arrays[partitions] = reconciled(Work.JOBS, extract, bucket, partitions)
        wrong += len(found(bucket, partitions) ^ expected(written))
    progress("loading")
    [load], _ = container.run([Task(Work.LOAD, extract.folder, buckets[most], most, most)])
    wrong += stock_wrong(buckets[most], written)
    progress(f"{orders:,} orders with pandas")
    pandas = reconciled(Work.PANDAS, extract, folder / "pandas", alike)
    differences = compared(buckets[alike], folder / "pandas", alike)
    sizes = [*fewer(progress, orders, folder), arrays[most]]
    return Measured(written, arrays, load, pandas, sizes, differences, wrong)


def compared_array(orders: int) -> int:
    """The array that is held against pandas: the largest in which starting Python does not matter."""
    return max((partitions for partitions in ARRAYS if orders // partitions >= ENOUGH), default=min(ARRAYS))


def reconciled(what: Work, extract: Extract, bucket: Path, partitions: int) -> Reconciled:
    """Reconcile an extract by an array of so many partitions, two processes at a time."""
    bucket.mkdir(parents=True, exist_ok=True)
    task = Task(what, extract.folder, bucket, extract.partitions, partitions)
    took, seconds = container.run([replace(task, partition=partition) for partition in range(partitions)])
    return Reconciled(extract.orders, partitions, took, seconds)


def fewer(progress: Progress, orders: int, folder: Path) -> Iterator[Reconciled]:
    """Fewer orders, with as many in each partition."""
    most = max(ARRAYS)
    for part in FEWER:
        partitions = most // part
        some = orders // most * partitions
        progress(f"{some:,} orders in {partitions} partitions")
        with tempfile.TemporaryDirectory(dir=folder) as name:
            extract = Extract(Path(name) / "extract", some, partitions)
            synthetic.write(some, partitions, extract.folder)
            yield reconciled(Work.JOBS, extract, Path(name) / "jobs", partitions)


def section(run: Measured) -> Section:
    """What the report shows."""
    pandas, ours = run.pandas, run.arrays[run.pandas.partitions]
    orders, rows = run.written.orders, run.written.rows.total()
    made = Section("The books' speed")
    made.figures += [
        Figure("orders", orders, ""),
        Figure("items in the extract", rows, ""),
        Figure("their JSON", run.written.bytes / 1e9, "GB"),
        Figure("reconciled", ours.seconds, "s", pandas.seconds, pandas.seconds, "pandas"),
        Figure("orders a second", orders / ours.seconds, "", None, orders / pandas.seconds, "pandas"),
        Figure("items a second", rows / ours.seconds, "", None, rows / pandas.seconds, "pandas"),
        Figure("CPU", ours.cpu, "µs per order", None, pandas.cpu, "pandas"),
        Figure("peak memory of a process", ours.peak, "MB", ROOM, pandas.peak, "pandas"),
        Figure("pandas takes the time", pandas.seconds / ours.seconds, "×"),
        Figure("pandas takes the memory", pandas.peak / ours.peak, "×"),
        Figure("rows that pandas has otherwise", run.differences, "", target=0),
        Figure("damage done", len(run.written.damaged) + 1, ""),
        Figure("damage missed or made up", run.wrong, "", target=0),
        Figure("load", run.load.seconds, "s"),
        Figure("load: peak memory", run.load.peak / MB, "MB"),
    ]
    for partitions, one in run.arrays.items():
        name = f"{partitions} × {orders // partitions:,} orders"
        made.figures += [
            Figure(f"{name}: reconciled", one.seconds, "s"),
            Figure(f"{name}: longest process", one.longest, "s"),
            Figure(f"{name}: peak memory", one.peak, "MB"),
        ]
    for one in run.sizes:
        made.figures.append(Figure(f"{one.orders:,} orders in {one.partitions}: peak memory", one.peak, "MB"))
    more = run.sizes[-1].peak / run.sizes[0].peak
    made.figures.append(Figure("memory for the most orders, to the fewest", more, "×", BOUNDED))
    made.series["curves"] = [_scaling(run.arrays), _memory(run.sizes)]
    made.notes += [
        f"{AT_ONCE} processes at a time on {os.cpu_count()} cores, each with starting Python; DuckDB has one thread.",
        f"pandas is compared at {pandas.partitions} partitions, from the same files, in the same run.",
        "Both look at every order with the same checks and invariants; what differs is how its records come together.",
    ]
    return made


def _scaling(arrays: Mapping[int, Reconciled]) -> dict[str, object]:
    lines = {
        "two processes at a time": [(partitions, one.seconds) for partitions, one in arrays.items()],
        "the longest process, which is all when they run at once": [
            (partitions, one.longest) for partitions, one in arrays.items()
        ],
    }
    return {"name": "array", "title": "An array of more containers", "x": "partitions", "y": "s", "lines": lines}


def _memory(sizes: Sequence[Reconciled]) -> dict[str, object]:
    lines = {"the largest process": [(one.orders, one.peak) for one in sizes]}
    return {
        "name": "memory",
        "title": "Peak memory, with as many orders in each partition",
        "x": "orders",
        "y": "MB",
        "lines": lines,
    }


# ── The same, and right ───────────────────────────────────────────────────────────────────────────────────────────────


def expected(written: Written) -> set[tuple[str, str]]:
    """The code and the order of each finding that there has to be in the parts."""
    return {(code, order_id) for order_id, code in written.damaged.items()}


def found(bucket: Path, partitions: int) -> set[tuple[str, str]]:
    """The code and the order of each finding of all parts."""
    with opened(bucket, partitions) as database:
        return set(database.execute("SELECT code, order_id FROM findings").fetchall())


def stock_wrong(bucket: Path, written: Written) -> int:
    """How many findings about the stock the loaded day has besides the missing unit; one more where that is missing."""
    path = bucket / places.day_file("findings", synthetic.DAY, "findings.parquet")
    with duckdb.connect() as database:
        about = "SELECT code, subject FROM read_parquet(?) WHERE order_id = ''"
        stock = set(database.execute(about, [str(path)]).fetchall())
    return len(stock ^ {(Code.STOCK_DOES_NOT_ADD_UP, written.short)})


def compared(one: Path, other: Path, partitions: int) -> int:
    """How many rows of any table one has and the other has not."""
    rows = 0
    with opened(one, partitions) as first, opened(other, partitions) as second:
        for table in parts.TABLES:
            mine, theirs = (set(each.execute(f"SELECT * FROM {table}").fetchall()) for each in (first, second))
            rows += len(mine ^ theirs)
    return rows


def part(bucket: Path, partition: int) -> dict[str, Any]:
    """A partition's part.json."""
    read: dict[str, Any] = json.loads((bucket / places.part(container.RUN, partition, "part.json")).read_text("utf-8"))
    return read


@contextmanager
def opened(bucket: Path, partitions: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """What the partitions have come to, in tables."""
    with duckdb.connect() as database:
        for table in parts.TABLES:
            names = [part(bucket, each)["files"][table] for each in range(partitions)]
            files = [str(bucket / places.part(container.RUN, each, name)) for each, name in enumerate(names)]
            # What several parts hold of a SKU is one sum.
            rows = "SELECT * FROM read_parquet($files)"
            if table == "held":
                rows = "SELECT sku, sum(held) AS held, sum(moving) AS moving FROM read_parquet($files) GROUP BY sku"
            database.execute(f"CREATE TABLE {table} AS {rows}", {"files": files})
        yield database
