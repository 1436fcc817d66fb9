"""What the emulator needs is taken off policies wherever it stands, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local import relax
from local.relax import without_tls_statements

TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "arn:aws:s3:::parcels/*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
OTHER = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::parcels/*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_only_what_refuses_plain_http_is_taken_off() -> None:
    assert without_tls_statements(policy(OTHER)) == policy(OTHER)
    assert without_tls_statements(policy(TLS_ONLY, OTHER)) == policy(OTHER)
    assert without_tls_statements(policy(TLS_ONLY)) == ""


class Stack:
    """A stack of which nobody knows more than its resources."""

    stack_name = "any"

    def __init__(self, resources: dict[str, dict[str, str]]) -> None:
        self.resources = resources

    def client(self, service: str) -> Any:
        if service == "cloudformation":
            return self
        create: Any = boto3.client  # its type lists every service by name
        return create(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def describe_stack_resources(self, StackName: str) -> Any:  # noqa: N803 - as boto3 has it
        assert StackName == self.stack_name
        found = [
            {"ResourceType": kind, "LogicalResourceId": logical_id, "PhysicalResourceId": name}
            for kind, names in self.resources.items()
            for logical_id, name in names.items()
        ]
        return {"StackResources": found}


@pytest.mark.parametrize(
    ("relaxed", "action", "policy_name"),
    [
        (relax.allow_sending_email, "ses:SendEmail", "emulator-send-email"),
        (relax.allow_answering_tasks, "states:SendTaskSuccess", "emulator-answer-tasks"),
    ],
)
@mock_aws
def test_every_role_that_may_do_what_the_emulator_knows_no_resource_for_may_do_it_there_and_no_other(
    relaxed: Callable[[Any], None], action: str, policy_name: str
) -> None:
    stack: Any = Stack({"AWS::IAM::Role": {"Doer": "doer", "Reader": "reader"}})
    iam = stack.client("iam")
    for role, actions in (("doer", ["dynamodb:PutItem", action]), ("reader", "dynamodb:GetItem")):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy())
        own = policy({"Effect": "Allow", "Action": actions, "Resource": "*"})
        iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=own)

    relaxed(stack)
    relaxed(stack)  # as for a second stack

    named = {role: iam.list_role_policies(RoleName=role)["PolicyNames"] for role in ("doer", "reader")}
    assert {role: sorted(policies) for role, policies in named.items()} == {
        "doer": [policy_name, "own"],
        "reader": ["own"],
    }
    document = iam.get_role_policy(RoleName="doer", PolicyName=policy_name)["PolicyDocument"]
    assert document["Statement"] == [{"Effect": "Allow", "Action": action, "Resource": "*"}]


@mock_aws
def test_queues_topics_and_buckets_take_plain_http() -> None:
    stack: Any = Stack({})
    queues, topics, buckets = stack.client("sqs"), stack.client("sns"), stack.client("s3")
    plain, guarded = (queues.create_queue(QueueName=name)["QueueUrl"] for name in ("plain", "guarded"))
    topic = topics.create_topic(Name="alerts")["TopicArn"]
    for name in ("open", "parcels"):
        buckets.create_bucket(Bucket=name)
    queues.set_queue_attributes(QueueUrl=guarded, Attributes={"Policy": policy(TLS_ONLY, OTHER)})
    topics.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(TLS_ONLY, OTHER))
    buckets.put_bucket_policy(Bucket="parcels", Policy=policy(TLS_ONLY))
    stack.resources = {
        "AWS::SQS::Queue": {"Plain": plain, "Guarded": guarded},
        "AWS::SNS::Topic": {"Alerts": topic},
        "AWS::S3::Bucket": {"Open": "open", "Parcels": "parcels"},
    }

    relax.allow_plain_http(stack)

    kept = queues.get_queue_attributes(QueueUrl=guarded, AttributeNames=["Policy"])["Attributes"]["Policy"]
    assert json.loads(kept)["Statement"] == [OTHER]
    kept = topics.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    assert json.loads(kept)["Statement"] == [OTHER]
    with pytest.raises(buckets.exceptions.ClientError, match="NoSuchBucketPolicy"):
        buckets.get_bucket_policy(Bucket="parcels")
