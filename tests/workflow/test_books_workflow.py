"""Every path of a night of the books, on both engines. A job is what the test says that becomes of it.

That an array runs as many containers, and what one does that dies, is the embedded stack's and tests/jobs's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from jobs import sources
from jobs.__main__ import _parser
from jobs.places import execution_name
from tests.workflow.beside import STANDARD, definition_of
from tests.workflow.engines import Engine, Run, TaskFailed
from tests.workflow.retries import every_state

DEFINITION = definition_of("books")
EXTRACTS = [f"extract-{branch}" for branch in sources.BRANCHES]
WAY = ["Begin", "Plan", "IsOurs", "Extract", "Reconcile", "MayRepair", "Load", "Result", "AnyFindings", "Done"]
JOBS = ["begin", *EXTRACTS, "reconcile", "load"]
SUBMITTED = [  # by the job's name, as the definition has them
    state["Arguments"]["JobName"]
    for _, state in every_state(json.loads(DEFINITION)["States"])
    if "JobName" in state.get("Arguments", {})
]
FAILED = TaskFailed("States.TaskFailed", "{}")
THROTTLED = TaskFailed("Batch.AWSBatchException", "Too Many Requests")
PLAN = {
    "day": {"S": "2026-11-24"},
    "standing": {"S": "OURS"},
    "partitions": {"N": "7"},
    "segments": {"N": "3"},
    "repair": {"BOOL": False},
}
NOTHING_FOUND = {"findings": {"N": "0"}, "repaired": {"N": "0"}, "report": {"S": "s3://books/reports/2026-11-24.html"}}

Night = Callable[..., "Told"]


@dataclass
class Told:
    """How an execution went: the jobs that it submitted, the items that it read, and what it published."""

    run: Run
    submitted: list[dict[str, Any]]
    keys: list[str]
    messages: list[dict[str, Any]]

    @property
    def states(self) -> list[str]:
        return [name for name, _ in self.run.entered]

    @property
    def jobs(self) -> list[str]:
        return [job["JobName"] for job in self.submitted]

    def job(self, name: str) -> dict[str, Any]:
        """What was submitted as `name`, once."""
        [job] = [each for each in self.submitted if each["JobName"] == name]
        return job

    def command(self, name: str) -> list[str]:
        command: list[str] = self.job(name)["ContainerOverrides"]["Command"]
        return command


@dataclass
class Services:
    """AWS Batch, DynamoDB and SNS as the execution sees them. MiniStack waits for a job in one call; moto submits, and
    asks what became of it.
    """

    items: list[dict[str, Any]]
    answers: dict[str, list[TaskFailed | None]]
    submitted: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)

    def __call__(self, integration: str, arguments: dict[str, Any]) -> Any:
        match integration:
            case "batch:submitJob.sync" | "batch:submitJob":
                return self._submit(arguments, waits=integration.endswith(".sync"))
            case "batch:describeJobs":
                return {"jobs": [{"jobId": job, "status": self.ended[job]} for job in arguments["jobs"]]}
            case "dynamodb:getItem":
                assert (arguments["TableName"], arguments["ConsistentRead"]) == ("BookRunsTable", True)
                self.keys.append(arguments["Key"]["id"]["S"])
                return {"Item": self.items[min(len(self.keys), len(self.items)) - 1]}
            case "sns:publish":
                self.messages.append(arguments)
                return {"MessageId": "1"}
        raise NotImplementedError(integration)

    def _submit(self, job: dict[str, Any], *, waits: bool) -> dict[str, Any]:
        job["ContainerOverrides"].pop("Environment", None)  # which says that Step Functions submits it
        self.submitted.append(job)
        name = job["JobName"]
        script = self.answers.get(name, [None])
        answer = script[min(sum(each["JobName"] == name for each in self.submitted), len(script)) - 1]
        job_id = f"{name}-{len(self.submitted)}"
        if answer and (answer is not FAILED or waits):
            raise answer
        self.ended[job_id] = "FAILED" if answer else "SUCCEEDED"
        return {"JobId": job_id}


@pytest.fixture(params=STANDARD, ids=str)
def night(request: pytest.FixtureRequest) -> Night:
    """Run a night: `night(load=[FAILED, None])` says what becomes of each of a job's submissions."""
    engine: Engine = request.param

    def run(
        detail: dict[str, Any] | None = None,
        *,
        plan: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        **answers: list[TaskFailed | None],
    ) -> Told:
        planned = PLAN | (plan or {})
        items = [planned, planned | NOTHING_FOUND | (result or {})]
        named = {name.replace("_", "-"): script for name, script in answers.items()}
        services = Services(items, named)
        done = engine.run(DEFINITION, {"day": "2026-11-24"} if detail is None else detail, services)
        return Told(done, services.submitted, services.keys, services.messages)

    return run


# ── A night on which all agrees ─────────────────────────────────────────────────────────────────────────────────────


def test_a_night_reads_everything_reconciles_it_and_puts_it_in_its_place(night: Night) -> None:
    done = night()
    assert (done.run.status, done.states) == ("SUCCEEDED", WAY)
    assert done.jobs[0] == "begin"
    assert sorted(done.jobs[1:6]) == sorted(EXTRACTS)
    assert done.jobs[6:] == ["reconcile", "load"]


def test_nobody_is_told_of_a_night_without_findings(night: Night) -> None:
    assert night().messages == []


