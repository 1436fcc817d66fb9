"""Jobs on AWS Batch in the embedded stack: templates deploy them, IAM holds them to a role, nothing outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import emulator
from local.emulator import Emulator
from local.logs import all_logs
from local.processes import Identity
from local.stack import RunningStack
from tests.e2e.conftest import until
from tests.exhaustive import exhaustive

TEMPLATE = """\
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: sts:AssumeRole }]
      Policies:
        - PolicyName: jobs
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{ Effect: Allow, Action: dynamodb:PutItem, Resource: !GetAtt Table.Arn }]
  Logs: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: !Sub "/aws/batch/${AWS::StackName}" } }
  Environment:
    Type: AWS::Batch::ComputeEnvironment
    Properties:
      Type: MANAGED
      ComputeResources: { Type: FARGATE, MaxvCpus: 4, Subnets: [subnet-1], SecurityGroupIds: [sg-1] }
  Queue:
    Type: AWS::Batch::JobQueue
    Properties:
      Priority: 1
      ComputeEnvironmentOrder: [{ Order: 1, ComputeEnvironment: !Ref Environment }]
  Definition:
    Type: AWS::Batch::JobDefinition
    Properties:
      Type: container
      PlatformCapabilities: [FARGATE]
      ContainerProperties:
        Image: none
        JobRoleArn: !GetAtt Role.Arn
        ResourceRequirements: [{ Type: VCPU, Value: "1" }, { Type: MEMORY, Value: "2048" }]
        Environment: [{ Name: TABLE, Value: !Ref Table }]
        LogConfiguration: { LogDriver: awslogs, Options: { awslogs-group: !Ref Logs, awslogs-stream-prefix: job } }
Outputs:
  QueueArn: { Value: !GetAtt Queue.JobQueueArn }
  DefinitionArn: { Value: !Ref Definition }
"""

PUT = "import boto3, os; boto3.client('dynamodb').put_item(TableName=os.environ['TABLE'], Item={'id': {'S': 'job'}})"
SCAN = "import boto3, os; boto3.client('dynamodb').scan(TableName=os.environ['TABLE'])"
WAIT = "import time; time.sleep(600)"


@dataclass(frozen=True)
class Jobs:
    """A queue and a definition on an emulator of their own."""

    process: Emulator
    stack: RunningStack

    def submit(self, code: str) -> str:
        answer = self.stack.client("batch").submit_job(
            jobName="job",
            jobQueue=self.stack.outputs["QueueArn"],
            jobDefinition=self.stack.outputs["DefinitionArn"],
            containerOverrides={"command": ["python", "-c", code]},
        )
        return str(answer["jobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.stack.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
        return found

    def runs(self) -> Identity:
        """Let one run; answers its process."""
        job_id = self.submit(WAIT)
        until(lambda: self.describe(job_id), lambda job: job["status"] == "RUNNING")
        (process,) = psutil.Process(self.process.pid).children()
        return Identity.of(process.pid)

    def over(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end; answers the job."""
        return until(lambda: self.describe(job_id), lambda job: job["status"] in ("SUCCEEDED", "FAILED"))


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setattr("local.stack.STATE", tmp_path)
    process = emulator.start()
    try:
        stack = RunningStack(process.endpoint_url, "nights", {})
        client = stack.client("cloudformation")
        client.create_stack(StackName="nights", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"])
        client.get_waiter("stack_create_complete").wait(StackName="nights", WaiterConfig={"Delay": 0.2})
        described = client.describe_stacks(StackName="nights")["Stacks"][0]["Outputs"]
        stack.outputs.update({one["OutputKey"]: one["OutputValue"] for one in described})
        yield Jobs(process, stack)
    finally:
        process.stop()


def test_a_job_may_do_what_its_role_may_and_nothing_else(jobs: Jobs) -> None:
    over = [jobs.over(jobs.submit(code)) for code in (PUT, SCAN)]
    assert [job["status"] for job in over] == ["SUCCEEDED", "FAILED"]
    assert "is not authorized to perform: dynamodb:Scan" in all_logs(jobs.stack, "nights")


@pytest.mark.parametrize("end", ["killed", pytest.param("told to end", marks=exhaustive)])
def test_a_job_ends_with_the_emulator(jobs: Jobs, end: str) -> None:
    running = jobs.runs()
    if end == "told to end":
        os.kill(jobs.process.pid, signal.SIGTERM)
    else:
        os.kill(jobs.process.pid, signal.SIGKILL)
        jobs.process.stop()
    assert not until(running.alive, lambda alive: not alive)
