"""Runs lessons for the page: each in a process of its own, once for as long as its files stay as they are."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nicegui import background_tasks

from lessons import harness
from local.stack import ROOT, Problem

_SECONDS = 120  # for a run that takes two
_AT_ONCE = 1  # a lesson has a processor for itself


@dataclass
class Runs:
    """What came of each lesson's run, by number, with when its files were changed last."""

    _known: dict[int, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _running: dict[int, asyncio.Task[dict[str, Any]]] = field(default_factory=dict)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def known(self, number: int) -> dict[str, Any] | None:
        """What came of it, if it has run since its files were changed."""
        at, what = self._known.get(number, (0.0, None))
        return what if what and at == changed_at(harness.folders()[number]) else None

    async def run(self, number: int, *, anew: bool = False) -> dict[str, Any]:
        """Run a lesson, unless that was done already; answers what console/lesson_run.py says of it.

        Raises Problem when it can't be run, with the last line of why: whoever is at the exercise has made a mistake.
        """
        task = self._running.get(number)
        if task is None or task.done():
            task = self._running[number] = background_tasks.create(self._run(number, anew=anew), name="lesson")
        return await asyncio.shield(task)  # whoever asked may leave: the next one to ask finds it done

    async def _run(self, number: int, *, anew: bool) -> dict[str, Any]:
        async with self._turn:
            if not anew and (known := self.known(number)):
                return known
            at = changed_at(harness.folders()[number])
            what = await _in_a_process(number)
            self._known[number] = (at, what)
            return what


def changed_at(folder: Path) -> float:
    """When a lesson's files were changed last, in seconds since 1970."""
    return max(path.stat().st_mtime for path in folder.iterdir() if path.is_file())


async def _in_a_process(number: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "console.lesson_run", str(number)),
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaints = await asyncio.wait_for(process.communicate(), _SECONDS)
    except (TimeoutError, asyncio.CancelledError) as ended:
        process.kill()
        await process.wait()
        if isinstance(ended, asyncio.CancelledError):
            raise
        raise Problem(f"Lesson {number} has not come to its end within {_SECONDS} s.") from None
    if process.returncode:
        last = (complaints.decode(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
        raise Problem(f"Lesson {number} can't be run: {last}")
    found: dict[str, Any] = json.loads(said)
    return found
