"""Folders that belong to running processes: whoever works in one holds a lock on it, and locks end with their process.

So what nobody holds is left over, from a process that was killed or from an older build, and may be deleted at any
time. A lock on the parent is held for the moment of a change only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Held:
    """A folder that nobody else deletes until it is let go."""

    path: Path
    _lock: int

    def let_go(self) -> None:
        """Others may delete it now. Harmless when done before."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextmanager
def changing(parent: Path) -> Iterator[None]:
    """Keep others from taking, making and deleting folders in `parent` meanwhile."""
    parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def create(parent: Path, prefix: str) -> Held:
    """A new folder, held."""
    with changing(parent):
        return _held(Path(tempfile.mkdtemp(prefix=prefix, dir=parent)))


def hold(path: Path) -> Held | None:
    """Hold a folder together with others; nothing when it is not there."""
    with changing(path.parent):
        return _held(path) if path.is_dir() else None


def publish(made: Held, path: Path) -> Held:
    """Put a folder in its place, at once and complete. Where another one was faster, that one is held instead."""
    with changing(path.parent):
        if not path.exists():
            made.path.rename(path)
            made.path = path
            return made
        shutil.rmtree(made.path)
        made.let_go()
        return _held(path)


def sweep(
    parent: Path, pattern: str, *, spare: Path | None = None, before: Callable[[Path], None] | None = None
) -> int:
    """Delete the folders of that pattern which nobody holds, but one; answers how many. Each goes through `before`."""
    if not parent.is_dir():
        return 0
    swept = 0
    with changing(parent):
        for path in parent.glob(pattern):
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            finally:
                os.close(lock)
            if path == spare:
                continue
            if before:
                before(path)
            shutil.rmtree(path, ignore_errors=True)
            swept += 1
    return swept


def _held(path: Path) -> Held:
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return Held(path, lock)
