"""As many orders as one likes, in the files that `extract` would leave: copies of a few real ones (lives.py), each with
ids, times and SKUs of its own.

The same seed makes the same orders. Some are damaged, and it is known how.
"""

from __future__ import annotations

import functools
import gzip
import json
import random
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path

from bench import lives
from bench.damage import DAMAGES, Damage
from bench.lives import FAMILY, KINDS, Life
from bench.units import Item
from jobs import places
from jobs.partitions import partition_of
from jobs.sources import SOURCES, STOCK
from orders import ReservationStatus, epoch_seconds
from orders.tables import stock_key

AS_OF = "2026-11-25T01:30:00.000+00:00"
DAY = "2026-11-24"
DAYS = 60  # over which the orders were placed
DAMAGED_EVERY = 5_000  # orders, of which one is damaged
LATE = 300  # seconds after AS_OF, in which orders were placed while the extract ran
FAMILIES = 125  # of SKUs
WORKERS = 2
LEVEL = 1  # of compression, as the extract's

# What is another in each copy. The longest first: a token looks like several ids.
_VARIES = re.compile(
    r"(?P<token>[A-Za-z0-9+/]{100,})"
    r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<hex>[0-9a-f]{16,})"
    r"|(?P<order>template-\d{4})"
    rf"|(?P<sku>{FAMILY})"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))"
    r'|(?<="N": ")(?P<seconds>1[78]\d{8})(?P<milliseconds>\d{3})?(?=")'
)


