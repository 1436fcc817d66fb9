"""How a command ends when the one who reads its output is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.environment import environment
from local.stack import ROOT

PATIENCE_SECONDS = 60
WAITS = """\
import os, signal, sys
from local.command import exit_with, execute
def wait():
    os.write(2, b"waits")
    signal.pause()
exit_with(lambda _: execute(wait))
"""
FAILS = """\
from local.command import exit_with, execute
from local.stack import Problem
def fail():
    raise Problem("There is nothing to show.")
exit_with(lambda _: execute(fail))
"""


@pytest.mark.parametrize(("script", "number"), [(WAITS, signal.SIGTERM), (FAILS, None)])
def test_a_command_that_nobody_reads_ends_without_a_word(
    script: str, number: signal.Signals | None, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE
    ) as command:
        os.close(writer)
        assert command.stderr is not None
        if number:
            assert command.stderr.read(5) == b"waits"
            command.send_signal(number)
        said = command.communicate(timeout=PATIENCE_SECONDS)[1]
    assert (command.returncode, said) == (128 + signal.SIGPIPE, b"")
