"""`make console`, until it serves: what it is asked for, and where it can't."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import console.__main__ as command
from console import place
from console.place import Place
from console.safety import ADDRESSES
from local.environment import environment, fetch
from local.stack import ROOT, Problem

PATIENCE_SECONDS = 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stack", "shop"], "go with --profile"),
        (["--write"], "go with --profile"),
        (["--profile", "mine", "--description", "stack.json"], "say which"),
        (["--profile", ""], "it is empty"),
        (["--profile", "mine", "--stack", " "], "it is empty"),
        (["--port", "80000"], "from 1 to 65535"),
        (["--port", "0"], "from 1 to 65535"),
        (["--port", "-5"], "from 1 to 65535"),
        (["--port", "²"], "from 1 to 65535"),
        (["--port", "9" * 5000], "from 1 to 65535"),
    ],
)
def test_a_wrong_word_is_explained(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_not_called_the_consoles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Place("shop", {}, embedded=True, may_write=True, endpoint_url=None, stacks=())
    monkeypatch.setattr(place, "embedded", lambda _: shown)
    with socket.create_server((ADDRESSES[0], 0)) as theirs:
        port = theirs.getsockname()[1]
        assert command.main(["--description", str(tmp_path), "--port", str(port)]) == 1
    printed = "".join(capsys.readouterr())
    assert f"Port {port} can't be had" in printed
    assert "shows" not in printed


def test_a_port_that_is_free_may_be_had() -> None:
    port = command.free_port()
    command.check_port(port)


def test_a_port_of_the_systems_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(Problem, match="Permission denied"):
        command.check_port(80)


# A console of a stack that nobody can read.
SERVED = """\
import sys
from console.__main__ import serve
from console.place import Place
from local.command import execute, exit_with
nowhere = Place("shop", {}, embedded=False, may_write=False, endpoint_url=None, stacks=())
exit_with(lambda _: execute(lambda: serve(nowhere, int(sys.argv[1])) or 0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_console_ends_when_it_is_told_to_and_when_its_terminal_is_closed(number: int, tmp_path: Path) -> None:
    port = command.free_port()
    asked = [sys.executable, "-c", SERVED, str(port)]
    with subprocess.Popen(
        asked, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as served:
        try:
            until_it_answers(f"http://{ADDRESSES[0]}:{port}")
            served.send_signal(number)
            said = served.communicate(timeout=PATIENCE_SECONDS)[0]
        finally:
            served.kill()
    assert served.returncode == 128 + number, said
    assert "Traceback" not in said


def until_it_answers(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with fetch(url, timeout=PATIENCE_SECONDS):
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
