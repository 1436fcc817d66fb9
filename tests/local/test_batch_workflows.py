"""A workflow's task submits a job on AWS Batch, waits for it, and ends it when nobody waits any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ministack.services import cloudwatch_logs, stepfunctions, sts

from local.batch import attempt, tasks
from tests.local.account import ENDED, GATE, INDEX, PATIENCE_SECONDS, Account, there
from tests.local.test_engine import start, wait_for


def workflow(
    account: Account, *code: str, resource: str = "submitJob.sync", state: Any = None, **arguments: Any
) -> str:
    """Start an execution of one task, which says where it failed; answers the execution."""
    task = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::batch:{resource}",
        "Arguments": {
            "JobName": "night",
            "JobQueue": account.queue,
            "JobDefinition": account.definition,
            "ContainerOverrides": {"Command": ["python", "-c", *code]},
        }
        | arguments,
        "TimeoutSeconds": PATIENCE_SECONDS,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}],
        "End": True,
    }
    states = {"Night": task | (state or {}), "Caught": {"Type": "Succeed"}}
    return start({"QueryLanguage": "JSONata", "StartAt": "Night", "States": states})


def output(execution: str) -> Any:
    return json.loads(wait_for(execution)["output"])


def test_a_task_waits_for_its_job_and_answers_with_it(account: Account) -> None:
    overrides = {
        "Command": ["python", "-c", "import os; print(os.environ['RUN'])"],
        "Environment": [{"Name": "RUN", "Value": "{% $states.context.Execution.Id %}"}],
    }
    execution = workflow(account, ContainerOverrides=overrides, Tags={"run": "x"})
    job = output(execution)
    assert (job["JobName"], job["Status"], job["Tags"]) == ("night", "SUCCEEDED", {"run": "x"})
    assert job["Attempts"][0]["Container"]["ExitCode"] == 0
    assert {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"} in job["Container"]["Environment"]
    assert account.said(account.describe(job["JobId"])) == [execution]


def test_a_task_runs_an_array(account: Account) -> None:
    job = output(workflow(account, INDEX, ArrayProperties={"Size": 2}))
    assert job["ArrayProperties"]["StatusSummary"]["SUCCEEDED"] == 2


def test_the_cause_of_a_task_that_fails_is_its_job(account: Account) -> None:
    failed = output(workflow(account, "raise SystemExit(3)", RetryStrategy={"Attempts": 2}))
    job = json.loads(failed["Cause"])
    assert (failed["Error"], job["Status"], job["StatusReason"]) == ("States.TaskFailed", "FAILED", ENDED)
    assert [one["Container"]["ExitCode"] for one in job["Attempts"]] == [3, 3]


def test_a_task_whose_job_is_refused_says_why(account: Account) -> None:
    failed = output(workflow(account, "pass", JobQueue="nowhere"))
    assert failed["Error"] == "Batch.ClientException"
    assert "JobQueue nowhere not found" in failed["Cause"]


def test_a_task_that_does_not_wait_answers_at_once(account: Account, tmp_path: Path) -> None:
    job = output(workflow(account, GATE, str(tmp_path / "go"), resource="submitJob"))
    assert account.describe(job["JobId"])["status"] not in ("SUCCEEDED", "FAILED")
    (tmp_path / "go").touch()
    assert account.over(job["JobId"])["status"] == "SUCCEEDED"


def test_a_task_that_takes_too_long_terminates_its_job(account: Account, tmp_path: Path) -> None:
    failed = output(workflow(account, GATE, str(tmp_path / "never"), state={"TimeoutSeconds": 0.2}))
    assert failed["Error"] == "States.Timeout"
    (job_id,) = account.batch.jobs
    assert account.over(job_id)["status"] == "FAILED"


def test_stopping_an_execution_terminates_its_job_and_nothing_follows(account: Account, tmp_path: Path) -> None:
    retry = {"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0, "MaxAttempts": 3}]}
    execution = workflow(account, GATE, str(tmp_path / "never"), state=retry | {"TimeoutSeconds": 3600})
    there(tmp_path / "never")
    stepfunctions._stop_execution({"executionArn": execution})
    (job_id,) = account.batch.jobs
    job = account.over(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Terminated by AWS Step Functions")
    assert wait_for(execution)["status"] == "ABORTED"
    assert list(account.batch.jobs) == [job_id]


def test_no_task_of_an_execution_that_was_stopped_begins(account: Account) -> None:
    stopped = {"status": "ABORTED", "events": []}
    with pytest.raises(tasks.Stopped):
        stepfunctions._execute_task({"Type": "Task"}, {}, stopped, {})
    stepfunctions._fail_execution(stopped, "States.BranchFailed", "")
    assert stopped == {"status": "ABORTED", "events": []}
    assert account.batch.jobs == {}


def test_what_is_replaced_is_there(account: Account) -> None:
    """A version of MiniStack that renames one of these fails here, by name."""
    used = [
        *((sts, name) for name in (attempt.SESSION,)),
        *(
            (cloudwatch_logs, name)
            for name in (attempt.GROUPS, attempt.CREATE_GROUP, attempt.CREATE_STREAM, attempt.PUT)
        ),
        *((stepfunctions, name) for name in (tasks.ERROR, tasks.SERVICES)),
    ]
    assert [name for owner, name in used if not hasattr(owner, name)] == []
