"""Whose a day is."""

from typing import Any

import pytest

from jobs import runs, services
from jobs.runs import OURS, TAKEN, NotOurs, Plan
from tests.jobs.arranging import AS_OF, DAY
from tests.unit.faults import just_after, just_before

DONE: dict[str, Any] = {
    "findings": 0,
    "repaired": 0,
    "report": "s3://books/reports/a.html",
    "summary": "s3://books/summaries/a.json",
}


@pytest.fixture
def claims(tables):
    """What stands of the day's claim."""
    return lambda: tables["BookRunsTable"].get_item(Key={"id": f"DAY#{DAY}"}).get("Item")


def a_plan(run, **changes):
    """The plan of a run that has the day."""
    parts: Any = {"as_of": AS_OF, "standing": OURS, "partitions": 2, "segments": 2, "repair": False} | changes
    return runs.keep(Plan(run, DAY, **parts))


class TestAClaim:
    def test_of_a_free_day_is_granted(self, executions, claims):
        run = executions.start("one")

        assert runs.claim(DAY, run) == claims()["claimed_at"]
        assert claims()["run"] == run

    def test_answers_the_same_time_when_it_is_repeated(self, executions, tables):
        run = executions.start("one")

        assert runs.claim(DAY, run) == runs.claim(DAY, run)

    def test_of_two_runs_at_once_one_gets_it(self, executions, claims):
        one, two = executions.start("one"), executions.start("two")

        with just_before(services.dynamodb(), "update_item", lambda: runs.claim(DAY, two)):
            assert runs.claim(DAY, one) is None

        assert claims()["run"] == two

    def test_waits_for_no_run_that_is_running(self, executions, claims):
        one, two = executions.start("one"), executions.start("two")
        runs.claim(DAY, one)

        assert runs.claim(DAY, two) is None
        assert claims()["run"] == one

    def test_of_a_run_that_died_is_taken_over(self, executions, claims):
        one, two = executions.start("one"), executions.start("two")
        runs.claim(DAY, one)
        executions.stop(one)

        assert runs.claim(DAY, two)
        assert claims()["run"] == two

    @pytest.mark.parametrize("unknown", ["arn:aws:states:eu-west-1:123456789012:execution:books:forgotten", "by hand"])
    def test_of_a_run_that_nobody_knows_is_taken_over(self, unknown, executions, claims):
        runs.claim(DAY, unknown)

        assert runs.claim(DAY, two := executions.start("two"))
        assert claims()["run"] == two

    def test_is_taken_over_from_the_run_that_died_and_from_no_other(self, executions, claims):
        dead, two, three = (executions.start(name) for name in ("one", "two", "three"))
        runs.claim(DAY, dead)
        executions.stop(dead)

        with just_after(runs, "is_running", lambda: runs.claim(DAY, three)):
            assert runs.claim(DAY, two) is None

        assert claims()["run"] == three

    def test_of_a_day_that_is_finished_is_granted_again(self, executions, claims):
        one, two = executions.start("one"), executions.start("two")
        runs.claim(DAY, one)
        runs.finish(a_plan(one), **DONE)

        assert runs.claim(DAY, two)
        assert claims()["run"] == two
        assert "finished_at" not in claims()

    def test_repeated_by_a_run_that_has_finished_opens_nothing_again(self, executions, claims):
        run = executions.start("one")
        claimed_at = runs.claim(DAY, run)
        runs.finish(a_plan(run), **DONE)
        finished = claims()

        assert runs.claim(DAY, run) == claimed_at
        assert claims() == finished

    def test_is_of_one_day_only(self, executions, tables):
        assert runs.claim(DAY, executions.start("one"))
        assert runs.claim("2026-01-02", executions.start("two"))


class TestAPlan:
    def test_that_was_kept_is_read(self, tables):
        plan = a_plan("arn:run:one", partitions=7, segments=3, repair=True)

        assert runs.plan("arn:run:one") == plan

    def test_is_kept_once(self, tables):
        first = a_plan("one", standing=TAKEN)

        assert a_plan("one", partitions=99, as_of="2026-01-03T00:00:00.000+00:00") == first
        assert runs.plan("one") == first

    def test_that_nobody_has_made_is_missing(self, tables):
        with pytest.raises(LookupError, match="begin comes first"):
            runs.plan("arn:run:one")


class TestHolding:
    def test_a_run_holds_the_day_that_it_claimed(self, executions, tables):
        plan = a_plan(run := executions.start("one"))
        assert not runs.holds(plan)

        runs.claim(DAY, run)

        assert runs.holds(plan)

    def test_a_run_whose_day_was_taken_over_holds_it_no_more(self, executions, tables):
        plan = a_plan(run := executions.start("one"))
        runs.claim(DAY, run)
        executions.stop(run)
        runs.claim(DAY, executions.start("two"))

        assert not runs.holds(plan)


class TestFinishing:
    def test_writes_down_what_the_run_came_to(self, plan, tables):
        runs.finish(plan, findings=3, repaired=1, report="s3://books/a.html", summary="s3://books/a.json")

        item = tables["BookRunsTable"].get_item(Key={"id": "RUN#a-night"})["Item"]
        assert (item["findings"], item["repaired"]) == (3, 1)
        assert (item["report"], item["summary"]) == ("s3://books/a.html", "s3://books/a.json")

    def test_twice_is_as_good_as_once(self, plan, claims):
        runs.finish(plan, **DONE)
        once = claims()
        runs.finish(plan, **DONE)

        assert claims() == once
        assert once["finished_at"]

    def test_what_another_run_has_taken_over_is_refused(self, plan, executions, claims):
        runs.claim(DAY, two := executions.start("two"))  # nobody knows of an execution with the plan's ARN

        with pytest.raises(NotOurs, match=DAY):
            runs.finish(plan, **DONE)

        assert claims()["run"] == two
        assert "finished_at" not in claims()