@dataclass(frozen=True)
class Template:
    """An order's lines in the extract: of each source the text with `%s` for what varies, and which of the values each
    of these is. The first two values are the order's id and its SKUs' family; then come `texts` of so many characters,
    and `times`: seconds after it was placed, and how it is written.
    """

    sources: Mapping[str, tuple[str, tuple[int, ...]]]
    texts: tuple[int, ...]
    times: tuple[tuple[float, str], ...]
    held: Mapping[str, int]  # units by SKU of the first family
    rows: int
    damage: str = ""

    def lines(self, order_id: str, family: str, placed: float, rng: random.Random) -> Iterator[tuple[str, str]]:
        """One copy: the lines of each source."""
        values: list[str] = [order_id, family]
        characters, start = rng.randbytes(sum(self.texts) // 2 + 1).hex(), 0
        for length in self.texts:
            values.append(characters[start : start + length])
            start += length
        values += [_written(placed + after, how) for after, how in self.times]
        for source, (text, which) in self.sources.items():
            yield source, text % itemgetter(*which)(values)


def _written(moment: float, how: str) -> str:
    match how:
        case "seconds":
            return str(int(moment))
        case "milliseconds":
            return str(int(moment * 1000))
        case _:
            precise = how.removesuffix("Z").removesuffix("+00:00")
            written = datetime.fromtimestamp(moment, UTC).isoformat(
                timespec="milliseconds" if "." in precise else "seconds"
            )
            return written.removesuffix("+00:00") + how[len(precise) :]


@functools.cache
def _templates() -> dict[tuple[str, float], list[Template]]:
    """By kind and age, those of orders that are well; by code and the last age, those of damaged ones. Made once in a
    process.
    """
    found: dict[tuple[str, float], list[Template]] = {}
    for life in lives.lived({source.table: source.key for source in SOURCES}):
        for age, tables in life.at.items():
            found.setdefault((life.kind, age), []).append(_template(life, tables))
        for damage in DAMAGES:
            if damage.kind == life.kind:
                age = max(life.at)
                found.setdefault((damage.code, age), []).append(_template(life, life.at[age], damage))
    return found


def _template(life: Life, tables: lives.Tables, damage: Damage | None = None) -> Template:
    copied: dict[str, list[Item]] = json.loads(json.dumps(tables))
    if damage:
        damage.do(copied)
    values: dict[str, int] = {life.order_id: 0, FAMILY: 1}
    lengths: list[int] = []
    moments: dict[str, tuple[float, str]] = {}
    written = {
        source.name: "".join(_line(source.key(item), item) for item in copied.get(source.table, ()) if source.key(item))
        for source in SOURCES
    }
    # What is a text is numbered before what is a time.
    for found in _VARIES.finditer("".join(written.values())):
        kind, value = found.lastgroup, found[0]
        if kind in ("token", "uuid", "hex") and value not in values:
            values[value] = 2 + len(lengths)
            lengths.append(len(value))
    for found in _VARIES.finditer("".join(written.values())):
        if found.lastgroup in ("time", "seconds", "milliseconds") and found[0] not in moments:
            moments[found[0]] = _moment(found, life.placed)
            values[found[0]] = 1 + len(lengths) + len(moments)
    return Template(
        sources={
            source: (_VARIES.sub("%s", text.replace("%", "%%")), _which(text, values))
            for source, text in written.items()
            if text
        },
        texts=tuple(lengths),
        times=tuple(moments.values()),
        held=_held(copied),
        rows=sum(text.count("\n") for text in written.values()),
        damage=damage.code if damage else "",
    )


def _line(key: str | None, item: Item) -> str:
    """As the extract writes it."""
    return json.dumps({"key": key, "item": item}, sort_keys=True) + "\n"


def _which(text: str, values: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(values[found[0]] for found in _VARIES.finditer(text))


def _moment(found: re.Match[str], placed: float) -> tuple[float, str]:
    match found.lastgroup:
        case "seconds":
            return int(found[0]) - placed, "seconds"
        case "milliseconds":
            return int(found[0]) / 1000 - placed, "milliseconds"
        case _:
            return epoch_seconds(found[0]) - placed, found[0]


def _held(tables: Mapping[str, Sequence[Item]]) -> Counter[str]:
    """Units that the order's reservation holds, without what was put back."""
    units: Counter[str] = Counter()
    for item in tables.get("InventoryTable", ()):
        if "units" in item:
            units.subtract({sku: int(count["N"]) for sku, count in item["units"]["M"].items()})
        elif item["status"]["S"] == ReservationStatus.RESERVED:
            units.update({line["M"]["sku"]["S"]: int(line["M"]["quantity"]["N"]) for line in item["lines"]["L"]})
    return units


@dataclass
class Written:
    """What was written: rows by source, orders, the codes of the damaged ones, the units that are held by SKU, and the
    SKU of which a unit is missing.
    """

    rows: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    bytes: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    short: str = ""

    def add(self, other: Written) -> None:
        """What another worker has written."""
        self.rows += other.rows
        self.orders += other.orders
        self.bytes += other.bytes
        self.damaged |= other.damaged
        self.held.update(other.held)


def write(orders: int, partitions: int, folder: Path, seed: int = 1, every: int = DAMAGED_EVERY) -> Written:
    """Write so many orders into a folder, on all workers at once. Of so many, one is damaged. In memory is one order at
    a time.
    """
    made, written = _templates(), Written()
    # A pool that is left by an exception ends its workers.
    with get_context("spawn").Pool(WORKERS) as pool:
        shares = [
            _Share(made, len(range(worker, orders, WORKERS)), partitions, folder, f"{seed} {worker}", every, worker)
            for worker in range(WORKERS)
        ]
        for share in pool.map(_write, shares, chunksize=1):
            written.add(share)
    _write_stock(written, folder)
    return written


def file(folder: Path, source: str, partition: int, segment: int) -> Path:
    """Where a segment's items of a source and a partition are."""
    return folder / source / f"{partition:05}" / f"{segment:04}.jsonl.gz"


@dataclass(frozen=True)
class _Share:
    """What one worker writes: its orders, as one segment of the extract."""

    made: Mapping[tuple[str, float], Sequence[Template]]
    orders: int
    partitions: int
    folder: Path
    seed: str
    every: int
    segment: int


def _write(share: _Share) -> Written:
    rng, written = random.Random(share.seed), Written(orders=share.orders)
    as_of = epoch_seconds(AS_OF)
    kinds, percents = [kind.name for kind in KINDS], [kind.percent for kind in KINDS]
    with ExitStack() as open_files:
        files = {}
        for source in SOURCES:
            for partition in range(share.partitions):
                path = file(share.folder, source.name, partition, share.segment)
                path.parent.mkdir(parents=True, exist_ok=True)
                files[source.name, partition] = open_files.enter_context(gzip.open(path, "wb", compresslevel=LEVEL))
        held: Counter[tuple[int, str]] = Counter()
        for number in range(share.orders):
            order_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            family = rng.randrange(FAMILIES)
            if number % share.every == share.every // 2:
                kind, age = str(rng.choice(DAMAGES).code), lives.AGES[-1]
                placed = as_of - rng.randint(int(age), DAYS * 86_400)
            else:
                (kind,) = rng.choices(kinds, percents)
                placed = as_of - rng.randint(-LATE, DAYS * 86_400)
                age = max((one for one in lives.AGES if one <= as_of - placed), default=lives.AGES[0])
            template = rng.choice(share.made[kind, age])
            partition = partition_of(order_id, share.partitions)
            for name, text in template.lines(order_id, f"SKU-{family:03}", placed, rng):
                line = text.encode()
                written.rows[name] += text.count("\n")
                written.bytes += len(line)
                files[name, partition].write(line)
            for sku, units in template.held.items():
                held[family, sku] += units
            if template.damage:
                written.damaged[order_id] = template.damage
    for (family, sku), units in held.items():
        written.held[sku.replace(FAMILY, f"SKU-{family:03}")] += units
    return written


def _write_stock(written: Written, folder: Path) -> None:
    """The counters: all that was received is there or held, but for one unit."""
    path = file(folder, STOCK, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", compresslevel=LEVEL) as lines:
        for family in range(FAMILIES):
            for number in range(lives.SKUS):
                sku = lives.sku(number).replace(FAMILY, f"SKU-{family:03}")
                item = lives.stock(number) | stock_key(sku)
                there = int(item["available"]["N"])
                item["received"] = {"N": str(there + written.held[sku])}
                if not written.short and there:
                    written.short, item["available"] = sku, {"N": str(there - 1)}
                lines.write(_line(sku, item))
        written.rows[STOCK] = FAMILIES * lives.SKUS


def put_stock(folder: Path, bucket: Path, run: str) -> None:
    """Put the counters where a night looks for them."""
    key = places.chunk_file(run, STOCK, 0, "0000-000000-0")
    listed = places.segment_file(run, STOCK, 0)
    for name in (key, listed):
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file(folder, STOCK, 0, 0), bucket / key)
    (bucket / listed).write_text(json.dumps({"done": True, "files": [key]}), "utf-8")
