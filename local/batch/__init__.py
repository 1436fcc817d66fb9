"""AWS Batch on this machine: MiniStack keeps its books, and here its jobs run.

MiniStack's own Batch lets every job succeed at once, its CloudFormation refuses the types of Batch, and its Step
Functions can't submit a job. With this in place a job's real command runs as a process, as its container would on
Fargate: with the variables of the job definition, the credentials of the job's role, retries, timeout and array index.
There is no image: `python` is this Python, which finds the repository's packages.
"""

from __future__ import annotations

import atexit
import importlib
import os

from local.batch.jobs import Batch
from local.batch.resources import deploy_as_aws
from local.batch.service import answer_as_aws
from local.batch.tasks import submit_as_aws

SLOTS = "BATCH_SLOTS"  # the variable that says how many jobs run at once; otherwise as many as there are cores


def install() -> Batch:
    """Put it in the place of MiniStack's own. Raises AttributeError or KeyError when that has not got what is
    replaced.
    """
    service = importlib.import_module("ministack.services.batch")
    batch = Batch(slots=int(os.environ.get(SLOTS) or os.cpu_count() or 1))
    answer_as_aws(service, batch)
    deploy_as_aws(importlib.import_module("ministack.services.cloudformation.provisioners"), service)
    submit_as_aws(importlib.import_module("ministack.services.stepfunctions"), service, batch)
    atexit.register(batch.close)
    return batch
