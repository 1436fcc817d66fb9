"""The process of one attempt at a job, in the place of its container."""

from __future__ import annotations

import contextvars
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local.environment import environment

# https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
STOP_SECONDS = 30  # after which what was told to end is ended
CODE = "BATCH_CODE"  # the variable that says where the repository is, which is in the image on AWS
_PYTHONS = {"python", "python3"}
_OURS = ("HOME", "TMPDIR", "PYTHONPATH")  # a container has paths of its own


class Container:
    """A running command. It works in a folder of its own, below the emulator's, by which the emulator's processes are
    found (local/janitor.py); the folder is gone when it has ended.
    """

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], tell: Callable[[str], None]) -> None:
        """Start it; `tell` hears each line of its output. Raises OSError when there is no such command."""
        self._folder = Path(tempfile.mkdtemp(prefix="job-"))
        own = environment(self._folder, PYTHONPATH=os.environ.get(CODE, ""), PYTHONUNBUFFERED="1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # the owner's: a job has what its role may do
            del own[name]
        try:
            self._process = subprocess.Popen(
                [sys.executable if command[0] in _PYTHONS else command[0], *command[1:]],
                env=own | dict(variables) | {name: own[name] for name in _OURS},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._killer = threading.Timer(STOP_SECONDS, self.kill)
        self._killer.daemon = True
        self._stopping = threading.Lock()
        place = contextvars.copy_context()  # MiniStack keeps the account and the region there
        self._reader = threading.Thread(target=place.run, args=(self._read, tell), daemon=True)
        self._reader.start()

    def wait(self, seconds: float | None) -> tuple[int, bool]:
        """Wait until it has ended, and stop it after so many seconds; answers its exit code as Docker has it, and
        whether it took too long.
        """
        late = False
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = True
            self.stop()
            self._process.wait()
        self._killer.cancel()
        self.kill()  # what it started ends with it
        self._reader.join(STOP_SECONDS)  # what has left the group may hold the pipe
        if self._process.stdout and not self._reader.is_alive():
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        code = self._process.returncode
        return (code if code >= 0 else 128 - code), late

    def stop(self) -> None:
        """Tell it to end, and end it when it has not done so in time. Harmless when it has ended."""
        with self._stopping:
            if not self._killer.is_alive() and not self._killer.finished.is_set():
                self._killer.start()
        self._process.terminate()

    def kill(self) -> None:
        """End it and what it has started. Harmless when they have ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, tell: Callable[[str], None]) -> None:
        for line in self._process.stdout or ():
            tell(line.decode(errors="replace").rstrip("\n"))
