"""`python -m jobs STEP`: what it takes, what it answers with, and what it says when it fails."""

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest

from aws import logger
from jobs import __main__ as command
from jobs import begin, extract, runs
from jobs.runs import TAKEN
from jobs.settings import Problem
from tests.jobs.arranging import DAY, RUN

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _signals():
    """A step takes the signal for its whole process, which is the tests' here."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def log(monkeypatch):
    """What was logged, line by line."""
    written = StringIO()
    for handler in logger.handlers:
        monkeypatch.setattr(handler, "stream", written)
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.fixture
def first_of_its_array(monkeypatch):
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")


@pytest.fixture
def begun(monkeypatch):
    """What `begin` was called with."""
    calls = []
    monkeypatch.setattr(begin, "begin", lambda *positional, **named: calls.append((*positional, *named.values())))
    return calls


def a_step(*arguments):
    return command.main([*arguments, "--run", RUN])


class TestArguments:
    def test_of_a_scheduled_run_reach_begin(self, begun):
        assert a_step("begin", "--day", "", "--scheduled-at", "2026-01-02T02:30:00Z", "--repair", "yes") == 0

        [(run, day, at, repair)] = begun
        assert (run, day, at.isoformat(), repair) == (RUN, None, "2026-01-02T02:30:00+00:00", True)

    def test_of_a_run_by_hand_reach_begin(self, begun):
        assert a_step("begin", "--day", DAY, "--scheduled-at", "") == 0

        assert begun == [(RUN, DAY, None, False)]

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["begin"],
            ["sleep", "--run", RUN],
            ["begin", "--run", ""],
            ["begin", "--run", "a-name"],
            ["begin", "--run", RUN, "--day", "yesterday"],
            ["begin", "--run", RUN, "--day", "20260101"],
            ["begin", "--run", RUN, "--day", "2026-02-30"],
            ["begin", "--run", RUN, "--scheduled-at", "2026-01-02T02:30:00"],
            ["begin", "--run", RUN, "--repair", "perhaps"],
            ["extract", "--run", RUN],
            ["extract", "customers", "--run", RUN],
        ],
    )
    def test_that_are_wrong_are_refused_with_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as left:
            command.main(arguments)

        assert left.value.code == 2
        assert "usage: python -m jobs" in capsys.readouterr().err


class TestAStep:
    def test_that_is_done_answers_0(self, plan, monkeypatch):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "1")

        assert a_step("extract", "payments") == 0

    def test_of_an_array_does_its_own_part(self, plan, monkeypatch):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "1")
        asked = []
        monkeypatch.setattr(extract, "extract", lambda *arguments: asked.append(arguments))

        a_step("extract", "carrier")

        assert asked == [(plan, "carrier", 1)]

    def test_of_a_day_that_another_run_has_does_nothing(self, tables, log):
        runs.keep(runs.Plan(RUN, DAY, "2026-01-02T01:00:00.000+00:00", TAKEN, 2, 2, repair=False))

        assert a_step("load") == 0
        assert log()[-1]["message"] == "another run has this day"

    def test_says_which_it_is_in_each_line(self, tables, log):
        runs.keep(runs.Plan(RUN, DAY, "2026-01-02T01:00:00.000+00:00", TAKEN, 2, 2, repair=False))
        a_step("repair")

        [line] = log()
        assert (line["service"], line["step"], line["run"]) == ("books", "repair", RUN)

    def test_prints_nothing(self, plan, log, capsys, monkeypatch):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")
        a_step("extract", "orders")

        assert capsys.readouterr() == ("", "")


class TestAFailure:
    """Whoever runs the books reads one line that says what to put right."""

    @pytest.mark.parametrize(
        ("variable", "value", "step"),
        [
            ("BOOKS_BUCKET", "", ["extract", "payments"]),
            ("BOOK_RUNS_TABLE", "", ["extract", "payments"]),
            ("READ_UNITS", "0", ["extract", "payments"]),
            ("READ_UNITS", "many", ["extract", "payments"]),
            ("PAYMENTS_TABLE", "", ["extract", "payments"]),
            ("AWS_BATCH_JOB_ARRAY_INDEX", "", ["reconcile"]),
            ("AWS_BATCH_JOB_ARRAY_INDEX", "-1", ["extract", "payments"]),
        ],
    )
    @pytest.mark.usefixtures("plan", "first_of_its_array")
    def test_names_the_variable(self, variable, value, step, monkeypatch, log):
        monkeypatch.setenv(variable, value)

        assert a_step(*step) == 1
        assert_is_one_line(log, variable)

    def test_names_the_table_that_is_not_there(self, plan, monkeypatch, log):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")
        monkeypatch.setenv("PAYMENTS_TABLE", "nothing-of-this-name")

        assert a_step("extract", "payments") == 1
        assert_is_one_line(log, "ResourceNotFoundException")

    def test_says_that_begin_comes_first(self, tables, log):
        assert a_step("load") == 1
        assert_is_one_line(log, "begin comes first")

    def test_of_ours_is_told_with_where_it_was(self, plan, monkeypatch):
        def broken(_):
            raise KeyError("sku")

        monkeypatch.setattr(runs, "plan", broken)

        with pytest.raises(KeyError):
            a_step("load")

    def test_says_what_the_problem_is(self, plan, monkeypatch, log):
        def refuse(_):
            raise Problem("segment 3 of orders is not extracted")

        monkeypatch.setattr(runs, "plan", refuse)

        assert a_step("load") == 1
        assert_is_one_line(log, "segment 3 of orders is not extracted")


def assert_is_one_line(log, says):
    line = log()[-1]
    assert line["level"] == "ERROR"
    assert says in line["message"]
    assert "\n" not in line["message"]
    assert "exception" not in line


# Signals reach a process, so this one is one of its own; where it stands is told by what it has written.
WAITS = """
import sys, tempfile, time
from pathlib import Path
from jobs import __main__ as command, runs
def waits(run):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "chunk").write_text("")
        Path(sys.argv[1]).write_text(folder)
        time.sleep(600)
runs.plan = waits
command.main(["load", "--run", "arn:run"])
"""


def test_sigterm_ends_a_step_at_once_and_leaves_no_folder(tmp_path):
    note = tmp_path / "note"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    step = subprocess.Popen([sys.executable, "-c", WAITS, str(note)], cwd=ROOT, env=environment)
    try:
        while not (note.exists() and note.read_text()):
            assert step.poll() is None
            time.sleep(0.05)
        step.send_signal(signal.SIGTERM)
        assert step.wait(60) == 128 + signal.SIGTERM
    finally:
        step.kill()
    assert not Path(note.read_text()).exists()


def test_the_command_is_there():
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0
    assert all(step in done.stdout for step in ("begin", "extract", "reconcile", "repair", "load"))
