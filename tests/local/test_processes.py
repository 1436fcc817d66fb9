"""Processes of ours: recognized by more than their id, and gone with whoever started them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local import janitor
from local.processes import Group, Identity
from local.stack import ROOT

PATIENCE_SECONDS = 20

# It starts a child, and tells both ids.
FAMILY = "import os, time; child = os.fork(); child and print(os.getpid(), child, flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FAMILY}"
OWNER = (
    "import sys, time; from pathlib import Path; from local.processes import Group;"
    "folder = Path(sys.argv[1]); group = Group([sys.executable, '-c', sys.argv[2]], variables={}, folder=folder,"
    " cwd=folder, output=1); eval(sys.argv[3]); sys.stdin.read()"
)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.janitor.PATIENCE_SECONDS", 0.2)


def gone(pids: list[int]) -> bool:
    """Whether all of them have ended, once they have had time to."""
    living = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(living, timeout=PATIENCE_SECONDS)[1]


def owner(folder: Path, then: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A process that has started a group, and the ids of the group's."""
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), FAMILY, then],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.usefixtures("_impatient")
def test_a_group_ends_with_all_its_children(tmp_path: Path) -> None:
    group = Group([sys.executable, "-c", STUBBORN], variables={}, folder=tmp_path, cwd=tmp_path, output=subprocess.PIPE)
    pids = [int(word) for word in next(group.output()).split()]
    group.end()
    assert gone(pids)
    assert tmp_path.exists()
    group.end()


def test_a_group_whose_owner_is_killed_ends_and_its_folder_goes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    process, pids = owner(folder, then="None")
    process.kill()
    process.communicate()
    assert gone(pids)
    janitors = [one for one in psutil.process_iter() if str(folder) in cmdline(one)]
    assert not psutil.wait_procs(janitors, timeout=PATIENCE_SECONDS)[1]
    assert not folder.exists()


def test_what_an_owner_had_no_time_to_tell_of_ends_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    untold = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=folder)
    subprocess.run([sys.executable, "-I", janitor.__file__, str(folder)], stdin=subprocess.DEVNULL, check=True)
    assert untold.wait(PATIENCE_SECONDS) != 0
    untold.communicate()
    assert not folder.exists()


def test_a_group_that_is_let_live_outlives_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    process, pids = owner(folder, then="group.let_live()")
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    process.wait()
    try:
        assert all(map(psutil.pid_exists, pids))
        assert [one for one in psutil.process_iter() if str(folder) in cmdline(one)] == []
    finally:
        janitor.end_all_in(folder)
        process.stdout.close()
    assert gone(pids)


def cmdline(process: psutil.Process) -> list[str]:
    """Its command, or nothing of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_process_is_known_by_its_start_as_well() -> None:
    me = Identity.of()
    assert me.pid == os.getpid()
    assert me.alive()
    assert not Identity(me.pid, me.started - 60).alive()


@pytest.mark.parametrize("wait", [True, False])
def test_a_process_that_has_ended_is_not_alive(wait: bool, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path)
    identity = Identity.of(child.pid)
    assert identity.alive()
    child.kill()
    if wait:
        child.wait()
    else:  # a zombie, as its parent has not asked for it
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    child.communicate()


def test_all_that_work_in_a_folder_end_and_nobody_else(tmp_path: Path) -> None:
    def start(folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir()
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=folder)

    inside, beside = start(tmp_path / "folder"), start(tmp_path / "folder-beside")
    janitor.end_all_in(tmp_path / "folder")
    assert gone([inside.pid])
    assert beside.poll() is None
    for process in (inside, beside):
        process.kill()
        process.communicate()
