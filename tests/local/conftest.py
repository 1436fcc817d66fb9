"""What several tests of the embedded stack need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ministack.services import batch as service
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

from local.batch import container, resources, tasks
from local.batch.jobs import Batch
from local.batch.service import DISPATCH, answer_as_aws
from local.stack import ROOT
from tests.local.account import PATIENCE_SECONDS, Account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    """MiniStack with jobs that run, two at once; what is replaced is put back."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(container.CODE, str(ROOT))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    for owner, names in {
        service: [DISPATCH],
        provisioners: [resources.RESOURCES, resources.REPLACING],
        stepfunctions: [tasks.SERVICES],
    }.items():
        for name in names:
            monkeypatch.setattr(owner, name, dict(getattr(owner, name)))
    for name in (tasks.TASK, tasks.WITH_TIMEOUT, tasks.STOP, tasks.FAILED):
        monkeypatch.setattr(stepfunctions, name, getattr(stepfunctions, name))
    batch = Batch(slots=2)
    answer_as_aws(service, batch)
    resources.deploy_as_aws(provisioners, service)
    tasks.submit_as_aws(stepfunctions, service, batch)
    yield Account(batch)
    for job in list(batch.jobs.values()):
        batch.terminate(job, "the test is over")
        if job.container:
            job.container.kill()
        batch.wait(job, PATIENCE_SECONDS, lambda: False)
    service.reset()
