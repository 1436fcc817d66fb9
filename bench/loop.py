"""The developer's loop: how long the commands take that a developer types all day.

The very first run and the whole test suite take longer than a benchmark should. `measure` quotes the figures that were
kept of them, with their day. `measure_all` measures them too, in a clone of the last commit that is deleted afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from bench import results
from bench.figures import Figure, Progress, Section
from local import emulator
from local.stack import ROOT, STATE, Problem

FIRST_RUN = "make run, the first time"
ALL_TESTS = "make test"
ORDERS = 4  # the first of them meets functions that have not run yet
CLONE = STATE / "bench" / "clone"


def measure(progress: Progress) -> Section:
    """What takes seconds, measured; what takes minutes, quoted. Raises Problem when a command fails."""
    section = Section("The developer's loop", every_day(ROOT, progress))
    for name in (FIRST_RUN, ALL_TESTS):
        if found := results.figure(name, "loop"):
            figure, day = found
            section.figures.append(figure)
            section.notes.append(f"{name}: not measured now, but on {day}. To measure it: make bench ONLY=loop")
        else:
            section.notes.append(f"{name}: never measured. To measure it: make bench ONLY=loop")
    return section


def measure_all(progress: Progress) -> Section:
    """Everything, from a fresh clone on. Raises Problem when a command fails."""
    with clone(progress) as folder:
        first = seconds(folder, progress, "run", f"PYTHON={sys.base_prefix}/bin/python3.13")
        figures = every_day(folder, progress)
        tests = seconds(folder, progress, "test")
    figures += [Figure(FIRST_RUN, first, "s"), Figure(ALL_TESTS, tests, "s")]
    return Section("The developer's loop", figures, notes=["Measured in a clone of the last commit."])


def every_day(folder: Path, progress: Progress) -> list[Figure]:
    """`make run` when all is installed, and `make order` on a stack that is up."""
    run = seconds(folder, progress, "run")
    with stack_up(folder, progress):
        orders = [seconds(folder, progress, "order", "FILE=events/order.json") for _ in range(ORDERS)]
    cold, warm = orders[0], orders[1:]
    return [
        Figure("make run", run, "s"),
        Figure("make order, the stack's first", cold, "s"),
        Figure("make order", statistics.median(warm), "s", spread=(min(warm), max(warm))),
    ]


@contextmanager
def stack_up(folder: Path, progress: Progress) -> Iterator[None]:
    """A running stack: the one that is up already, or else a new one, which is stopped afterwards."""
    if emulator.load(folder / ".local" / "emulator.json"):
        yield
        return
    try:
        seconds(folder, progress, "up")
        yield
    finally:
        seconds(folder, progress, "down")


@contextmanager
def clone(progress: Progress) -> Iterator[Path]:
    """The last commit, in a folder of its own."""
    progress("git clone")
    shutil.rmtree(CLONE, ignore_errors=True)
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(CLONE)], check=True)
        yield CLONE
    finally:
        shutil.rmtree(CLONE, ignore_errors=True)


def seconds(folder: Path, progress: Progress, *arguments: str) -> float:
    """How long `make` takes with these arguments. Raises Problem, with the end of its output, when it fails."""
    progress(f"make {arguments[0]}")
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    with TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            ["make", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # to be interrupted as a whole
        )
        try:
            code = process.wait()
        except BaseException:
            interrupt(process)
            raise
        taken = time.monotonic() - started
        if code:
            output.seek(0)
            raise Problem(f"`make {' '.join(arguments)}` failed:\n\n{''.join(output.readlines()[-20:])}")
    return taken


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a command and what it started, as Ctrl-C does, so that it cleans up; kill it after half a minute."""
    for kind in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
            return
