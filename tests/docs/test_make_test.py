"""`make test` and `make prove` run every test between them, and each by one of the two."""

from __future__ import annotations

import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path

from tests.exhaustive import LEFT_OUT, NAME

ROOT = Path(__file__).parents[2]
TESTS = {path.relative_to(ROOT) for path in ROOT.glob("tests/*/test_*.py")}
# What the commands say besides where: with how many workers, how they share, which plugin, which mark.
WITH_A_VALUE = ("-n", "--dist", "-p", "-m")


@cache
def commands(target: str) -> list[list[str]]:
    """The arguments of each run of pytest that a target of the Makefile makes."""
    shown = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [shlex.split(line.partition(" -m pytest ")[2]) for line in shown.splitlines() if " -m pytest " in line]


def files(paths: list[str]) -> set[Path]:
    """The files of tests that a run looks into."""
    return {test for test in TESTS for path in paths if test.is_relative_to(path)}


def looked_into(arguments: list[str]) -> set[Path]:
    """The files of tests that a run looks into and does not ignore. It may be told nothing else that leaves one out."""
    values = [position + 1 for position, word in enumerate(arguments) if word in WITH_A_VALUE]
    ignored = [position + 1 for position, word in enumerate(arguments) if word == "--ignore"]
    others = [word for position, word in enumerate(arguments) if position not in {*values, *ignored}]
    assert {word for word in others if word.startswith("-")} <= {"-q", "--ignore", *WITH_A_VALUE}
    paths = [word for word in others if not word.startswith("-")]
    return files(paths) - files([arguments[position] for position in ignored])


def test_make_test_looks_for_what_is_not_exhaustive_in_every_file() -> None:
    assert not [arguments for arguments in commands("test") if "-m" in arguments]
    assert set().union(*map(looked_into, commands("test"))) == TESTS


def test_make_prove_looks_for_what_is_exhaustive_in_every_file() -> None:
    assert {arguments[arguments.index("-m") + 1] for arguments in commands("prove")} == {NAME}
    assert set().union(*map(looked_into, commands("prove"))) == TESTS


def test_a_test_is_left_out_for_being_exhaustive_and_for_nothing_else() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    [mark] = [option for option in options["markers"] if option.startswith(f"{NAME}:")]
    assert "make prove" in mark
    words = shlex.split(options["addopts"])
    assert words[words.index("-m") + 1] == LEFT_OUT
    assert {word for word in words if not word.startswith("--")} == {"-ra", "-m", LEFT_OUT}


def test_ci_makes_both() -> None:
    said = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line.removeprefix("exec ") for line in said[-2:]] == ["make test", "make prove"]
