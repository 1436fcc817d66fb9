"""Hold a partition's orders against everything that is known of them, and write down what is and what is wrong.

Pattern: look twice. Tables are read one after the other while the shop works, so what seems to contradict itself may
only have moved in between. Whatever looks wrong is read once more, and consistently, and counts if it is still wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from aws import logger
from jobs import checks, extract, facts, join, parquet, parts, promises, recheck, schema, settings
from jobs.cases import Case, Night
from jobs.findings import ADVICE, Code, Finding
from jobs.parts import PartCounts
from jobs.sources import PROVIDER, SOURCES
from orders import epoch_seconds

if TYPE_CHECKING:
    from jobs.runs import Plan

BATCH = 400  # orders that the invariants look at in one go
SECOND_LOOKS = 1_000  # in one partition: if more looks wrong than that, something else is


@dataclass
class Partition:
    """What is written down of a partition while its orders are looked at, and how often it may look twice."""

    lines: Mapping[str, TextIO]
    again: Callable[[Case], Case] | None
    looks: int
    orders: int = 0
    under_way: int = 0
    rows: int = 0
    placed: int = 0
    findings: int = 0
    held: Counter[str] = field(default_factory=Counter)
    moving: Counter[str] = field(default_factory=Counter)

    def write(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row to a table."""
        self.lines[table].write(json.dumps(row) + "\n")


def reconcile(plan: Plan, partition: int) -> None:
    """Reconcile one partition of the run, unless that is done. Raises extract.Incomplete."""
    if parts.is_whole(plan, partition):
        logger.info("reconciled before", run=plan.run, partition=partition)
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {
            source: extract.extracted(plan.run, source, partition, plan.segments, folder) for source in sources_there()
        }
        counts = reconcile_files(files, plan, partition, folder, recheck.look_again)
        parts.put(plan, partition, folder, counts)
    logger.info("reconciled", run=plan.run, partition=partition, **asdict(counts))


def sources_there() -> list[str]:
    """The sources whose tables are there; the provider's is, where it is a real one."""
    stripe = bool(settings.table("STRIPE_SECRET_ARN"))
    return [one.name for one in SOURCES if settings.table(one.variable) or (stripe and one.name == PROVIDER)]


def night_of(plan: Plan, sources: Iterable[str]) -> Night:
    """What all cases of a run have in common."""
    zone = settings.time_zone()
    day = date.fromisoformat(plan.day)
    begins, ends = (datetime.combine(each, time(), zone).timestamp() for each in (day, day + timedelta(days=1)))
    as_of = epoch_seconds(plan.as_of)
    since = as_of - settings.number("PROVIDER_DAYS") * 86_400 if settings.table("STRIPE_SECRET_ARN") else 0.0
    return Night(as_of, frozenset(sources), begins, ends, since)


def reconcile_files(
    files: Mapping[str, Sequence[Path]],
    plan: Plan,
    partition: int,
    folder: Path,
    again: Callable[[Case], Case] | None,
) -> PartCounts:
    """Reconcile what lies in these files, by source; writes orders, lines, findings and held (Parquet) into `folder`.
    `again` looks at an order once more, where the tables can be reached.
    """
    night = night_of(plan, files)
    written = {table: folder / f"{table}.jsonl" for table in parts.TABLES}
    streams = {table: file.open("w", encoding="utf-8") for table, file in written.items()}
    here = Partition(streams, again, SECOND_LOOKS)
    try:
        with parquet.connect(folder) as database:
            for some in batched(join.cases(database, files, night), BATCH, strict=False):
                judge(here, some)
        for sku in sorted(here.held.keys() | here.moving.keys()):
            here.write("held", {"sku": sku, "held": here.held[sku], "moving": here.moving[sku]})
    finally:
        for stream in streams.values():
            stream.close()
    with parquet.connect(folder) as database:
        for table, columns in parts.TABLES.items():
            parquet.write(database, _sorted(written[table], columns), folder / f"{table}.parquet")
            written[table].unlink()
    return PartCounts(here.orders, here.under_way, here.rows, here.placed, here.findings)


def judge(here: Partition, cases: Sequence[Case]) -> None:
    """Look at some orders, at what looks wrong twice, and write down what they come to."""
    judged = [_twice(here, case, what_only_the_outside_shows(case)) for case in cases]
    quiet = [case for case, found in judged if not found and _is_at_rest(case)]
    broken = {finding.order_id: finding for finding in promises.contradictions(quiet)}
    for case, found in judged:
        if case.order_id in broken:
            case, found = _twice(here, case, [broken[case.order_id]])  # noqa: PLW2901 - it is this order still
        _enter(here, case, found)


def what_is_wrong(case: Case) -> list[Finding]:
    """All that is wrong with one order: what the invariants say, where nothing else explains it."""
    found = what_only_the_outside_shows(case)
    return found if found or not _is_at_rest(case) else promises.contradictions([case])


def what_only_the_outside_shows(case: Case) -> list[Finding]:
    """The checks' findings; of items that are not as the pipeline writes them, that."""
    try:
        return checks.findings(case)
    except promises.NOT_UNDERSTOOD as error:
        detail = f"an item is not understood ({type(error).__name__})"
        return [Finding(Code.INVARIANT_BROKEN, case.order_id, detail=detail)]


def _is_at_rest(case: Case) -> bool:
    return case.state is not None and case.under_way_since is None


def _twice(here: Partition, case: Case, found: list[Finding]) -> tuple[Case, list[Finding]]:
    if not found or here.again is None or here.looks == 0:
        return case, found
    here.looks -= 1
    now = here.again(case)
    return now, what_is_wrong(now)


def _enter(here: Partition, case: Case, found: Sequence[Finding]) -> None:
    here.rows += sum(map(len, case.items.values()))
    here.findings += len(found)
    for finding in found:
        here.write("findings", {**asdict(finding), "advice": ADVICE[finding.code], "repaired": ""})
    try:
        under_way, units, in_doubt = case.under_way_since is not None, case.units_out, case.units_in_doubt
        row, lines = (facts.order_row(case), facts.line_rows(case)) if case.is_of_the_day else (None, [])
    except promises.NOT_UNDERSTOOD:
        return  # which is among the findings
    if case.order is not None or case.state is not None:
        here.orders += 1
        here.under_way += under_way
    here.held.update(units)
    here.moving.update(in_doubt)
    if row:
        here.placed += 1
        here.write("orders", row)
        for line in lines:
            here.write("lines", line)


def _sorted(file: Path, columns: schema.Columns) -> str:
    """The rows of a file of JSON lines: those of a day, or of what is wrong, which are few and short."""
    named = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    lines = f"read_json({parquet.text(str(file))}, format = 'newline_delimited', columns = {{{named}}})"
    return f"SELECT {', '.join(columns)} FROM {lines} ORDER BY ALL"
