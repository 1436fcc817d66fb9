"""A failure is worth something when it can be had again."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from simulation.explore import shrink, walk
from simulation.faults import Fault
from simulation.patching import patched
from simulation.schedule import Result, Schedule, run
from simulation.stack import ROOT

TANGLED = Schedule(
    "last unit",
    "at the same time",
    (Fault("authorize/gateway.authorize#1", "zombie"), Fault("reserve/dynamodb.TransactWriteItems#1", "lost")),
    seed=11,
)


def digest(result: Result) -> str:
    return hashlib.sha256(repr(result.timeline).encode()).hexdigest()


def test_a_schedule_goes_the_same_way_again() -> None:
    first = run(TANGLED)
    run(Schedule("declined", "twenty times", seed=3))
    assert run(TANGLED).timeline == first.timeline


def test_a_schedule_goes_the_same_way_in_another_process() -> None:
    code = (
        "from tests.simulation.test_replay import TANGLED, digest; from simulation.schedule import run;"
        "print(digest(run(TANGLED)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == digest(run(TANGLED))


def test_another_seed_is_another_interleaving() -> None:
    other = Schedule(TANGLED.scenario, TANGLED.delivery, TANGLED.faults, seed=12)
    assert run(other).timeline != run(TANGLED).timeline


def test_a_seed_leads_to_the_same_schedules_again() -> None:
    assert [result.schedule for result in walk(5)] == [result.schedule for result in walk(5)]


def test_a_schedule_can_be_written_down() -> None:
    assert Schedule.from_json(TANGLED.to_json()) == TANGLED


def test_every_fault_of_a_schedule_is_reported_when_it_happened() -> None:
    nowhere = Fault("validate/dynamodb.PutItem#7", "crash_before")
    result = run(Schedule("happy", "once", (*TANGLED.faults, nowhere)))
    assert set(result.fired) == set(TANGLED.faults)


def test_a_broken_pipeline_is_noticed_and_its_schedule_shrinks() -> None:
    from inventory import app

    def broken(schedule: Schedule) -> bool:
        forgets = run(schedule, lambda _: patched([(app, "_leave_tombstone", lambda _, reason: reason)]))
        return bool(forgets.violations)

    big = Schedule(
        "out of stock in one line", "twice", (Fault("reserve/dynamodb.TransactWriteItems#1", "throttled"),), 9
    )
    assert broken(big)
    assert shrink(big, broken) == Schedule("out of stock in one line")
