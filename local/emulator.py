"""Start and stop the emulator (MiniStack), with IAM enforced, on a free port of this machine.

The functions run as processes of the emulator, on AWS's own runtime client (awslambdaric) and with the credentials of
their own roles, so a permission that the template forgets fails here as it would there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import engine, folders, janitor, stack
from local.environment import REGION, environment, fetch
from local.folders import Held
from local.processes import Group, Identity
from local.stack import ACCOUNT_ID, Problem

START_SECONDS = 30
# A cold start takes half a second of a core. Many more at once run into the limit of 10 s for an init on two busy
# cores, and what is killed there starts cold again. The workflow's retries absorb the throttling, as they would on AWS.
CONCURRENCY = 8


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its process, which leads a group, and the folder that is its own.

    The folder is held by the command that started it, as long as that command lives.
    """

    process: Identity
    endpoint_url: str
    folder: Path
    group: Group | None = field(default=None, compare=False)
    held: Held | None = field(default=None, compare=False)

    @property
    def pid(self) -> int:
        """The process id, which is the group's as well."""
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / "emulator.log"

    def alive(self) -> bool:
        """Whether that process is still running."""
        return self.process.alive()

    def stop(self) -> None:
        """End the emulator and every function process, and delete what they wrote. Harmless when they are gone."""
        if self.group:
            self.group.end()
        elif self.alive():
            janitor.end_group(self.pid)
        janitor.end_all_in(self.folder)  # functions of an emulator that was killed
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.held:
            self.held.let_go()

    def leave_running(self) -> None:
        """It may outlive this process."""
        if self.group:
            self.group.let_live()

    def description(self) -> dict[str, Any]:
        """What `load` needs to find it again."""
        return {
            "pid": self.pid,
            "started": self.process.started,
            "endpoint_url": self.endpoint_url,
            "folder": str(self.folder),
        }


def load(path: Path) -> Emulator | None:
    """The emulator described at `path`, if it is still running."""
    try:
        saved = json.loads(path.read_text())
        emulator = Emulator(
            Identity(int(saved["pid"]), float(saved["started"])), str(saved["endpoint_url"]), Path(saved["folder"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return emulator if emulator.alive() else None


def sweep(spare: Emulator | None = None) -> int:
    """Stop and delete what no command works with any more, but one; answers how many emulators that were."""
    kept = spare.folder if spare else None
    return folders.sweep(stack.STATE, "emulator-*", spare=kept, before=janitor.end_all_in)


def start(bind_host: str = "127.0.0.1", concurrency: int = CONCURRENCY) -> Emulator:
    """Start an emulator that runs so many functions at once, and wait until it answers.

    Raises Problem with the end of its log when it does not.
    """
    port = free_port(bind_host)
    # The functions call the endpoint as well: from a container, loopback would be the container's own.
    host = "127.0.0.1" if bind_host == "0.0.0.0" else bind_host  # noqa: S104
    endpoint_url = f"http://{host}:{port}"
    held = folders.create(stack.STATE, "emulator-")
    folder = held.path
    try:
        variables = environment(
            folder,
            AUTH="true",
            GATEWAY_PORT=str(port),
            BIND_HOST=bind_host,
            MINISTACK_HOST=host,  # in the queues' URLs
            MINISTACK_REGION=REGION,
            MINISTACK_ACCOUNT_ID=ACCOUNT_ID,
            LAMBDA_ACCOUNT_CONCURRENCY=str(concurrency),
            BATCH_CODE=str(stack.ROOT),
            BATCH_SLOTS=os.environ.get("BATCH_SLOTS", ""),  # how many jobs at once; as many as there are cores
            IOT_MTLS_ENABLED="0",  # it would listen on all interfaces
            STATE_DIR=str(folder / "state"),
            S3_DATA_DIR=str(folder / "s3"),
            AWS_ENDPOINT_URL=endpoint_url,  # the function processes inherit it
        )
        with (folder / "emulator.log").open("wb") as log:
            group = Group(
                [sys.executable, "-P", engine.__file__], variables=variables, folder=folder, cwd=folder, output=log
            )
        _wait_until_ready(endpoint_url, group, folder / "emulator.log")
        return Emulator(Identity.of(group.process.pid), endpoint_url, folder, group, held)
    except BaseException:
        janitor.end_all_in(folder)
        shutil.rmtree(folder, ignore_errors=True)
        held.let_go()
        raise


def _wait_until_ready(endpoint_url: str, group: Group, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and group.process.poll() is None:
        try:
            with fetch(f"{endpoint_url}/_ministack/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise Problem(f"The emulator did not start within {START_SECONDS} s. The end of its log:\n\n{tail}")


def free_port(host: str) -> int:
    """A port that nobody listens at. Raises Problem where `host` is no address of this machine."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise Problem(f"Cannot listen on {host}: {error.strerror}. Use an address of this machine.") from None
        port: int = probe.getsockname()[1]
        return port
