"""Batch's API: what MiniStack's leaves out or answers other than AWS.

https://docs.aws.amazon.com/batch/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.batch.job import Job, Refused
from local.batch.jobs import Batch

# What of MiniStack's is replaced: what answers a request, by its path.
DISPATCH = "_DISPATCH"

# What is used of it as it is.
QUEUES, DEFINITIONS = "_job_queues", "_job_definitions"
QUEUE_NAME = "_job_queue_name_from_ref"
JOB_ARN = "_job_arn"
ANSWER, REFUSE = "_json", "error_response_json"
REGISTER = "_register_job_definition"  # which forgets what is in KEPT

KEPT = ("parameters", "retryStrategy", "timeout", "platformCapabilities", "propagateTags", "schedulingPriority")
SUMMARY = ("jobArn", "jobId", "jobName", "createdAt", "status", "jobDefinition")
SUMMARY_LATER = ("statusReason", "startedAt", "stoppedAt", "arrayProperties", "isCancelled", "isTerminated")

Request = dict[str, Any]


def answer_as_aws(service: Any, batch: Batch) -> None:
    """Let the API's requests about jobs reach `batch`. Raises AttributeError when it has not got what is replaced."""
    ok, refuse = getattr(service, ANSWER), getattr(service, REFUSE)

    def answering(act: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            try:
                return ok(200, act(request))
            except Refused as refused:
                return refuse("ClientException", str(refused), 400)

        return answer

    def about(act: Callable[[Job, str], None]) -> Callable[[Request], Any]:
        def to_the_job(request: Request) -> dict[str, Any]:
            if "reason" not in request:
                raise Refused("reason is required")
            if job := batch.jobs.get(request.get("jobId", "")):
                act(job, request["reason"])
            return {}

        return answering(to_the_job)

    def describe(request: Request) -> dict[str, Any]:
        return {"jobs": [batch.describe(batch.jobs[job_id]) for job_id in request["jobs"] if job_id in batch.jobs]}

    getattr(service, DISPATCH).update(
        {
            "/v1/registerjobdefinition": lambda request: register(service, request),
            "/v1/submitjob": answering(lambda request: submit(service, batch, request)),
            "/v1/describejobs": answering(describe),
            "/v1/listjobs": answering(lambda request: {"jobSummaryList": list_jobs(service, batch, request)}),
            "/v1/terminatejob": about(batch.terminate),
            "/v1/canceljob": about(batch.cancel),
        }
    )


def register(service: Any, request: Request) -> Any:
    """RegisterJobDefinition, with everything that a job takes from its definition."""
    answer = getattr(service, REGISTER)(request)
    for definition in getattr(service, DEFINITIONS).get(request.get("jobDefinitionName"), [])[-1:]:
        definition |= {name: request[name] for name in KEPT if name in request}
    return answer


def submit(service: Any, batch: Batch, request: Request) -> dict[str, str]:
    """SubmitJob. Raises Refused for what is not there, and for what can't be."""
    for name in ("jobName", "jobQueue", "jobDefinition"):
        if not request.get(name):
            raise Refused(f"{name} is required")
    arn = getattr(service, JOB_ARN)("")
    job = batch.submit(
        request, _queue(service, request["jobQueue"]), _definition(service, request["jobDefinition"]), arn
    )
    return {name: job.description[name] for name in ("jobArn", "jobName", "jobId")}


def list_jobs(service: Any, batch: Batch, request: Request) -> list[dict[str, Any]]:
    """ListJobs: of a queue, or of an array; those that run, unless another status is asked for.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
    """
    if array := request.get("arrayJobId"):
        jobs = batch.jobs[array].children if array in batch.jobs else []
    else:
        queue = _queue(service, request.get("jobQueue", ""))
        jobs = [one for one in batch.jobs.values() if one.parent is None and one.description["jobQueue"] == queue]
    wanted = request.get("jobStatus", "RUNNING")
    return [_summary(batch.describe(one)) for one in jobs if one.status == wanted]


def _summary(job: Mapping[str, Any]) -> dict[str, Any]:
    container = {name: job["container"][name] for name in ("exitCode", "reason") if name in job["container"]}
    return (
        {name: job[name] for name in SUMMARY}
        | {name: job[name] for name in SUMMARY_LATER if name in job}
        | ({"container": container} if container else {})
    )


def _queue(service: Any, named: str) -> str:
    """The ARN of a queue, by its name or its ARN."""
    name, error = getattr(service, QUEUE_NAME)(named)
    queue = None if error else getattr(service, QUEUES).get(name)
    if queue is None:
        raise Refused(f"JobQueue {named} not found")
    return str(queue["jobQueueArn"])


def _definition(service: Any, named: str) -> dict[str, Any]:
    """A job definition by its ARN, its name and revision, or its name alone: then it is the latest."""
    name, _, revision = named.rsplit("/", 1)[-1].partition(":")
    revisions = [one for one in getattr(service, DEFINITIONS).get(name, []) if one["status"] == "ACTIVE"]
    found: list[dict[str, Any]] = [one for one in revisions if revision in ("", str(one["revision"]))]
    if not found:
        raise Refused(f"JobDefinition {named} not found")
    return found[-1]
