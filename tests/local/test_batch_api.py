"""Arrays of jobs, the API's requests about jobs, and the resources that templates have."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from ministack.services.cloudformation import provisioners

from tests.local.account import GATE, INDEX, Account, until

# ── Arrays ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_array_is_a_job_for_each_index(account: Account) -> None:
    parent = account.run(INDEX, arrayProperties={"size": 3})
    children = [account.describe(f"{parent['jobId']}:{index}") for index in range(3)]
    assert [account.said(child) for child in children] == [["0 3"], ["1 3"], ["2 3"]]
    assert [child["arrayProperties"]["index"] for child in children] == [0, 1, 2]
    assert parent["status"] == "SUCCEEDED"
    assert parent["attempts"] == []
    assert parent["arrayProperties"]["size"] == 3
    assert parent["arrayProperties"]["statusSummary"] == dict.fromkeys(
        parent["arrayProperties"]["statusSummary"], 0
    ) | {"SUCCEEDED": 3}


def test_an_array_is_over_with_its_last_child_and_fails_with_any(account: Account, tmp_path: Path) -> None:
    fails_first = f"import os\nif os.environ['AWS_BATCH_JOB_ARRAY_INDEX'] == '0': raise SystemExit(1)\n{GATE}"
    job_id = account.submit(fails_first, str(tmp_path / "go"), arrayProperties={"size": 2})
    account.over(f"{job_id}:0")
    until(lambda: account.describe(f"{job_id}:1")["status"] == "RUNNING")
    parent = account.describe(job_id)
    assert parent["status"] == "PENDING"
    assert {"RUNNING": 1, "FAILED": 1}.items() <= parent["arrayProperties"]["statusSummary"].items()
    assert [one["jobId"] for one in account.ask("listjobs", arrayJobId=job_id)["jobSummaryList"]] == [f"{job_id}:1"]

    (tmp_path / "go").touch()
    parent = account.over(job_id)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "Array Child Job failed")


def test_an_array_ends_with_all_its_children_when_it_is_terminated(account: Account, tmp_path: Path) -> None:
    job_id = account.submit(GATE, str(tmp_path / "never"), arrayProperties={"size": 5})
    until(lambda: account.describe(job_id)["arrayProperties"]["statusSummary"]["RUNNING"] == 2)
    account.ask("terminatejob", jobId=job_id, reason="enough")
    parent = account.over(job_id)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "enough")
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 5


def test_children_can_wait_for_each_other_and_for_those_of_another_array(account: Account) -> None:
    one_by_one = account.submit(INDEX, arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
    pairs = account.submit(INDEX, arrayProperties={"size": 3}, dependsOn=[{"jobId": one_by_one, "type": "N_TO_N"}])
    after_all = account.submit("pass", dependsOn=[{"jobId": pairs}])
    assert account.over(after_all)["startedAt"] >= account.describe(pairs)["stoppedAt"]
    first, second = ([account.describe(f"{job}:{index}") for index in range(3)] for job in (one_by_one, pairs))
    assert all(before["stoppedAt"] <= after["startedAt"] for before, after in itertools.pairwise(first))
    assert all(before["stoppedAt"] <= after["startedAt"] for before, after in zip(first, second, strict=True))


# ── The API ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_are_listed_by_queue_and_status(account: Account) -> None:
    done, failed = account.submit("pass"), account.submit("raise SystemExit(1)")
    account.over(done), account.over(failed)
    listed = {
        status: [
            one["jobId"] for one in account.ask("listjobs", jobQueue=account.queue, jobStatus=status)["jobSummaryList"]
        ]
        for status in ("SUCCEEDED", "FAILED")
    }
    assert listed == {"SUCCEEDED": [done], "FAILED": [failed]}
    assert account.ask("listjobs", jobQueue=account.queue)["jobSummaryList"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobQueue": "nowhere"},
        {"jobDefinition": "nothing:1"},
        {"arrayProperties": {"size": 1}},
        {"dependsOn": [{"jobId": "nobody"}]},
        {"containerOverrides": {}},
    ],
)
def test_what_can_t_be_is_refused(account: Account, wrong: dict[str, Any]) -> None:
    right = {"jobName": "night", "jobQueue": account.queue, "jobDefinition": account.definition}
    answer = account.ask("submitjob", **right | {"containerOverrides": {"command": ["python"]}} | wrong)
    assert (answer["status"], answer["__type"]) == (400, "ClientException")
    assert account.batch.jobs == {}


def test_a_template_s_resources_are_known_by_their_arns(account: Account) -> None:
    assert account.queue.startswith("arn:aws:batch:us-east-1:000000000000:job-queue/books-JobQueue-")
    assert account.definition.endswith(":1")
    found = account.ask("describejobqueues", jobQueues=[account.queue])["jobQueues"][0]
    assert found["computeEnvironmentOrder"][0]["computeEnvironment"].startswith("arn:aws:batch:")
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Batch::JobQueue"]
    handlers["update"](account.queue, {}, {"Priority": 7}, "books")
    assert account.ask("describejobqueues", jobQueues=[account.queue])["jobQueues"][0]["priority"] == 7
    handlers["delete"](account.queue, {})
    assert account.ask("describejobqueues")["jobQueues"] == []


def test_a_changed_definition_is_its_next_revision_and_the_last_one_is_no_longer_taken(account: Account) -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Batch::JobDefinition"]
    container_properties = {"Image": "books", "Command": ["python", "-c", "print('second')"]}
    changed, attributes = handlers["update"](
        account.definition,
        {},
        {"ContainerProperties": container_properties, "Timeout": {"AttemptDurationSeconds": 60}},
        "books",
    )
    assert changed == account.definition.removesuffix("1") + "2"
    assert attributes == {"JobDefinitionArn": changed}
    named = {"jobName": "night", "jobQueue": account.queue}
    overrides = {"command": ["python", "-c", "pass"]}
    refused = account.ask("submitjob", **named, jobDefinition=account.definition, containerOverrides=overrides)
    assert refused["status"] == 400
    latest = account.ask("submitjob", **named, jobDefinition=changed.rsplit("/", 1)[1].partition(":")[0])
    job = account.over(latest["jobId"])
    assert (job["jobDefinition"], account.said(job)) == (changed, ["second"])
    assert job["timeout"] == {"attemptDurationSeconds": 60}
