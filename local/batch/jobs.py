"""The jobs that there are, and their way from SUBMITTED to SUCCEEDED or FAILED.

https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

import contextvars
import copy
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from local.batch import attempt
from local.batch.job import STATES, WAITING, Job, Refused, described, tries_again

ENDED = "Essential container in task exited"
LATE = "Job attempt duration exceeded timeout"
DEPENDENT = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
OF_AN_ATTEMPT = {"taskArn", "logStreamName", "exitCode", "reason"}


class Batch:
    """All jobs, and the threads that run them: so many at once. Every change is made under the one lock, and told."""

    def __init__(self, slots: int) -> None:
        self.jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._runnable: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._slots = slots
        self._workers = 0

    def submit(self, request: Mapping[str, Any], job_queue: str, definition: Mapping[str, Any], arn: str) -> Job:
        """Add a job, and run it as soon as there is room. `arn` is that of a job without its id.

        Raises Refused for a request that can't be.
        """
        job_id = str(uuid.uuid4())
        detail = described(job_id, request, job_queue, definition, _now()) | {"jobArn": f"{arn}{job_id}"}
        size = (request.get("arrayProperties") or {}).get("size")
        if size is not None and not 2 <= int(size) <= 10_000:
            raise Refused("Array size must be between 2 and 10000")
        if not detail["container"]["command"]:
            raise Refused("There is no image here that has a command: the job or its definition has to")
        with self._changed:
            job = Job(detail, contextvars.copy_context())
            runs = [job] if size is None else self._children(job, int(size))
            self._depend(job, runs)
            self.jobs |= {one.description["jobId"]: one for one in (job, *job.children)}
            for one in runs:
                self._consider(one)
        return job

    def describe(self, job: Job) -> dict[str, Any]:
        """A job as DescribeJobs has it."""
        with self._changed:
            detail = copy.deepcopy(job.description)
            if job.children:
                counted = Counter(child.status for child in job.children)
                detail["arrayProperties"]["statusSummary"] = {state: counted[state] for state in STATES}
            return detail

    def wait(self, job: Job, seconds: float | None, given_up: Callable[[], bool]) -> bool:
        """Wait until a job is over or given up, for so many seconds at most; answers whether it is over.

        Whoever gives one up has to `wake`.
        """
        with self._changed:
            self._changed.wait_for(lambda: job.over or given_up(), seconds)
            return job.over

    def wake(self) -> None:
        """Make everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def terminate(self, job: Job, reason: str) -> None:
        """End a job, wherever it is. Harmless when it is over.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html
        """
        with self._changed:
            self.cancel(job, reason)
            for one in job.children or [job]:
                if not one.over and one.ended_because is None:
                    one.ended_because = reason
                    one.description["isTerminated"] = True
                    if one.container:
                        one.container.stop()

    def cancel(self, job: Job, reason: str) -> None:
        """End a job that has not started yet; of an array those that have not.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
        """
        with self._changed:
            if job.children and not job.over:
                job.ended_because = reason
            for one in job.children or [job]:
                if one.status in WAITING:
                    one.description["isCancelled"] = True
                    self._end(one, "FAILED", reason)

    def close(self) -> None:
        """End what runs, at once."""
        for job in list(self.jobs.values()):
            if container := job.container:
                container.kill()

    def _children(self, parent: Job, size: int) -> list[Job]:
        """The jobs of an array, one for each index."""
        detail = parent.description
        for index in range(size):
            own = copy.deepcopy(detail) | {
                "jobId": f"{detail['jobId']}:{index}",
                "jobArn": f"{detail['jobArn']}:{index}",
                "arrayProperties": {"statusSummary": {}, "size": size, "index": index},
            }
            parent.children.append(Job(own, contextvars.copy_context(), parent))
        detail["arrayProperties"] = {"size": size, "statusSummary": {}}
        return parent.children

    def _depend(self, job: Job, runs: list[Job]) -> None:
        """Let what runs of a job wait for what it depends on. Raises Refused where that is not there.

        https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
        """
        for dependency in job.description["dependsOn"]:
            kind, other = dependency.get("type"), self.jobs.get(dependency.get("jobId", ""))
            if kind == "SEQUENTIAL" and "jobId" not in dependency:
                pairs = list(zip(runs[1:], runs, strict=False))
            elif other is None:
                raise Refused(f"There is no job {dependency.get('jobId')} to depend on")
            elif kind == "N_TO_N":
                if len(other.children) != len(job.children):
                    raise Refused("Arrays that depend on each other N_TO_N have to be of one size")
                pairs = list(zip(runs, other.children, strict=True))
            else:
                pairs = [(one, other) for one in runs]
            for waiting, awaited in pairs:
                waiting.waits_for.append(awaited)
                awaited.awaited_by.append(waiting)

    def _consider(self, job: Job) -> None:
        """Let a job go on as far as what it depends on lets it."""
        if job.status not in ("SUBMITTED", "PENDING"):
            return
        states = {awaited.status for awaited in job.waits_for}
        if "FAILED" in states:
            self._end(job, "FAILED", DEPENDENT)
        elif states <= {"SUCCEEDED"}:
            self._enqueue(job)
        else:
            self._becomes(job, "PENDING")

    def _enqueue(self, job: Job) -> None:
        self._becomes(job, "RUNNABLE")
        if job.parent and job.parent.status == "SUBMITTED":
            self._becomes(job.parent, "PENDING")
        if self._workers < self._slots:
            self._workers += 1
            threading.Thread(target=self._work, daemon=True).start()
        self._runnable.put(job)

    def _work(self) -> None:
        while True:
            job = self._runnable.get()
            job.place.run(self._run, job)

    def _run(self, job: Job) -> None:
        """One attempt, from STARTING to its end."""
        detail = job.description
        with self._changed:
            if job.over:  # cancelled while it waited
                return
            self._becomes(job, "STARTING")
        try:
            container, place = attempt.start(detail)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job has not started
            self._finish(job, "Task failed to start", {"reason": f"CannotStartContainerError: {error}"}, {})
            return
        with self._changed:
            job.container, started = container, _now()
            detail["startedAt"] = started
            detail["container"] |= place
            self._becomes(job, "RUNNING")
            if job.ended_because is not None:
                container.stop()
        code, late = container.wait((detail.get("timeout") or {}).get("attemptDurationSeconds"))
        self._finish(job, LATE if late else ENDED, place | {"exitCode": code}, {"startedAt": started})

    def _finish(self, job: Job, why: str, container: dict[str, Any], times: dict[str, int]) -> None:
        """Note how an attempt has ended, and go on to what becomes of its job."""
        detail = job.description
        with self._changed:
            job.container = None
            why = why if job.ended_because is None else job.ended_because
            before = {name: value for name, value in detail["container"].items() if name not in OF_AN_ATTEMPT}
            detail["container"] = before | container
            detail["attempts"].append(
                {
                    "container": container | {"networkInterfaces": []},
                    "statusReason": why,
                    **times,
                    "stoppedAt": _now(),
                }
            )
            code = container.get("exitCode")
            if job.ended_because is not None or why == LATE:
                self._end(job, "FAILED", why)  # it is not tried again
            elif code == 0:
                self._end(job, "SUCCEEDED", why)
            elif tries_again(detail, code, container.get("reason", ""), why):
                self._enqueue(job)
            else:
                self._end(job, "FAILED", why)

    def _end(self, job: Job, status: str, reason: str) -> None:
        job.description |= {"statusReason": reason, "stoppedAt": _now()}
        self._becomes(job, status)
        parent = job.parent
        if parent and all(child.over for child in parent.children):
            failed = any(child.status == "FAILED" for child in parent.children)
            if failed:
                parent.description["statusReason"] = parent.ended_because or CHILD_FAILED
            parent.description["stoppedAt"] = _now()
            self._becomes(parent, "FAILED" if failed else "SUCCEEDED")
        for waiting in [*job.awaited_by, *(parent.awaited_by if parent else [])]:
            self._consider(waiting)

    def _becomes(self, job: Job, status: str) -> None:
        job.description["status"] = status
        self._changed.notify_all()


def _now() -> int:
    return int(time.time() * 1000)
