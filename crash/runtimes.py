"""The functions' own processes: children of the emulator that run AWS's runtime client."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The limit of an init, in seconds: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
INIT_SECONDS = 10


@dataclass(frozen=True)
class Runtime:
    """A function's process: how long it has lived, and whether it is at work (on a processor, or waiting for one)."""

    pid: int
    function: str
    seconds: int
    busy: bool


def runtimes(emulator_pid: int) -> list[Runtime]:
    """The runtimes that are this emulator's own, by process id."""
    columns = "pid=,ppid=,stat=,etime=,args="
    listing = subprocess.run(["ps", "-A", "-ww", "-o", columns], capture_output=True, text=True, check=True).stdout
    return sorted(runtimes_in(listing, emulator_pid), key=lambda runtime: runtime.pid)


def has_started(runtime: Runtime) -> bool:
    """Whether a runtime has asked for its first event: nothing that it does before that opens a socket."""
    descriptors = Path(f"/proc/{runtime.pid}/fd")
    try:
        return any(str(one.readlink()).startswith("socket:") for one in descriptors.iterdir())
    except OSError:  # it has ended; or there is no /proc here, and its age has to do
        return not Path("/proc/self").exists() and runtime.seconds > INIT_SECONDS


def runtimes_in(listing: str, emulator_pid: int) -> Iterator[Runtime]:
    """Read lines of process id, parent's id, state, age and command."""
    for line in listing.splitlines():
        pid, parent, state, age, command = line.split(None, 4)
        # What local/deploy.py writes into the bootstrap; the handler is `folder.app.handler`.
        if int(parent) == emulator_pid and (runtime := re.search(r" -m awslambdaric (\w+)\.", command)):
            days, _, clock = age.rpartition("-")
            seconds = int(days or 0) * 86_400
            for power, part in enumerate(reversed(clock.split(":"))):
                seconds += int(part) * 60**power
            yield Runtime(int(pid), runtime[1], seconds, state.startswith("R"))
