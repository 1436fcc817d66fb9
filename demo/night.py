"""The night that closes a day's books, on a running stack: started, watched, and stopped with whoever watches."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.command import undisturbed
from local.console import console, plain, table_of
from local.stack import Problem, RunningStack

POLL_SECONDS = 1.0
RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
# The state in which an execution ends that finds another one at its day.
TAKEN = "Taken"
# What a job goes through, and its ends.
# https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
ENDS = (SUCCEEDED, FAILED)
STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", RUNNING, *ENDS)
MAX_JOBS = 100  # that DescribeJobs describes at once
LOG_LINES = 20

type Event = Mapping[str, Any]
type Job = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A task of the workflow: how many of its job's containers have ended well, of how many; and for how many seconds
    it has run, or ran.
    """

    name: str
    status: str
    done: int
    of: int
    seconds: float


class Night:
    """An execution of the books' workflow, and what is known of it by now."""

    def __init__(self, stack: RunningStack, arn: str) -> None:
        self.arn = arn
        self._queue = stack.outputs["BooksQueueArn"]
        self._workflows, self._batch, self._logs = (stack.client(one) for one in ("stepfunctions", "batch", "logs"))
        self._others: set[str] = set()  # jobs of other nights
        self.events: list[Event] = []
        self.jobs: dict[str, Job] = {}

    def update(self) -> str:
        """Look again; answers the execution's status."""
        status = str(self._workflows.describe_execution(executionArn=self.arn)["status"])
        pages = self._workflows.get_paginator("get_execution_history").paginate(executionArn=self.arn)
        self.events = [event for page in pages for event in page["events"]]
        ended = {job_id for job_id, job in self.jobs.items() if job["status"] in ENDS}
        for some in batched(sorted(self._listed() - self._others - ended), MAX_JOBS):
            described = {job["jobId"]: job for job in self._batch.describe_jobs(jobs=list(some))["jobs"]}
            ours = {job_id for job_id, job in described.items() if self.arn in job["container"]["command"]}
            self._others |= described.keys() - ours
            self.jobs |= {job_id: described[job_id] for job_id in ours}
        return status

    def _listed(self) -> set[str]:
        """The ids of all the queue's jobs that Batch remembers."""
        pages = self._batch.get_paginator("list_jobs")
        return {
            job["jobId"]
            for status in STATES
            for page in pages.paginate(jobQueue=self._queue, jobStatus=status)
            for job in page["jobSummaryList"]
        }

    def steps(self) -> list[Step]:
        """The tasks that were begun, in their order."""
        return steps(self.events, list(self.jobs.values()), datetime.now(UTC))

    def was_taken(self) -> bool:
        """Whether another execution has the day."""
        return any(event.get("stateEnteredEventDetails", {}).get("name") == TAKEN for event in self.events)

    def why(self) -> str:
        """Why the execution failed: what the workflow says, and the last lines of a job that did."""
        said = self._workflows.describe_execution(executionArn=self.arn)
        reason = ": ".join(text for text in (said.get("error", ""), _in_words(said.get("cause", ""))) if text)
        failed = sorted(
            (job for job in self.jobs.values() if job["status"] == FAILED), key=lambda job: job["createdAt"]
        )
        return "\n".join([reason or str(said["status"]), *(self._last_lines(failed[-1]) if failed else ())])

    def _last_lines(self, job: Job) -> Iterator[str]:
        """What a job said at last, or that of its children that failed first."""
        if "arrayProperties" in job and "index" not in job["arrayProperties"]:
            listed = self._batch.list_jobs(arrayJobId=job["jobId"], jobStatus=FAILED)["jobSummaryList"]
            if not listed:
                return
            [job] = self._batch.describe_jobs(jobs=[listed[0]["jobId"]])["jobs"]
        yield f"{job['jobName']} ({job['jobId']}): {job.get('statusReason', '')}"
        container = job.get("container", {})
        group = container.get("logConfiguration", {}).get("options", {}).get("awslogs-group", "/aws/batch/job")
        with suppress(ClientError, BotoCoreError):
            found = self._logs.get_log_events(
                logGroupName=group, logStreamName=container.get("logStreamName", ""), limit=LOG_LINES
            )
            for event in found["events"]:
                yield f"  {event['message']}"


