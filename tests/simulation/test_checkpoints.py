"""A run may end where it meets another one only if it would have gone on as that one did."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from simulation.checkpoints import Checkpoints, digest
from simulation.deliveries import DELIVERIES
from simulation.explore import steps, twins
from simulation.faults import Fault
from simulation.mutants import MUTANTS
from simulation.mutants.ways import Mutant
from simulation.scenarios.world import restock
from simulation.schedule import Result, Schedule, run
from simulation.singles import singles
from simulation.world import world
from tests.exhaustive import sampled

CRASH = Fault("reserve/dynamodb.TransactWriteItems#1", "crash_after")


def some_singles(scenario: str, delivery: str, number: int) -> list[Schedule]:
    return random.Random(1).sample(list(singles([run(Schedule(scenario, delivery))])), number)


@pytest.mark.parametrize("delivery", sampled(DELIVERIES))
def test_a_run_that_ends_where_it_meets_another_would_have_come_to_the_same(delivery: str) -> None:
    checkpoints = Checkpoints()
    number = 2 if delivery == "twenty times" else 6
    for schedule in some_singles("last unit", delivery, number):
        short, whole = run(schedule, checkpoints=checkpoints), run(schedule)
        assert short.violations == whole.violations
        assert short.outcomes == whole.outcomes


@pytest.mark.parametrize("delivery", sampled(DELIVERIES))
def test_a_delivery_that_begins_as_once_is_settled_where_once_is(delivery: str) -> None:
    for schedule in some_singles("happy", "once", 10):
        once = run(schedule, checkpoints=Checkpoints())
        if once.settled and DELIVERIES[delivery].begins_as_once(once.settled.at, once.settled.largest_batch):
            other = run(replace(schedule, delivery=delivery))
            assert until(once.settled.at, other) == until(once.settled.at, once)


def test_deliveries_that_are_twins_when_nothing_fails_are_so_under_every_fault() -> None:
    quiet = [run(Schedule("declined", delivery)) for delivery in DELIVERIES]
    found = twins(quiet)
    assert found
    for (_, delivery), twin in found.items():
        for schedule in some_singles("declined", delivery, 12):
            one, other = run(schedule), run(replace(schedule, delivery=twin))
            assert steps(one) == steps(other)
            assert one.outcomes == other.outcomes


def until(end: float, result: Result) -> list[object]:
    """What happened. A message that waits for a person is read by nobody else, and names are random."""
    return [
        (entry.lane, entry.at, entry.order, entry.label)
        for entry in result.timeline
        if entry.at < end - 0.001 and entry.outcome != "dead letter"
    ]


def test_runs_meet() -> None:
    checkpoints = Checkpoints()
    assert not run(Schedule(), checkpoints=checkpoints).met
    assert run(Schedule(), checkpoints=checkpoints).met
    assert run(Schedule(faults=(CRASH,)), checkpoints=checkpoints).met
    assert run(Schedule(delivery="twice"), checkpoints=checkpoints).met


def test_a_run_does_not_meet_that_of_another_scenario() -> None:
    checkpoints = Checkpoints()
    run(Schedule("gateway ambiguous"), checkpoints=checkpoints)
    assert not run(Schedule(), checkpoints=checkpoints).met


def test_a_fault_that_is_still_to_come_is_not_passed_over() -> None:
    checkpoints = Checkpoints()
    late = Schedule("happy", "twice", (Fault("authorize/dynamodb.PutItem#1", "crash_before", occurrence=1),))
    run(Schedule(delivery="twice"), checkpoints=checkpoints)
    assert run(late, checkpoints=checkpoints).fired == list(late.faults)


@pytest.mark.parametrize("mutant", sampled(MUTANTS[::4]), ids=lambda mutant: mutant.name)
def test_a_broken_promise_is_noticed_as_often_as_it_breaks(mutant: Mutant) -> None:
    checkpoints = Checkpoints()
    run(Schedule(mutant.hint.scenario), mutant.mutation, checkpoints)
    for _ in range(2):
        result = run(mutant.hint, mutant.mutation, checkpoints)
        assert mutant.killed_by in {violation.invariant for violation in result.violations}


def test_what_is_stored_makes_the_state_and_what_time_it_is_does_not() -> None:
    run(Schedule())
    here = world()
    before = digest(here)
    here.loop.now += 60
    assert digest(here) == before
    restock("mug", 1)(here)
    restocked = digest(here)
    assert restocked != before
    here.send("DeadLetterQueueUrl", {"order_id": "A"})
    assert digest(here) not in {before, restocked}
