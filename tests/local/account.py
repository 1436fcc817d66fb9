"""An account with a queue and a job definition, in MiniStack in this process, whose jobs run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import batch as service
from ministack.services import cloudwatch_logs
from ministack.services.cloudformation import provisioners

from local.batch import attempt
from local.batch.jobs import Batch
from local.batch.service import DISPATCH

PATIENCE_SECONDS = 60
ROLE = "arn:aws:iam::000000000000:role/books/worker"
ENDED = "Essential container in task exited"

# It says that it is there, and goes on when a file is.
GATE = (
    "import os, sys, time; open(sys.argv[1] + '.there', 'w').close()\n"
    "while not os.path.exists(sys.argv[1]): time.sleep(0.01)"
)
INDEX = "import os; print(os.environ['AWS_BATCH_JOB_ARRAY_INDEX'], os.environ['AWS_BATCH_JOB_ARRAY_SIZE'])"


class Account:
    """A queue, and definitions made as a template makes them."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        environment = self.made(
            "ComputeEnvironment", Type="MANAGED", ComputeResources={"Type": "FARGATE", "MaxvCpus": 4}
        )
        order = [{"Order": 1, "ComputeEnvironment": environment}]
        self.queue = self.made("JobQueue", Priority=1, ComputeEnvironmentOrder=order)
        self.definition = self.define()

    def made(self, kind: str, **properties: Any) -> str:
        """A resource of a template; answers its Ref."""
        return str(provisioners._RESOURCE_HANDLERS[f"AWS::Batch::{kind}"]["create"](kind, properties, "books")[0])

    def define(self, **properties: Any) -> str:
        """A job definition; properties of its container are those in `ContainerProperties`."""
        own = {"Image": "books", "JobRoleArn": ROLE} | properties.pop("ContainerProperties", {})
        return self.made("JobDefinition", Type="container", ContainerProperties=own, **properties)

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """A request of Batch's API."""
        status, _, body = getattr(service, DISPATCH)[f"/v1/{operation}"](request)
        return {"status": status, **json.loads(body)}

    def submit(self, *code: str, **request: Any) -> str:
        """A job of some Python; answers its id."""
        overrides = {"command": ["python", "-c", *code]} | request.pop("containerOverrides", {})
        named = {"jobName": "night", "jobQueue": self.queue, "jobDefinition": self.definition}
        return str(self.ask("submitjob", **named | {"containerOverrides": overrides} | request)["jobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        return dict(self.ask("describejobs", jobs=[job_id])["jobs"][0])

    def over(self, job_id: str) -> dict[str, Any]:
        """A job as it is described when it is over."""
        assert self.batch.wait(self.batch.jobs[job_id], PATIENCE_SECONDS, lambda: False)
        return self.describe(job_id)

    def said(self, job: dict[str, Any], group: str = attempt.LOG_GROUP) -> list[str]:
        """The lines of its last attempt."""
        events = cloudwatch_logs._log_groups[group]["streams"][job["container"]["logStreamName"]]["events"]
        return [event["message"] for event in events]

    def run(self, *code: str, **request: Any) -> dict[str, Any]:
        return self.over(self.submit(*code, **request))


def until(happens: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.01)


def there(gate: Path) -> None:
    """Wait until a job with GATE has come to its file."""
    until(Path(f"{gate}.there").exists)
