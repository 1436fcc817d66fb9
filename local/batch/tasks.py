"""The tasks of a workflow that submit a job, for MiniStack's Step Functions.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html
"""

from __future__ import annotations

import contextvars
import json
import uuid
from collections.abc import Callable
from typing import Any

from local.batch.job import Refused
from local.batch.jobs import Batch
from local.batch.service import submit
from local.batch.spelling import camel, pascal

# What of MiniStack's engine is replaced, and why. A version that renames one of these fails here, by name.
SERVICES = "_SERVICE_DISPATCH"  # what runs a task, by its resource: it knows no jobs
TASK = "_execute_task"  # runs a task with its retries, also of an execution that was stopped
WITH_TIMEOUT = "_invoke_resource_with_timeout"  # leaves alone what has taken too long
STOP = "_stop_execution"  # tells nobody
FAILED = "_fail_execution"  # also one that was stopped before

# What is used of it as it is.
ERROR = "_ExecutionError"  # how a task fails

RESOURCE = "arn:aws:states:::batch:submitJob"
MARK = {"name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS"}  # as Step Functions marks its jobs

_execution: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("execution", default=None)


class Stopped(Exception):
    """The execution has been stopped, so nothing of it is retried or caught."""


class Failed(Exception):
    """A task has failed, with an error of this name."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


def submit_as_aws(engine: Any, service: Any, batch: Batch) -> None:
    """Let MiniStack's workflows submit jobs, and wait for them where they say `.sync`: when the execution is stopped or
    the task's time is over, its job is terminated.

    Raises AttributeError when it has not got what is replaced.
    """
    failure = getattr(engine, ERROR)
    task, with_timeout, stop, fail = (getattr(engine, name) for name in (TASK, WITH_TIMEOUT, STOP, FAILED))

    def run(resource: str, given: Any, seconds: float | None = None) -> Any:
        try:
            return submit_and_wait(service, batch, given, waits=resource.endswith(".sync"), seconds=seconds)
        except Failed as failed:
            raise failure(failed.error, failed.cause) from None

    def execute(state: Any, given: Any, execution: Any, context: Any) -> Any:
        if execution and execution["status"] != "RUNNING":
            raise Stopped
        before = _execution.set(execution)
        try:
            return task(state, given, execution, context)
        finally:
            _execution.reset(before)

    def invoke_in_time(resource: str, given: Any, seconds: float) -> Any:
        return (
            run(resource, given, seconds) if resource.startswith(RESOURCE) else with_timeout(resource, given, seconds)
        )

    def stop_and_tell(request: Any) -> Any:
        answer = stop(request)
        batch.wake()
        return answer

    def fail_unless_stopped(execution: Any, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    getattr(engine, SERVICES)[RESOURCE] = run
    replaced: dict[str, Callable[..., Any]] = {
        TASK: execute,
        WITH_TIMEOUT: invoke_in_time,
        STOP: stop_and_tell,
        FAILED: fail_unless_stopped,
    }
    for name, function in replaced.items():
        setattr(engine, name, function)


def submit_and_wait(
    service: Any, batch: Batch, given: dict[str, Any], *, waits: bool, seconds: float | None
) -> dict[str, Any]:
    """Submit a job as a workflow describes it; answers what Batch does, or if it `waits` the job that has succeeded.

    Raises Failed when Batch refuses, when the job has failed (its cause is the job), and when it has taken longer than
    `seconds`; Stopped when the execution has been stopped.
    """
    request = camel(given)
    overrides = request.setdefault("containerOverrides", {})
    overrides["environment"] = [*(overrides.get("environment") or []), MARK]
    try:
        submitted = submit(service, batch, request)
    except Refused as refused:
        cause = f"Error executing request, Exception : {refused}, RequestId: {uuid.uuid4()}"
        raise Failed("Batch.ClientException", cause) from None
    if not waits:
        return dict(pascal(submitted))
    job, execution = batch.jobs[submitted["jobId"]], _execution.get()

    def stopped() -> bool:
        return execution is not None and execution["status"] != "RUNNING"

    if not batch.wait(job, seconds, stopped):
        batch.terminate(job, "Terminated by AWS Step Functions")
        if stopped():
            raise Stopped
        raise Failed("States.Timeout", f"Task timed out after {seconds} seconds")
    answer: dict[str, Any] = pascal(batch.describe(job))
    if job.status == "FAILED":
        raise Failed("States.TaskFailed", json.dumps(answer))
    return answer