def test_more_orders_are_more_containers(night: Night) -> None:
    done = night()
    sizes = {job["JobName"]: job.get("ArrayProperties", {}).get("Size") for job in done.submitted}
    assert sizes == dict.fromkeys(EXTRACTS, 3) | {"begin": None, "reconcile": 7, "load": None}


def test_every_command_is_one_that_the_jobs_know(night: Night) -> None:
    done = night(plan={"repair": {"BOOL": True}})
    for job in done.submitted:
        python, flag, package, *arguments = job["ContainerOverrides"]["Command"]
        assert (python, flag, package) == ("python", "-m", "jobs")
        wanted = _parser().parse_args(arguments)
        assert wanted.run == done.run.execution
        assert job["JobName"] == (f"extract-{wanted.branch}" if wanted.step == "extract" else wanted.step)
    assert {*done.jobs} == {*SUBMITTED}


def test_the_plan_is_the_runs_own(night: Night) -> None:
    done = night()
    assert done.keys == [f"RUN#{execution_name(done.run.execution)}"] * 2


# ── Which day ───────────────────────────────────────────────────────────────────────────────────────────────────────


def options(done: Told) -> Any:
    return _parser().parse_args(done.command("begin")[3:])


def test_a_day_that_somebody_asks_for_is_that_day(night: Night) -> None:
    asked = options(night({"day": "2026-11-20", "repair": "yes"}))
    assert (asked.day, asked.scheduled_at, asked.repair) == ("2026-11-20", None, "yes")


def test_a_scheduled_night_hands_on_when_it_was_meant_to_run(night: Night) -> None:
    asked = options(night({"scheduled_at": "2026-11-25T03:30:00Z", "repair": "no"}))
    assert (asked.day, asked.repair) == (None, "no")
    assert asked.scheduled_at == datetime.fromisoformat("2026-11-25T03:30:00+00:00")


def test_a_night_that_nobody_says_anything_of_is_of_yesterday_and_repairs_nothing(night: Night) -> None:
    asked = options(night({}))
    assert (asked.day, asked.repair) == (None, "no")
    assert asked.scheduled_at.tzinfo


def test_a_day_that_another_run_has_is_left_to_it(night: Night) -> None:
    done = night(plan={"standing": {"S": "TAKEN"}})
    assert (done.run.status, done.states) == ("SUCCEEDED", ["Begin", "Plan", "IsOurs", "Taken"])
    assert done.jobs == ["begin"]


# ── Repairs, and what people are told ───────────────────────────────────────────────────────────────────────────────


def test_only_a_night_that_may_repair_does_and_with_the_job_that_can(night: Night) -> None:
    assert "repair" not in night().jobs
    done = night(plan={"repair": {"BOOL": True}})
    assert done.states == [*WAY[: WAY.index("Load")], "Repair", *WAY[WAY.index("Load") :]]
    definitions = {job["JobName"]: job["JobDefinition"] for job in done.submitted}
    assert definitions == dict.fromkeys(SUBMITTED, "BooksJob") | {"repair": "BooksRepairJob"}


@pytest.mark.parametrize(("findings", "said"), [(1, "1 finding"), (12, "12 findings")])
def test_findings_are_one_message_with_the_reports_place(night: Night, findings: int, said: str) -> None:
    done = night(result={"findings": {"N": str(findings)}, "repaired": {"N": "1"}})
    assert done.states == [*WAY[:-1], "Tell", "Done"]
    [message] = done.messages
    assert message["TopicArn"] == "AlertTopicArn"
    assert message["Subject"] == f"The books of 2026-11-24: {said}"
    assert f"have {said}. Repaired this night: 1." in message["Message"]
    assert "The report: s3://books/reports/2026-11-24.html\n" in message["Message"]
    assert "docs/operations.md#what-a-finding-asks-for" in message["Message"]


# ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


def of(name: str) -> dict[str, Any]:
    """A plan with which a job is submitted."""
    return {"repair": {"BOOL": True}} if name == "repair" else {}


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_job_that_fails_twice_is_submitted_again_and_the_night_goes_on(night: Night, name: str) -> None:
    done = night(plan=of(name), **{name: [FAILED, FAILED, None]})
    assert done.run.status == "SUCCEEDED"
    assert done.jobs.count(name) == 3
    assert done.states[-1] == "Done"


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_job_that_goes_on_failing_fails_the_night(night: Night, name: str) -> None:
    done = night(plan=of(name), **{name: [FAILED]})
    assert (done.run.status, done.run.error) == ("FAILED", "States.TaskFailed")
    assert done.jobs.count(name) == 3
    assert done.messages == []


@pytest.mark.parametrize("name", SUBMITTED)
def test_a_queue_that_takes_nothing_for_a_while_delays_the_night(night: Night, name: str) -> None:
    done = night(plan=of(name), **{name: [*[THROTTLED] * 8, None]})
    assert (done.run.status, done.states[-1]) == ("SUCCEEDED", "Done")
    assert done.jobs.count(name) == 9


def test_nothing_is_reconciled_before_everything_is_read(night: Night) -> None:
    for name in EXTRACTS:
        assert "reconcile" not in night(**{name: [FAILED]}).jobs


def test_these_paths_come_through_every_state() -> None:
    assert {*WAY, "Taken", "Repair", "Tell"} == json.loads(DEFINITION)["States"].keys()
