"""A job on the embedded stack is its real command: it runs as on AWS Batch, fails as there, and leaves nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest
from ministack.services import cloudwatch_logs, sts

from local import janitor
from local.batch import container
from local.batch.job import overridden, substituted, tries_again
from local.stack import ROOT
from tests.local.account import ENDED, GATE, Account, there, until

LATE = "Job attempt duration exceeded timeout"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{GATE}"
ATTEMPT = "import os; attempt = os.environ['AWS_BATCH_JOB_ATTEMPT']; print(attempt)"


def runs(pid: int) -> bool:
    """Whether a process is still there and more than an entry that nobody has read."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# ── The process ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_its_command_with_this_python_and_the_repository_s_packages(account: Account) -> None:
    job = account.run("import sys, invariants; print(sys.executable); print(invariants.__file__)")
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("SUCCEEDED", ENDED, 0)
    assert account.said(job) == [sys.executable, str(ROOT / "invariants" / "__init__.py")]


def test_it_has_the_variables_of_its_definition_of_its_submission_and_of_batch(account: Account) -> None:
    given = [{"Name": "BUCKET", "Value": "books"}, {"Name": "DAY", "Value": "none"}, {"Name": "HOME", "Value": "/root"}]
    account.definition = account.define(ContainerProperties={"Environment": given})
    job = account.run(
        "import json, os; print(json.dumps(dict(os.environ)))",
        containerOverrides={"environment": [{"name": "DAY", "value": "2026-03-02"}]},
    )
    variables = json.loads(account.said(job)[0])
    expected = {
        "BUCKET": "books",
        "DAY": "2026-03-02",
        "AWS_BATCH_JOB_ID": job["jobId"],
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": account.queue.rsplit("/", 1)[1],
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    }
    assert expected.items() <= variables.items()
    assert variables["HOME"] != "/root"
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in variables


def test_it_has_the_credentials_of_its_role_and_nobody_else_s(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the emulator's")
    code = "import os; print(os.environ.get('AWS_ACCESS_KEY_ID'), os.environ.get('AWS_SECRET_ACCESS_KEY'))"
    key, secret = account.said(account.run(code))[0].split()
    session = sts._sessions[key]
    assert session["Arn"].startswith("arn:aws:sts::000000000000:assumed-role/worker/")
    assert session["SecretAccessKey"] == secret

    account.definition = account.define(ContainerProperties={"JobRoleArn": None})
    assert account.said(account.run(code)) == ["None None"]


def test_its_folder_is_its_own_below_the_emulator_s_and_goes_with_it(account: Account, tmp_path: Path) -> None:
    code = "import os, tempfile; print(os.getcwd()); print(os.environ['HOME']); print(tempfile.mkdtemp())"
    works, home, temporary = map(Path, account.said(account.run(code)))
    assert works == home
    assert works.parent == tmp_path
    assert temporary.is_relative_to(works)
    assert not works.exists()


def test_it_is_among_the_emulator_s_processes_and_ends_with_them(account: Account, tmp_path: Path) -> None:
    job_id = account.submit(STUBBORN, str(tmp_path / "go"))
    there(tmp_path / "go")
    janitor.end_all_in(tmp_path)
    assert account.over(job_id)["container"]["exitCode"] == 137


def test_what_it_has_started_ends_with_it(account: Account) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    pid = int(account.said(account.run(code))[0])
    until(lambda: not runs(pid))


def test_a_parameter_is_put_in_the_place_of_its_name() -> None:
    assert substituted("--day=Ref::day", {"day": "2026-03-02"}) == "--day=2026-03-02"
    assert substituted("Ref::other", {"day": "2026-03-02"}) == "Ref::other"


def test_a_definition_s_command_takes_the_parameters_of_the_submission(account: Account) -> None:
    command = ["python", "-c", "import sys; print(sys.argv[1:])", "Ref::day", "Ref::mode"]
    definition = account.define(ContainerProperties={"Command": command}, Parameters={"day": "none", "mode": "all"})
    submitted = {"jobName": "night", "jobQueue": account.queue, "parameters": {"day": "2026-03-02"}}
    job = account.over(account.ask("submitjob", **submitted, jobDefinition=definition)["jobId"])
    assert account.said(job) == ["['2026-03-02', 'all']"]
    assert job["parameters"] == {"day": "2026-03-02", "mode": "all"}


def test_settings_of_a_submission_replace_those_of_the_same_name() -> None:
    given = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    assert overridden(given, [{"type": "VCPU", "value": "4"}], "type") == [{"type": "VCPU", "value": "4"}, given[1]]
    assert overridden(None, None, "name") == []


def test_it_logs_where_its_definition_says(account: Account) -> None:
    options = {"awslogs-group": "/aws/batch/nights", "awslogs-stream-prefix": "books"}
    logs = {"LogConfiguration": {"LogDriver": "awslogs", "Options": options}}
    account.definition = account.define(ContainerProperties=logs)
    refused = account.run("print('heard')")
    assert (refused["status"], refused["statusReason"]) == ("FAILED", "Task failed to start")
    assert "log group does not exist" in refused["container"]["reason"]

    cloudwatch_logs._create_log_group({"logGroupName": "/aws/batch/nights"})
    job = account.run("import sys; print('heard'); print('also', file=sys.stderr)")
    assert account.said(job, "/aws/batch/nights") == ["heard", "also"]
    assert job["container"]["logStreamName"].startswith("books/default/")


# ── Its way ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_waits_for_room_and_one_that_depends_on_it_waits_for_its_end(account: Account, tmp_path: Path) -> None:
    first, second = (account.submit(GATE, str(tmp_path / name)) for name in ("one", "two"))
    until(lambda: {account.describe(job)["status"] for job in (first, second)} == {"RUNNING"})
    waiting = account.submit("pass")
    dependent = account.submit("pass", dependsOn=[{"jobId": waiting}])
    assert [account.describe(job)["status"] for job in (waiting, dependent)] == ["RUNNABLE", "PENDING"]
    assert "startedAt" not in account.describe(waiting)

    (tmp_path / "one").touch()
    done, after = account.over(waiting), account.over(dependent)
    assert [job["status"] for job in (done, after)] == ["SUCCEEDED", "SUCCEEDED"]
    assert done["createdAt"] <= done["startedAt"] <= done["stoppedAt"] <= after["startedAt"]
    (tmp_path / "two").touch()
    account.over(second)


def test_who_depends_on_a_job_that_fails_fails_without_a_start(account: Account) -> None:
    dependent = account.submit("pass", dependsOn=[{"jobId": account.submit("raise SystemExit(1)")}])
    job = account.over(dependent)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "Dependent Job failed", [])


