"""Who gives everything back that the console has broken: a process that outlives the console, however that one ends.

It reads from standard input what would have to be done, one JSON text a line, and does all of it when that input ends:
by itself, or because whoever wrote it is gone, also by SIGKILL. `python -m console.keeper ENDPOINT`
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from local.environment import forget_accounts
from local.stack import ROOT, Problem, RunningStack


class Call(NamedTuple):
    """A request to a service, as boto3 names it: `Call("lambda", "delete_function_concurrency", {...})`."""

    service: str
    operation: str
    arguments: dict[str, Any]


def perform(stack: RunningStack, calls: Iterable[Call]) -> None:
    """Send these requests, one after the other. Raises what boto3 raises."""
    for call in calls:
        getattr(stack.client(call.service), call.operation)(**call.arguments)


class Keeper:
    """The process, seen from the console. It is started when there is something to keep for the first time."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()

    def remember(self, key: str, calls: Sequence[Call]) -> None:
        """From now on these are made when the console ends. Say so before anything is broken."""
        self._tell({"key": key, "calls": calls})

    def forget(self, key: str) -> None:
        """They have been made."""
        self._tell({"key": key, "calls": []})

    def close(self) -> None:
        """Have everything done that is left to do, and wait for that. Raises Problem when something could not be."""
        with self._writing:
            process, self._process = self._process, None
        if process:
            process.communicate()
            if process.returncode:
                raise Problem("Something that was broken could not be mended. Start anew: make down && make up")

    def _tell(self, what: dict[str, Any]) -> None:
        with self._writing:
            self._process = self._process or subprocess.Popen(
                [sys.executable, "-m", "console.keeper", self._stack.endpoint_url],
                stdin=subprocess.PIPE,
                cwd=ROOT,
                start_new_session=True,  # what ends the console does not end this one
            )
            if self._process.stdin:
                self._process.stdin.write(f"{json.dumps(what)}\n".encode())
                self._process.stdin.flush()


def give_back(stack: RunningStack, lines: Iterable[str]) -> int:
    """Remember until the lines end, then do it, the last that was broken first. Answers how many could not be done."""
    kept: dict[str, list[Call]] = {}
    for line in lines:
        said = json.loads(line)
        kept.pop(said["key"], None)
        if said["calls"]:
            kept[said["key"]] = [Call(*call) for call in said["calls"]]
    failed = 0
    for calls in reversed(list(kept.values())):
        for call in calls:  # each by itself: one that is refused must not keep the others
            try:
                perform(stack, [call])
            except EndpointConnectionError:
                return failed  # the stack has gone, and everything with it
            except (ClientError, BotoCoreError):
                failed += 1
    return failed


if __name__ == "__main__":
    forget_accounts()
    sys.exit(1 if give_back(RunningStack(sys.argv[1], "", {}), sys.stdin) else 0)
