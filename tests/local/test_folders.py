"""Folders that belong to running processes: held, put in place complete, and swept once nobody holds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local import folders
from local.stack import ROOT


def test_what_somebody_holds_is_not_swept(tmp_path: Path) -> None:
    mine = folders.create(tmp_path, "build-")
    left = tmp_path / "build-left"
    left.mkdir()
    (left / "file").touch()
    (tmp_path / "other").mkdir()
    assert folders.sweep(tmp_path, "build-*") == 1
    assert set(tmp_path.iterdir()) == {mine.path, tmp_path / "other"}
    mine.let_go()
    mine.let_go()
    assert folders.sweep(tmp_path, "build-*") == 1
    assert folders.sweep(tmp_path / "missing", "*") == 0


def test_what_a_killed_process_held_is_swept(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from local import folders;"
        "held = folders.create(Path(sys.argv[1]), 'build-'); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert folders.sweep(tmp_path, "build-*") == 0
        holder.kill()
        holder.wait()
    assert folders.sweep(tmp_path, "build-*") == 1


def test_of_two_that_finish_the_same_build_the_first_is_kept_and_both_hold_it(tmp_path: Path) -> None:
    place = tmp_path / "build"
    assert folders.hold(place) is None
    first, second = folders.create(tmp_path, "unfinished-"), folders.create(tmp_path, "unfinished-")
    (first.path / "by").write_text("first")
    (second.path / "by").write_text("second")
    first, second = folders.publish(first, place), folders.publish(second, place)
    assert [path.name for path in tmp_path.iterdir()] == ["build"]
    assert first.path == second.path == place
    assert (place / "by").read_text() == "first"
    first.let_go()
    assert folders.sweep(tmp_path, "*") == 0
    second.let_go()
    assert folders.sweep(tmp_path, "*", spare=place) == 0
    assert folders.sweep(tmp_path, "*") == 1