@contextmanager
def started(stack: RunningStack, day: str, *, repair: bool) -> Iterator[Night]:
    """Start the workflow for a day, and stop it if the block does not end well."""
    workflow = stack.outputs["BooksWorkflowArn"]
    name = f"by-hand-{day}-{uuid.uuid4()}"
    # Known before it starts: whoever ends us meanwhile must not leave it behind.
    arn = f"{workflow.replace(':stateMachine:', ':execution:')}:{name}"
    client = stack.client("stepfunctions")
    try:
        order = {"day": day, "repair": "yes" if repair else "no"}
        client.start_execution(stateMachineArn=workflow, name=name, input=json.dumps(order))
        yield Night(stack, arn)
    except BaseException:
        with undisturbed(), suppress(ClientError, BotoCoreError):
            client.stop_execution(executionArn=arn, error="Ended", cause="Whoever started it was ended.")
        raise


def watch(night: Night) -> None:
    """Show how it goes until it ends. Raises Problem when it fails, or when another execution has the day."""
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            status = night.update()
            live.update(table(night.steps()), refresh=True)
            if status != RUNNING:
                break
            time.sleep(POLL_SECONDS)
    console.print()
    if status != SUCCEEDED:
        raise Problem(f"The night {status.lower().replace('_', ' ')}. {night.why()}")
    if night.was_taken():
        raise Problem("Another run is at work on the books of this day. Wait for its end, and start again.")


def _in_words(cause: str) -> str:
    """Why a task failed: of a job that did, the workflow only says all that there is to know of it."""
    try:
        return str(json.loads(cause)["StatusReason"])
    except (ValueError, KeyError, TypeError):
        return cause


def steps(events: Sequence[Event], jobs: Sequence[Job], now: datetime) -> list[Step]:
    """What these events and jobs tell of. A job has the name of its task, and the last attempt counts. What waits for
    nothing, such as a read, is left out unless it is at it.
    """
    tasks = {_name(event): event["timestamp"] for event in events if event["type"] == "TaskStateEntered"}
    attempts = {job["jobName"]: job for job in sorted(jobs, key=lambda job: job["createdAt"])}
    ended = {_name(event) for event in events if event["type"] == "TaskStateExited"}
    # An emulator may say nothing of what goes on in branches.
    begun = {name: _moment(job["createdAt"]) for name, job in attempts.items()} | {
        name: moment for name, moment in tasks.items() if name in attempts or name not in ended
    }
    return [
        _step(name, moment, attempts.get(name), now) for name, moment in sorted(begun.items(), key=lambda one: one[1])
    ]


def _name(event: Event) -> str:
    """A state's name as its job has it."""
    details = event.get("stateEnteredEventDetails") or event["stateExitedEventDetails"]
    return "-".join(re.findall(r"[A-Z][^A-Z]*", details["name"])).lower()


def _step(name: str, begun: datetime, job: Job | None, now: datetime) -> Step:
    if job is None:
        return Step(name, RUNNING, 0, 0, (now - begun).total_seconds())
    array = job.get("arrayProperties", {})
    done = int(array["statusSummary"].get(SUCCEEDED, 0)) if array else int(job["status"] == SUCCEEDED)
    until = _moment(job["stoppedAt"]) if "stoppedAt" in job else now
    return Step(name, job["status"], done, int(array.get("size", 1)), (until - begun).total_seconds())


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def table(shown: Sequence[Step]) -> Table:
    """The steps as a person follows them."""
    drawn = table_of("The night", "step", "status", "jobs", "seconds", numbers=2)
    for step in shown:
        colour = {SUCCEEDED: "green", FAILED: "red"}.get(step.status, "cyan")
        jobs = f"{step.done} of {step.of}" if step.of else ""
        status = Text(plain(step.status.lower()), style=colour)
        drawn.add_row(plain(step.name.replace("-", " ")), status, jobs, f"{step.seconds:.1f}")
    return drawn
