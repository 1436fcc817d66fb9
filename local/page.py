"""The console of a stack that is left running: a process of its own (console/)."""

from __future__ import annotations

import sys
import time
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import emulator, stack
from local.environment import environment, fetch
from local.processes import Group, Identity
from local.stack import Problem

START_SECONDS = 60
END_SECONDS = 20  # it gives everything back that somebody has broken there
HOST = "127.0.0.1"  # whatever the stack listens at: who may look at it may act


@dataclass(frozen=True)
class Page:
    """A console that answers at `url`."""

    url: str
    group: Group

    @property
    def process(self) -> Identity:
        """Its process, as `make down` recognizes it."""
        return Identity.of(self.group.process.pid)


def start(shown: Sequence[str], folder: Path, **variables: str) -> Page:
    """Serve what is `shown`, such as `["--description", ".local/stack.json"]`, on a free port, and wait until it
    answers. What it writes goes to `folder`, and it gets these `variables` besides its own.

    Raises Problem with the end of its log when it does not answer.
    """
    port = emulator.free_port(HOST)
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "console", *shown, "--port", str(port)]
    log = folder / "console.log"
    with log.open("wb") as output:
        own = environment(folder, NICEGUI_STORAGE_PATH=str(folder / "nicegui"))
        group = Group(command, variables=own | variables, folder=folder, cwd=stack.ROOT, output=output)
    try:
        _wait_until_ready(url, group, log)
    except BaseException:
        group.end()
        raise
    return Page(url, group)


def _wait_until_ready(url: str, group: Group, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and group.process.poll() is None:
        try:
            with fetch(url, timeout=5):
                return
        except urllib.error.HTTPError:  # it answers, if only to those who have a key
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise Problem(f"The console did not start within {START_SECONDS} s. The end of its log:\n\n{tail}")
