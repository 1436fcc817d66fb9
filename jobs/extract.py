"""Copy what a branch of the workflow reads into the bucket, sorted into partitions: one job for each segment.

Pattern: progress by compare-and-swap. A segment's file says how far it was read and which chunk files hold that; it is
replaced only if it is what it was when we read it. A job that dies goes on from there, and of two that do the same
segment, the second to write throws away what it has read since and goes on from what the first has written. A chunk
file that no segment file lists was left by somebody who lost, and counts for nothing.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws import logger
from jobs import bucket, places, scan, settings, stripe_ledger
from jobs.partitions import partition_of
from jobs.runs import Plan
from jobs.scan import Page
from jobs.sources import PROVIDER, SOURCES, STOCK, Source
from orders.tables import Item

# Lines that are kept in memory before they are compressed into files, and lines that make a chunk: what a job that dies
# has to read again. In bytes, before compression.
MEMORY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 128 * 1024 * 1024


class Incomplete(settings.Problem):
    """A segment of the extract is not done."""


@dataclass(frozen=True)
class Segment:
    """One segment of a source, as a run reads it into so many partitions. `key` answers under what an item is filed,
    None for one that is left out.
    """

    run: str
    source: str
    number: int
    partitions: int
    key: Callable[[Item], str | None]

    @property
    def file(self) -> str:
        return places.segment_file(self.run, self.source, self.number)


@dataclass(frozen=True)
class Progress:
    """How far a segment was read: `next` is where to go on, `chunks` how many were written, with so many `items` in
    these `files`.
    """

    done: bool = False
    next: dict[str, Any] | None = None
    chunks: int = 0
    items: int = 0
    files: tuple[str, ...] = ()


class Chunk:
    """Lines by partition: in memory up to a size, beyond that compressed in a folder. Its memory does not grow with
    what it holds. A file is several gzip members, which is one gzip file: https://www.rfc-editor.org/rfc/rfc1952
    """

    def __init__(self, folder: Path) -> None:
        self.items = 0
        self.bytes = 0
        self._folder = folder
        self._lines: dict[int, list[bytes]] = defaultdict(list)
        self._in_memory = 0

    def add(self, partition: int, line: bytes) -> None:
        self._lines[partition].append(line)
        self.items += 1
        self.bytes += len(line)
        self._in_memory += len(line)
        if self._in_memory >= MEMORY_BYTES:
            self._spill()

    def files(self) -> dict[int, Path]:
        """A file for each partition of which there is a line."""
        self._spill()
        return {int(path.name): path for path in sorted(self._folder.iterdir())}

    def _spill(self) -> None:
        for partition, lines in self._lines.items():
            with (self._folder / f"{partition:05}").open("ab") as file:
                file.write(gzip.compress(b"".join(lines), mtime=0))
        self._lines.clear()
        self._in_memory = 0


def extract(plan: Plan, branch: str, segment: int) -> None:
    """Extract one segment of each source of a branch, as far as that is not done.

    Raises Problem where a table is missing that every shop has, or the segment is none of the plan's.
    """
    if segment >= plan.segments:
        raise settings.Problem(f"there is no segment {segment}: the plan has {plan.segments}")
    for source in SOURCES:
        if source.branch == branch:
            where = Segment(plan.run, source.name, segment, plan.partitions, source.key)
            write(where, _pages_of(source, plan, segment))


def _pages_of(source: Source, plan: Plan, segment: int) -> Callable[[dict[str, Any] | None], Iterator[Page]]:
    table = settings.text(source.variable) if source.needed else settings.table(source.variable)
    if table:
        pace = scan.Pace(settings.number("READ_UNITS") / plan.segments)
        only = scan.only(source.attributes)
        return lambda start: scan.pages(table, pace, start, segment=segment, segments=plan.segments, **only)
    if source.name == PROVIDER:
        return lambda start: stripe_ledger.pages(plan, segment, start)
    return lambda _: iter((Page([], None),))  # its stack is not there


def write(segment: Segment, pages_from: Callable[[dict[str, Any] | None], Iterator[Page]]) -> None:
    """Write a segment's items down, from where it was left to its end."""
    progress, tag = _read(segment)
    while not progress.done:
        for further in _chunks(segment, progress, pages_from):
            tag = bucket.replace(segment.file, json.dumps(asdict(further)).encode(), tag)
            if tag is None:
                logger.info("another job was faster", source=segment.source, segment=segment.number)
                break
        progress, tag = _read(segment)
    logger.info("extracted", source=segment.source, segment=segment.number, items=progress.items)


def _read(segment: Segment) -> tuple[Progress, str | None]:
    version = bucket.read(segment.file)
    return (_progress(version.content), version.tag) if version else (Progress(), None)


def _progress(content: bytes) -> Progress:
    written = json.loads(content)
    return Progress(**written | {"files": tuple(written["files"])})


def _chunks(
    segment: Segment, progress: Progress, pages_from: Callable[[dict[str, Any] | None], Iterator[Page]]
) -> Iterator[Progress]:
    """Put chunk after chunk, and say after each how far that is."""
    pages = pages_from(progress.next)
    while not progress.done:
        with TemporaryDirectory() as folder:
            chunk, start = _fill(Chunk(Path(folder)), segment, pages)
            files = tuple(_put(segment, partition, progress.chunks, file) for partition, file in chunk.files().items())
        progress = Progress(
            start is None, start, progress.chunks + 1, progress.items + chunk.items, progress.files + files
        )
        yield progress


def _fill(chunk: Chunk, segment: Segment, pages: Iterator[Page]) -> tuple[Chunk, dict[str, Any] | None]:
    """Fill a chunk from the next pages; answers it, and where the page after it begins."""
    start = None
    for page in pages:
        for item in page.items:
            key = segment.key(item)
            if key is not None:
                chunk.add(partition_of(key, segment.partitions), _line(key, item))
        start = page.next
        if chunk.bytes >= CHUNK_BYTES:
            break
    return chunk, start


def _line(key: str, item: Item) -> bytes:
    return json.dumps({"key": key, "item": item}, sort_keys=True, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    """What JSON does not know, as DynamoDB writes it: binary in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no attribute of an item: {type(value).__name__}")


def _put(segment: Segment, partition: int, chunk: int, file: Path) -> str:
    """Put a chunk's file. By its content's digest, two jobs that do the same segment never write different things to
    one place.
    """
    name = f"{segment.number:04}-{chunk:06}-{bucket.digest(file)}"
    key = places.chunk_file(segment.run, segment.source, partition, name)
    bucket.put(key, file, once=True)
    return key


def extracted(run: str, source: str, partition: int, segments: int, folder: Path) -> list[Path]:
    """The files of one partition of a source, downloaded into a folder. Raises Incomplete when a segment is not done.
    The counters of the stock are one segment and one partition, 0, whatever the plan says.
    """
    keys: list[str] = []
    for segment in range(1 if source == STOCK else segments):
        content = bucket.get(places.segment_file(run, source, segment))
        progress = _progress(content) if content else Progress()
        if not progress.done:
            raise Incomplete(f"segment {segment} of {source} is not extracted")
        keys += progress.files
    paths = []
    for key in keys:
        if key.startswith(places.extract_folder(run, source, partition)):
            path = folder / f"{source}-{Path(key).name}"
            bucket.download(key, path)
            paths.append(path)
    return paths
