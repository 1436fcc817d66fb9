"""The functions' processes: which there are, what they are at, and what one was doing when it was killed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
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


@dataclass(frozen=True)
class Kill:
    """A process that was sent SIGKILL, and how many bytes the emulator had logged by then."""

    function: str
    logged: int


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


def moments(kills: Sequence[Kill], log: bytes) -> list[str]:
    """What each killed runtime was doing, as the emulator's log between this kill and the next one tells: `busy` when
    an invocation ended without an answer, `starting` when the runtime never came up, else `idle`.
    """
    ends = [*(kill.logged for kill in kills), len(log)]
    return [
        _moment(kill.function, log[start:end].decode(errors="replace"))
        for kill, (start, end) in zip(kills, pairwise(ends), strict=True)
    ]


def _moment(function: str, log: str) -> str:
    lines = [line for line in log.splitlines() if f"-{function.capitalize()}Function-" in line]
    if any("exited during init" in line for line in lines):
        return "starting"
    return "busy" if any("Runtime exited before returning a response" in line for line in lines) else "idle"
