"""End a process group and delete a folder when the process that started this one has ended without doing so.

`python janitor.py GROUP FOLDER`, with a pipe from its parent as standard input. The pipe closes however the parent
ends, also by SIGKILL. A parent that has cleaned up by itself, or leaves the group running, ends the janitor first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

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
    leader, folder = int(sys.argv[1]), sys.argv[2]
    sys.stdin.buffer.read()
    end_group(leader)
    shutil.rmtree(folder, ignore_errors=True)
