"""End a process group and delete a folder when the process that started this one has ended without doing so.

`python janitor.py FOLDER`, with a pipe from its parent as standard input. The parent writes the group's id into it once
there is a group, so the janitor is there before what it cleans up. The pipe closes however the parent ends, also by
SIGKILL; what the parent had no time to tell of is found by the folder that it works in. A parent that has cleaned up by
itself, or leaves the group running, ends the janitor first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

PATIENCE_SECONDS = 10


def end_group(group: int) -> None:
    """End every process of the group, by force if need be. Harmless when there is none."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if not (members := _members(group)):
            return
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(kind)
        wait_for(members)


def end_all_in(folder: Path) -> None:
    """End every process that works in a folder or below, whoever started it."""
    found = [process for process in psutil.process_iter() if _place(process).is_relative_to(folder)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(found)


def _place(process: psutil.Process) -> Path:
    try:
        return Path(process.cwd())
    except psutil.Error:  # it has ended, or is another user's
        return Path("/")


def wait_for(ending: list[psutil.Process]) -> None:
    """Wait until these have ended, for a while. Whether their parents have noticed is the parents' affair."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(_runs, ending)) and time.monotonic() < deadline:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _members(group: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and _runs(process):
                found.append(process)
    return found


if __name__ == "__main__":
    place, leader = Path(sys.argv[1]), sys.stdin.buffer.read()
    if leader:
        end_group(int(leader))
    end_all_in(place)
    shutil.rmtree(place, ignore_errors=True)
