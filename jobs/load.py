"""Put what a night came to in its place: the day's tables, a summary and a report.

A day is replaced by itself. Its files have names by day and partition and are put whole, and what the day had before
and has no longer is deleted. A load that dies half-way leaves some of the day's files old; the next one puts them all.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aws import logger
from jobs import bucket, extract, parquet, parts, places, repair, report, runs, sales, schema, settings, sources, stock
from jobs import summary as summaries
from jobs.findings import ADVICE, Finding
from jobs.summary import Found, Repairs, Summary
from orders.tables import Item

if TYPE_CHECKING:
    import duckdb

    from jobs.runs import Plan

# Findings of a code that a person reads; all of them are in the file.
SHOWN = 100


class OtherColumns(settings.Problem):
    """A part has other columns than its table: it was written by another version of the job."""


def load(plan: Plan) -> None:
    """Put the run's results on, if the day is still the run's.

    Raises parts.PartMissing, extract.Incomplete and OtherColumns before anything is put; runs.NotOurs when the day was
    taken while it was.
    """
    if not runs.holds(plan):
        logger.warning("another run has the day", run=plan.run, day=plan.day)
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        files, summary = build(plan, folder)
        # It took a while: a run that was given up meanwhile must not write over the one that came after it.
        if not runs.holds(plan):
            logger.warning("another run has taken the day", run=plan.run, day=plan.day)
            return
        put(plan.day, files)
    bucket.put(places.summary(plan.day), summaries.write(summary))
    bucket.put(places.report(plan.day), report.render(summary).encode())
    runs.finish(
        plan,
        findings=summary.found,
        repaired=summary.repairs.done,
        report=summary.report,
        summary=address(places.summary(plan.day)),
    )
    logger.info("loaded", run=plan.run, day=plan.day, orders=summary.placed, findings=summary.found)


def put(day: str, files: Mapping[str, Path]) -> None:
    """Put files under these names, and delete what else the day has."""
    for key, file in files.items():
        bucket.put(key, file)
    for table in schema.TABLES:
        bucket.delete([key for key in bucket.keys(places.day_file(table, day, "")) if key not in files])


def build(plan: Plan, folder: Path) -> tuple[dict[str, Path], Summary]:
    """The day's files, by the names that they get, and the summary."""
    counts = parts.counts(plan)
    files: dict[str, Path] = {}
    with parquet.connect(folder) as database:
        for table in ("orders", "lines"):
            copies = parts.download(plan, table, folder)
            look(database, table, copies)
            files |= {
                places.day_file(table, plan.day, f"part-{partition:05}.parquet"): file
                for partition, file in enumerate(copies)
            }
        not_checked, repairs = gather(database, plan, folder)
        for table in ("sales", "findings"):
            files[places.day_file(table, plan.day, f"{table}.parquet")] = folder / f"{table}.parquet"
        sales.write(database, folder / "sales.parquet")
        ordered = f"SELECT {', '.join(schema.FINDINGS)} FROM found ORDER BY ALL"
        parquet.write(database, ordered, folder / "findings.parquet")
        codes = database.execute("SELECT code, count(*) FROM found GROUP BY code ORDER BY code").fetchall()
        summary = Summary(
            day=plan.day,
            time_zone=settings.text("TIME_ZONE"),
            as_of=plan.as_of,
            run=plan.run,
            orders=counts.orders,
            under_way=counts.under_way,
            rows=counts.rows,
            placed=counts.placed,
            stock_not_checked=not_checked,
            report=address(places.report(plan.day)),
            tables={table: address(places.day_file(table, plan.day, "")) for table in schema.TABLES},
            outcomes=sales.decided(database),
            money=sales.money(database),
            sold=sales.sold(database),
            told=sales.told(database),
            waited=sales.waited(database),
            codes=dict(codes),
            findings=shown(database),
            repairs=repairs,
        )
    return files, summary


def look(database: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path]) -> None:
    """Let a table's name stand for the rows of its parts. Raises OtherColumns."""
    for file in files:
        if [*parquet.columns(database, file).items()] != [*schema.TABLES[table].items()]:
            raise OtherColumns(f"{file.name} has other columns than the table {table}")
    parquet.view(database, table, files)


def gather(database: duckdb.DuckDBPyConnection, plan: Plan, folder: Path) -> tuple[int, Repairs]:
    """Fill the table `found`: the findings of all parts and of the stock, and what came of their repairs. Answers how
    many SKUs' stock could not be checked, and the repairs.
    """
    look(database, "findings", parts.download(plan, "findings", folder))
    database.execute("CREATE OR REPLACE TABLE found AS SELECT * FROM findings")
    held = parts.download(plan, "held", folder)
    found, not_checked = stock.stock_findings(counters(plan, folder), held)
    for finding in found:
        row = _as_found(finding)
        database.execute(f"INSERT INTO found VALUES ({', '.join('?' * len(schema.FINDINGS))})", astuple(row))
    return not_checked, _enter_repairs(database, plan)


def counters(plan: Plan, folder: Path) -> Iterator[Item]:
    """The stock counters, as the run read them before everything else."""
    for file in extract.extracted(plan.run, sources.STOCK, 0, 1, folder):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["item"]


def _as_found(finding: Finding) -> Found:
    return Found(
        finding.code,
        finding.order_id,
        finding.subject,
        finding.currency,
        finding.expected,
        finding.found,
        finding.detail,
        ADVICE[finding.code],
        finding.repair,
        "",
    )


def _enter_repairs(database: duckdb.DuckDBPyConnection, plan: Plan) -> Repairs:
    """Write what came of the repairs into `found`. One that was asked for and has no outcome counts as failed."""
    possible = repair.wanted(database)
    if not plan.repair:
        return Repairs(possible=len(possible))
    came = [(each, "DONE" if status == "DONE" else "FAILED") for each, status in repair.results(plan, possible)]
    database.execute(
        "UPDATE found SET repaired = came.status FROM (SELECT unnest($codes) AS code, unnest($orders) AS order_id,"
        " unnest($subjects) AS subject, unnest($statuses) AS status) AS came"
        " WHERE found.code = came.code AND found.order_id = came.order_id AND found.repair <> ''"
        " AND came.subject IN ('', found.subject)",
        {
            "codes": [each.code for each, _ in came],
            "orders": [each.order_id for each, _ in came],
            "subjects": [each.subject for each, _ in came],
            "statuses": [status for _, status in came],
        },
    )
    repairs = Repairs(
        wanted=True,
        possible=len(possible),
        done=sum(status == "DONE" for _, status in came),
        failed=sum(status == "FAILED" for _, status in came),
    )
    return replace(repairs, left=repairs.possible - repairs.done - repairs.failed)


def shown(database: duckdb.DuckDBPyConnection) -> tuple[Found, ...]:
    """The first findings of each code."""
    rows = database.execute(
        f"SELECT {', '.join(schema.FINDINGS)} FROM found"
        f" QUALIFY row_number() OVER (PARTITION BY code ORDER BY order_id, subject, detail) <= {SHOWN} ORDER BY ALL"
    )
    return tuple(Found(*row) for row in rows.fetchall())


def address(key: str) -> str:
    """Where an object is, for people and for other programs."""
    return f"s3://{bucket.name()}/{key}"