def test_a_job_that_fails_is_tried_again_as_often_as_it_may_be(account: Account) -> None:
    job = account.run(f"{ATTEMPT}; raise SystemExit(7 if attempt < '3' else 0)", retryStrategy={"attempts": 4})
    assert job["status"] == "SUCCEEDED"
    assert account.said(job) == ["3"]
    assert [one["container"].get("exitCode") for one in job["attempts"]] == [7, 7, 0]
    assert all(one["startedAt"] <= one["stoppedAt"] for one in job["attempts"])

    failed = account.run("raise SystemExit(7)", retryStrategy={"attempts": 2})
    assert (failed["status"], failed["statusReason"], failed["container"]["exitCode"]) == ("FAILED", ENDED, 7)
    assert len(failed["attempts"]) == 2


EXIT_2 = [{"onExitCode": "2", "action": "EXIT"}]


@pytest.mark.parametrize(
    ("rules", "code", "reason", "again"),
    [
        ([], 1, "", True),
        (EXIT_2, 2, "", False),
        (EXIT_2, 1, "", True),
        ([*EXIT_2, {"onReason": "*", "action": "exit"}], 1, "", False),
        (
            [{"onReason": "CannotPull*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}],
            None,
            "CannotPullX",
            True,
        ),
        ([{"onExitCode": "1*", "onReason": "Out*", "action": "EXIT"}], 137, "OutOfMemory", False),
        ([{"onExitCode": "1*", "onReason": "Out*", "action": "EXIT"}], 137, "", True),
        ([{"onStatusReason": "Essential*", "action": "EXIT"}], 1, "", False),
    ],
)
def test_the_first_rule_that_matches_says_whether_it_is_tried_again(
    rules: list[dict[str, str]], code: int | None, reason: str, again: bool
) -> None:
    job = {"attempts": [{}], "retryStrategy": {"attempts": 2, "evaluateOnExit": rules}}
    assert tries_again(job, code, reason, ENDED) is again
    assert not tries_again(job | {"attempts": [{}, {}]}, code, reason, ENDED)


def test_a_job_that_takes_too_long_is_told_to_end_and_is_not_tried_again(account: Account, tmp_path: Path) -> None:
    job = account.run(
        GATE, str(tmp_path / "never"), timeout={"attemptDurationSeconds": 0.2}, retryStrategy={"attempts": 3}
    )
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", LATE, 143)
    assert [one["statusReason"] for one in job["attempts"]] == [LATE]


def test_one_that_does_not_listen_is_ended_by_force(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "STOP_SECONDS", 0.2)
    job_id = account.submit(STUBBORN, str(tmp_path / "never"), retryStrategy={"attempts": 3})
    there(tmp_path / "never")
    account.ask("terminatejob", jobId=job_id, reason="enough")
    job = account.over(job_id)
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", "enough", 137)
    assert job["isTerminated"]
    assert len(job["attempts"]) == 1


def test_a_command_that_is_not_there_never_starts(account: Account) -> None:
    job = account.run(containerOverrides={"command": ["no-such-command"]})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotStartContainerError")
    assert "exitCode" not in job["container"]
    assert "startedAt" not in job


def test_cancelling_ends_what_waits_and_terminating_what_runs(account: Account, tmp_path: Path) -> None:
    running = [account.submit(GATE, str(tmp_path / name)) for name in ("one", "two")]
    until(lambda: all(account.describe(job)["status"] == "RUNNING" for job in running))
    waiting = account.submit("pass")
    for job in (waiting, running[0]):
        account.ask("canceljob", jobId=job, reason="not today")
    cancelled = account.over(waiting)
    assert (cancelled["status"], cancelled["statusReason"], cancelled["isCancelled"]) == ("FAILED", "not today", True)
    assert account.describe(running[0])["status"] == "RUNNING"

    account.ask("terminatejob", jobId=running[0], reason="not today")
    assert account.over(running[0])["statusReason"] == "not today"
    assert account.describe(running[1])["status"] == "RUNNING"
