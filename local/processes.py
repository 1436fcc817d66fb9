"""Processes of ours: started so that they can't outlive us, recognized later, and ended with all their children."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import psutil

from local import janitor

# Some systems count a process's start from the clock's, which may be set meanwhile.
SAME_START_SECONDS = 2


@dataclass(frozen=True)
class Identity:
    """Which process is meant: ids are used again, so its start (seconds since 1970) belongs to it."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int | None = None) -> Self:
        """This process, or a child that has not been waited for."""
        process = psutil.Process(pid)
        return cls(process.pid, process.create_time())

    def alive(self) -> bool:
        """Whether it is still running."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started) < SAME_START_SECONDS
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def end(self, seconds: float) -> bool:
        """Tell it to end and wait for that; answers whether it did. Its parent may take longer to notice."""
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).terminate()
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


class Group:
    """A process that was started here, and leads a group of its own: Ctrl-C is ours to handle."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        folder: Path,
        cwd: Path,
        output: IO[bytes] | int,
    ) -> None:
        """Start it. If this process is killed, the group ends too, and `folder` is deleted."""
        self._janitor: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-I", janitor.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                env=dict(variables),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if self._janitor.stdin:
                self._janitor.stdin.write(str(self.process.pid).encode())
                self._janitor.stdin.flush()
        except BaseException:
            self.let_live()
            raise

    def output(self) -> Iterator[str]:
        """Its lines as they come, if `output` was a pipe."""
        for line in self.process.stdout or ():
            yield line.decode(errors="replace")

    def end(self) -> None:
        """End every process of the group. Harmless when they have ended."""
        janitor.end_group(self.process.pid)
        self.let_live()

    def let_live(self) -> None:
        """From now on it may outlive this process."""
        self._janitor.kill()
        self._janitor.communicate()
