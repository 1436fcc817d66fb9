"""What one container of a night does, in a process of its own that says what it took: `python -m bench.container`.

The bucket is a folder here, so nothing waits: what is measured is computing, and reading and writing files.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import synthetic
from jobs import bucket, load, parts, reconcile
from jobs.runs import OURS, Plan
from jobs.sources import SOURCES
from local.stack import ROOT

RUN = "arn:aws:states:us-east-1:000000000000:execution:books:bench"
AT_ONCE = 2  # processes
VARIABLES = {"TIME_ZONE": "Etc/UTC", "BOOKS_BUCKET": "books"}


class Work(StrEnum):
    """What there is to do: reconcile a partition, with pandas in DuckDB's place or without, or load all of them."""

    JOBS = "jobs"
    PANDAS = "pandas"
    LOAD = "load"


@dataclass(frozen=True)
class Task:
    """One container. The extract in `extract` has `written` partitions, of which each of the array's `partitions` takes
    several; `bucket` is the folder for what comes of it.
    """

    what: Work
    extract: Path
    bucket: Path
    written: int
    partitions: int
    partition: int = 0


@dataclass(frozen=True)
class Took:
    """Seconds, seconds of CPU, and the most memory that the process had, in bytes. All with starting Python."""

    seconds: float
    cpu: float
    peak: int


def run(tasks: Sequence[Task], at_once: int = AT_ONCE) -> tuple[list[Took], float]:
    """Each task in a process of its own, so many at a time; and how many seconds passed until the last was done.

    Raises RuntimeError when one of them fails. Whatever is raised, no process is left.
    """
    started, running = time.monotonic(), set[subprocess.Popen[str]]()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            took = list(pool.map(functools.partial(_process, running), tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in [*running]:
                process.kill()
            raise
    return took, time.monotonic() - started


def _process(running: set[subprocess.Popen[str]], task: Task) -> Took:
    command = [sys.executable, "-m", "bench.container", json.dumps(asdict(task), default=str)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "functions")])
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **VARIABLES, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        running.add(process)
        out, errors = process.communicate()
        running.discard(process)
    if process.returncode:
        raise RuntimeError(f"{task.what} of partition {task.partition} failed:\n{errors}")
    said = json.loads(out.splitlines()[-1])
    return Took(time.monotonic() - started, said["cpu"], said["peak"])


def plan(partitions: int) -> Plan:
    """The night's plan, with so many partitions."""
    return Plan(RUN, synthetic.DAY, synthetic.AS_OF, OURS, partitions, synthetic.WORKERS, repair=False)


def work(task: Task) -> None:
    """Do a task."""
    _serve(task.bucket)
    planned = plan(task.partitions)
    with TemporaryDirectory(dir=task.bucket) as name:
        folder = Path(name)
        match task.what:
            case Work.LOAD:
                synthetic.put_stock(task.extract, task.bucket, RUN)
                files, _ = load.build(planned, folder)
                load.put(planned.day, files)
            case Work.PANDAS:
                from bench.usual import books  # pandas is in no container of ours

                parts.put(planned, task.partition, folder, books.reconcile_files(_files(task), planned, folder))
            case Work.JOBS:
                counts = reconcile.reconcile_files(_files(task), planned, task.partition, folder, None)
                parts.put(planned, task.partition, folder, counts)


def _files(task: Task) -> dict[str, list[Path]]:
    """An order that is in partition p of 16 is in partition p modulo 4 of 4."""
    return {
        source.name: [
            path
            for partition in range(task.partition, task.written, task.partitions)
            for path in sorted(synthetic.file(task.extract, source.name, partition, 0).parent.glob("*.gz"))
        ]
        for source in SOURCES
    }


def _serve(folder: Path) -> None:
    """Let this process find in a folder what it asks the bucket for, and put it there."""

    def put(key: str, content: bytes | Path, **_: bool) -> bool:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        return True

    def get(key: str) -> bytes | None:
        return (folder / key).read_bytes() if (folder / key).exists() else None

    def download(key: str, to: Path) -> None:
        shutil.copy(folder / key, to)

    changes: dict[str, Any] = {"put": put, "get": get, "download": download, "keys": lambda _: [], "delete": len}
    for name, value in changes.items():
        setattr(bucket, name, value)


def peak() -> int:
    """The most memory that this process has had, in bytes. What it was forked from does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    kinds: dict[str, Callable[[str], Any]] = {"what": Work, "extract": Path, "bucket": Path}
    work(Task(**asked | {name: kind(asked[name]) for name, kind in kinds.items()}))
    print(json.dumps({"cpu": time.process_time(), "peak": peak()}))
