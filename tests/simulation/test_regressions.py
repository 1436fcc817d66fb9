"""Schedules that once broke a promise, by the name of what was wrong."""

from __future__ import annotations

import pytest

from simulation.faults import Fault
from simulation.schedule import Schedule, run

SENT_AND_LOST = Fault("notify/sesv2.SendEmail#1", "lost")

FOUND = {
    # The lock was deleted by key alone: an attempt that had failed removed the finished record of the one after it.
    "a late delete removes a later attempt's record": Schedule(
        "happy", "once", (SENT_AND_LOST, Fault("notify/dynamodb.DeleteItem#1", "zombie"))
    ),
    # The same, by the SDK's own retry of the delete: it removed the lock that another execution held by then.
    "a repeated delete removes another execution's lock": Schedule(
        "gateway ambiguous", "at the same time", (SENT_AND_LOST, Fault("notify/dynamodb.DeleteItem#1", "lost_once"))
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND.keys())
def test_a_schedule_that_broke_a_promise_keeps_it_now(schedule: Schedule) -> None:
    result = run(schedule)
    assert set(result.fired) == set(schedule.faults), "the schedule no longer reaches what it was kept for"
    assert result.violations == []
