"""What the partitions of a night have come to: put by those who reconcile them, read by the steps that look at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import bucket, places, schema, settings

if TYPE_CHECKING:
    from jobs.runs import Plan

TABLES = {"orders": schema.ORDERS, "lines": schema.LINES, "findings": schema.FINDINGS, "held": schema.HELD}
_WHOLE = "part.json"


@dataclass(frozen=True)
class PartCounts:
    """What a partition came to: `orders` are those that there are, `under_way` those of them that were not judged,
    `rows` the items read, `placed` the orders that were placed on the day.
    """

    orders: int
    under_way: int
    rows: int
    placed: int
    findings: int


class PartMissing(settings.Problem):
    """A partition was not reconciled to its end. Without it the books would agree by leaving something out."""


def is_whole(plan: Plan, partition: int) -> bool:
    """Whether somebody has reconciled it."""
    return bucket.get(places.part(plan.run, partition, _WHOLE)) is not None


def put(plan: Plan, partition: int, folder: Path, counts: PartCounts) -> None:
    """Put a partition's files, and at last, if nobody has, the part.json that names them.

    A file's name has the digest of what it holds. So of two jobs that do the same partition, and see it differently
    because the shop goes on, the part is what one of them has seen, and never half of each.
    """
    files = {}
    for table in TABLES:
        file = folder / f"{table}.parquet"
        files[table] = f"{table}-{bucket.digest(file)}.parquet"
        bucket.put(places.part(plan.run, partition, files[table]), file, once=True)
    whole = {"files": files, "counts": asdict(counts)}
    bucket.put(places.part(plan.run, partition, _WHOLE), json.dumps(whole, sort_keys=True).encode(), once=True)


def counts(plan: Plan) -> PartCounts:
    """What all the parts come to, added up. Raises PartMissing unless each of them is whole."""
    each = [PartCounts(**part["counts"]) for part in _parts(plan)]
    return PartCounts(
        orders=sum(part.orders for part in each),
        under_way=sum(part.under_way for part in each),
        rows=sum(part.rows for part in each),
        placed=sum(part.placed for part in each),
        findings=sum(part.findings for part in each),
    )


def download(plan: Plan, table: str, folder: Path) -> list[Path]:
    """A table's files, one of each partition, in their order. Raises PartMissing."""
    files = []
    for partition, part in enumerate(_parts(plan)):
        files.append(folder / f"{table}-{partition:05}.parquet")
        bucket.download(places.part(plan.run, partition, part["files"][table]), files[-1])
    return files


def _parts(plan: Plan) -> list[Any]:
    written = [bucket.get(places.part(plan.run, partition, _WHOLE)) for partition in range(plan.partitions)]
    missing = [str(partition) for partition, content in enumerate(written) if content is None]
    if missing:
        raise PartMissing(
            f"{len(missing)} of {plan.partitions} partitions are not reconciled: {', '.join(missing[:10])}"
        )
    return [json.loads(content) for content in written if content is not None]
