"""Start and stop the emulator (MiniStack), with IAM enforced, on a free port of this machine.

The functions run as processes of the emulator, on AWS's own runtime client (awslambdaric) and with the credentials of
their own roles, so a permission that the template forgets fails here as it would there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from local.stack import ACCESS_KEY_ID, ACCOUNT_ID, REGION, SECRET_ACCESS_KEY, STATE, Problem

START_SECONDS = 30
# A cold start takes half a second of a core. Many more at once run into the limit of 10 s for an init on two busy
# cores, and what is killed there starts cold again. The workflow's retries absorb the throttling, as they would on AWS.
CONCURRENCY = 8


@dataclass(frozen=True)
class Emulator:
    """A running emulator: the id of its process, which leads a process group, and the folder that is its own."""

    pid: int
    endpoint_url: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "emulator.log"

    def alive(self) -> bool:
        """Whether that process is still running and still the emulator (ids are used again)."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return _running_elsewhere(self.pid)
        return b"ministack" in command

    def stop(self) -> None:
        """End the emulator and every function process, and delete what they wrote. Harmless when they are gone."""
        for kind, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, kind)
            if _gone(self.pid, patience):
                break
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"pid": self.pid, "endpoint_url": self.endpoint_url, "folder": str(self.folder)}))


def load(path: Path) -> Emulator | None:
    """The emulator described at `path`, if it is still running."""
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    emulator = Emulator(saved["pid"], saved["endpoint_url"], Path(saved["folder"]))
    return emulator if emulator.alive() else None


def start(bind_host: str = "127.0.0.1") -> Emulator:
    """Start an emulator and wait until it answers. Raises Problem with the end of its log when it does not."""
    port = _free_port(bind_host)
    # The functions call the endpoint as well: from a container, loopback would be the container's own.
    host = "127.0.0.1" if bind_host == "0.0.0.0" else bind_host  # noqa: S104
    endpoint_url = f"http://{host}:{port}"
    folder = STATE / f"emulator-{port}"
    (folder / "tmp").mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": bind_host,
        "MINISTACK_HOST": host,  # in the queues' URLs
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "LAMBDA_ACCOUNT_CONCURRENCY": str(CONCURRENCY),
        "IOT_MTLS_ENABLED": "0",  # it would listen on all interfaces
        "TMPDIR": str(folder / "tmp"),
        # What the function processes inherit: where AWS is, and first on the path the Python that runs them.
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle; and the group can be ended as one
        )
    emulator = Emulator(process.pid, endpoint_url, folder)
    try:
        _wait_until_ready(emulator, process)
    except BaseException:
        emulator.stop()
        raise
    return emulator


def _wait_until_ready(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{emulator.endpoint_url}/_ministack/health", timeout=1):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    tail = "\n".join(emulator.log.read_text(errors="replace").splitlines()[-15:])
    raise Problem(f"The emulator did not start within {START_SECONDS} s. The end of its log:\n\n{tail}")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise Problem(f"Cannot listen on {host}: {error.strerror}. Use an address of this machine.") from None
        port: int = probe.getsockname()[1]
        return port


def _gone(pid: int, patience: float) -> bool:
    """Whether no process of the group is left, after at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.killpg(pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        time.sleep(0.05)
    return False


def _running_elsewhere(pid: int) -> bool:
    """For systems without /proc."""
    if Path("/proc/self").exists():
        return False
    answer = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
    return "ministack" in answer.stdout
