"""However and whenever a run ends, nothing of it survives: no process, no file, and nothing that harms the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from local import engine
from local.stack import ROOT
from tests.exhaustive import exhaustive, sampled

PATIENCE_SECONDS = 90

# The command with folders of its own, so that its traces can be told from anybody else's.
COMMAND = """\
import importlib, signal, sys
from pathlib import Path
from local import command, deploy, stack
# As in a terminal: what is started in the background may have been told to ignore these.
for number in command.ENDINGS:
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
stack.STATE, deploy.BUILDS = Path(sys.argv[1]), Path(sys.argv[2])
package = "demo" if sys.argv[3] in ("run", "order") else "local"
command.exit_with(importlib.import_module(f"{package}.__main__").main, sys.argv[3:])
"""


@dataclass(frozen=True)
class Command:
    """A command of the local stack, started in folders of its own."""

    process: subprocess.Popen[str]
    state: Path
    temporary: Path

    def reaches(self, moment: str) -> None:
        """Wait until its folder holds something that matches, and that is no empty file."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(path.is_dir() or path.stat().st_size for path in self.state.glob(moment)):
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, f"never came to {moment}"
            time.sleep(0.02)

    def ends(self) -> str:
        """Wait for its end; answers what it has printed."""
        return self.process.communicate(timeout=PATIENCE_SECONDS)[0]

    def leaves_nothing(self) -> bool:
        """Wait until no process of it is left, nor a file; answers whether that came."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            kept = [path for path in self.state.rglob("*") if path.name != "builds"]
            if not kept and not [*self.temporary.iterdir()] and not self.processes():
                return True
            time.sleep(0.1)
        return False

    def processes(self) -> list[int]:
        """Whatever was started with a variable that names its folders."""
        return [process.pid for process in psutil.process_iter() if str(self.temporary.parent) in variables(process)]


def variables(process: psutil.Process) -> str:
    """All that a process was given, in one text; nothing of one that has ended or is another user's."""
    try:
        return "\n".join(process.environ().values())
    except (psutil.Error, OSError):
        return ""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """`start("run", builds=folder)` starts a command; builds are made in a folder of its own if none is named."""
    state, temporary = tmp_path / "state", tmp_path / "tmp"
    state.mkdir()
    temporary.mkdir()
    started: list[Command] = []

    def start(*arguments: str, builds: Path = state / "builds", stdout: int = subprocess.PIPE) -> Command:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(state), str(builds), *arguments],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(Command(process, state, temporary))
        return started[-1]

    yield start
    for command in started:
        for pid in command.processes():
            psutil.Process(pid).kill()
        command.process.communicate()


EMULATOR = "emulator-*/emulator.log"  # it has said something
BUILD = "builds/*-unfinished-*/sam/*"  # the SAM CLI has started
ARTIFACT = "builds/*-unfinished-*/build/*Function"
DEPLOYMENT = "emulator-*/sam/sam/*"


@pytest.mark.parametrize(
    ("moment", "ending"),
    [
        (EMULATOR, signal.SIGINT),
        pytest.param(EMULATOR, signal.SIGKILL, marks=exhaustive),
        pytest.param(BUILD, signal.SIGTERM, marks=exhaustive),
        pytest.param(BUILD, signal.SIGKILL, marks=exhaustive),
        pytest.param(ARTIFACT, signal.SIGHUP, marks=exhaustive),
        pytest.param(ARTIFACT, signal.SIGKILL, marks=exhaustive),
    ],
)
def test_an_interrupted_run_leaves_nothing_behind(
    moment: str, ending: signal.Signals, start: Callable[..., Command]
) -> None:
    run = start("run")
    run.reaches(moment)
    run.process.send_signal(ending)
    output = run.ends()
    assert run.process.returncode == (-9 if ending == signal.SIGKILL else 128 + ending), output
    assert "Traceback" not in output
    assert run.leaves_nothing()


@pytest.mark.parametrize("ending", [pytest.param(signal.SIGINT, marks=exhaustive), signal.SIGKILL])
def test_a_run_that_is_interrupted_as_it_deploys_leaves_nothing_behind(
    ending: signal.Signals, build: Path, start: Callable[..., Command]
) -> None:
    run = start("run", builds=build.parent.parent)
    run.reaches(DEPLOYMENT)
    run.process.send_signal(ending)
    output = run.ends()
    assert run.process.returncode == (-9 if ending == signal.SIGKILL else 128 + ending), output
    assert "Traceback" not in output
    assert run.leaves_nothing()
    assert (build / "template.yaml").exists()


@exhaustive
def test_a_run_whose_emulator_is_killed_says_so_and_leaves_nothing_behind(
    build: Path, start: Callable[..., Command]
) -> None:
    run = start("run", builds=build.parent.parent)
    run.reaches(DEPLOYMENT)
    (emulator,) = [pid for pid in run.processes() if engine.__file__ in psutil.Process(pid).cmdline()]
    psutil.Process(emulator).kill()
    output = run.ends()
    assert run.process.returncode == 1
    assert "✘" in output
    assert "Traceback" not in output
    assert run.leaves_nothing()


@exhaustive
def test_a_run_that_nobody_reads_on_leaves_nothing_behind(build: Path, start: Callable[..., Command]) -> None:
    reader, writer = os.pipe()
    run = start("run", builds=build.parent.parent, stdout=writer)
    os.close(writer)
    os.close(reader)
    run.ends()
    assert run.process.returncode == 128 + signal.SIGPIPE
    assert run.leaves_nothing()


def test_down_ends_an_up_that_is_under_way_and_a_second_up_waits_for_nobody(
    build: Path, start: Callable[..., Command]
) -> None:
    builds = build.parent.parent
    first = start("up", builds=builds)
    first.reaches(DEPLOYMENT)
    second = start("up", builds=builds)
    assert "being started already" in second.ends()
    assert second.process.returncode == 1
    down = start("down", builds=builds)
    assert "Stopped." in down.ends()
    first.ends()
    assert first.process.returncode == 128 + signal.SIGTERM
    assert first.leaves_nothing()


@pytest.mark.parametrize("state", sampled(["", "{", "[]", '{"pid": 1}', '{"starting": {"pid": "x"}}', "\0"], every=3))
def test_whatever_the_state_files_say_down_finds_an_emulator_that_was_left(
    state: str, start: Callable[..., Command], tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "emulator-left"
    folder.mkdir()
    left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=folder)
    for name in ("emulator.json", "stack.json", "sam-env.json"):
        (tmp_path / "state" / name).write_text(state)
    order = start("order", "events/order.json")
    assert "✘ No stack is running. Start one with: make up" in order.ends()
    down = start("down")
    assert down.ends() == "Stopped.\n"
    assert left.wait(PATIENCE_SECONDS) != 0
    left.communicate()
    assert down.leaves_nothing()
