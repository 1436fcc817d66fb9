"""What MiniStack's other services have to do with an attempt at a job: its role's credentials, and its log."""

from __future__ import annotations

import hashlib
import importlib
import os
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from local.batch.container import Container

# Where AWS Batch logs what a job definition names no group for.
# https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html
LOG_GROUP = "/aws/batch/job"

# What of MiniStack's is used as it is.
SESSION = "register_session"  # its STS: makes credentials known, those of a role's session
GROUPS = "_log_groups"  # its CloudWatch Logs
CREATE_GROUP, CREATE_STREAM, PUT = "_create_log_group", "_create_log_stream", "_put_log_events"
QUEUES = "_job_queues"  # its Batch


def start(job: Mapping[str, Any]) -> tuple[Container, dict[str, str]]:
    """Start a job's next attempt; answers its process, and where it runs and logs.

    Raises OSError when there is no such command, LookupError when there is no such log group.
    """
    task, container = uuid.uuid4().hex, job["container"]
    scope = importlib.import_module("ministack.core.responses")
    account, region = scope.get_account_id(), scope.get_region()
    place = job["jobQueue"].rsplit("/", 1)[1]
    queues = getattr(importlib.import_module("ministack.services.batch"), QUEUES)
    environments = [one["computeEnvironment"] for one in queues[place]["computeEnvironmentOrder"]]
    cluster = environments[0].rsplit("/", 1)[-1]
    stream, tell = _log(job, task)
    process = Container(
        container["command"],
        {
            **{str(one["name"]): str(one["value"]) for one in container["environment"]},
            **_variables(job),
            "AWS_BATCH_JQ_NAME": place,
            "AWS_BATCH_CE_NAME": cluster,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL", ""),
            **_credentials(container.get("jobRoleArn"), account, task),
        },
        tell,
    )
    return process, {"taskArn": f"arn:aws:ecs:{region}:{account}:task/{cluster}/{task}", "logStreamName": stream}


def _variables(job: Mapping[str, Any]) -> dict[str, str]:
    """https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html"""
    variables = {"AWS_BATCH_JOB_ID": job["jobId"], "AWS_BATCH_JOB_ATTEMPT": str(len(job["attempts"]) + 1)}
    if array := job.get("arrayProperties"):
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(array["index"])
        variables["AWS_BATCH_JOB_ARRAY_SIZE"] = str(array["size"])
    return variables


def _credentials(role: str | None, account: str, task: str) -> dict[str, str]:
    """The credentials of a session of the job's role, as MiniStack gives them to a function. A job without a role has
    none.
    """
    if not role:
        return {}
    name, secrets = role.rsplit("/", 1)[1], [hashlib.sha256(f"{word}:{task}".encode()).hexdigest() for word in "ast"]
    access_key = f"ASIA{secrets[0][:16].upper()}"
    register = getattr(importlib.import_module("ministack.services.sts"), SESSION)
    register(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{task}",
            "UserId": f"{name}:{task}",
            "SecretAccessKey": secrets[1],
            "SessionToken": secrets[2],
        },
    )
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secrets[1],
        "AWS_SESSION_TOKEN": secrets[2],
    }


def _log(job: Mapping[str, Any], task: str) -> tuple[str, Callable[[str], None]]:
    """The name of a new log stream, and what adds a line to it. Raises LookupError when there is no such group."""
    logs = importlib.import_module("ministack.services.cloudwatch_logs")
    options = (job["container"].get("logConfiguration") or {}).get("options") or {}
    group = options.get("awslogs-group", LOG_GROUP)
    if group == LOG_GROUP and group not in getattr(logs, GROUPS):
        getattr(logs, CREATE_GROUP)({"logGroupName": group})
    definition = job["jobDefinition"].rsplit("/", 1)[1].partition(":")[0]
    stream = f"{options.get('awslogs-stream-prefix', definition)}/default/{task}"
    place = {"logGroupName": group, "logStreamName": stream}
    if getattr(logs, CREATE_STREAM)(place)[0] >= 400:
        raise LookupError(f"The specified log group does not exist: {group}")

    def tell(line: str) -> None:
        event = {"timestamp": int(time.time() * 1000), "message": line}
        getattr(logs, PUT)(place | {"logEvents": [event]})

    return stream, tell
