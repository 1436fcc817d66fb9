"""What a deployed stack has to be allowed on the emulator that it need not be on AWS.

It is found from what the stack has. The templates keep their statements, and their tests hold them to that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from local.stack import SENDER, RunningStack


def resources(running: RunningStack, stack_name: str, kind: str) -> dict[str, str]:
    """A stack's resources of a type, such as `AWS::SQS::Queue`: their physical ids by their logical ones."""
    found = running.client("cloudformation").describe_stack_resources(StackName=stack_name)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found if one["ResourceType"] == kind}


def allow_sending_email(stack: RunningStack) -> None:
    """Verify the sender, and allow every role that may send email what the emulator asks for.

    On AWS `ses:SendEmail` is checked against the sender's identity, as the templates allow it; the emulator checks it
    against `*` and knows no `ses:FromAddress`.
    """
    if _allow_everywhere(stack, "ses:SendEmail", "emulator-send-email"):
        email = stack.client("sesv2")
        with suppress(email.exceptions.AlreadyExistsException):
            email.create_email_identity(EmailIdentity=SENDER)


def allow_answering_tasks(stack: RunningStack) -> None:
    """Allow every role that may let a waiting task go on what the emulator asks for.

    On AWS `states:SendTaskSuccess` is checked against the task's state machine, as the templates allow it; the emulator
    checks it against `*`.
    """
    _allow_everywhere(stack, "states:SendTaskSuccess", "emulator-answer-tasks")


def _allow_everywhere(stack: RunningStack, action: str, policy_name: str) -> list[str]:
    """Allow an action on everything to each role of the stack that has it on something; answers these roles."""
    iam, statement = stack.client("iam"), {"Effect": "Allow", "Action": action, "Resource": "*"}
    roles = [
        role
        for role in resources(stack, stack.stack_name, "AWS::IAM::Role").values()
        if any(action in actions for actions in _allowed(iam, role))
    ]
    for role in roles:
        iam.put_role_policy(
            RoleName=role,
            PolicyName=policy_name,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
    return roles


def _allowed(iam: Any, role: str) -> Iterator[list[str]]:
    """The actions that each statement of a role's own policies allows."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
        for statement in statements:
            if statement["Effect"] == "Allow":
                actions = statement["Action"]
                yield [actions] if isinstance(actions, str) else actions


def allow_plain_http(stack: RunningStack) -> None:
    """Take the statements that refuse requests without TLS off queues, topics and buckets.

    The emulator enforces them and speaks plain HTTP on loopback, so nobody could send a message.
    """
    queues, topics, buckets = (_as_behind_tls(stack.client(service)) for service in ("sqs", "sns", "s3"))

    def queue_policy(url: str) -> str | None:
        attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        policy: str | None = attributes.get("Policy")
        return policy

    def bucket_policy(name: str) -> str | None:
        with suppress(buckets.exceptions.ClientError):  # NoSuchBucketPolicy has no class of its own
            return str(buckets.get_bucket_policy(Bucket=name)["Policy"])
        return None

    def set_bucket_policy(name: str, policy: str) -> None:
        if policy:
            buckets.put_bucket_policy(Bucket=name, Policy=policy)
        else:
            buckets.delete_bucket_policy(Bucket=name)

    def relax(kind: str, read: Callable[[str], str | None], write: Callable[[str, str], Any]) -> None:
        for name in resources(stack, stack.stack_name, kind).values():
            policy = read(name)
            if policy and (relaxed := without_tls_statements(policy)) != policy:
                write(name, relaxed)

    relax(
        "AWS::SQS::Queue",
        queue_policy,
        lambda url, policy: queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy}),
    )
    relax(
        "AWS::SNS::Topic",
        lambda arn: topics.get_topic_attributes(TopicArn=arn)["Attributes"].get("Policy"),
        lambda arn, policy: topics.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy),
    )
    relax("AWS::S3::Bucket", bucket_policy, set_bucket_policy)


def _as_behind_tls(client: Any) -> Any:
    """Let a client pretend that a load balancer has ended TLS: it has to pass what it takes away."""

    def pretend_tls(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-Proto"] = "https"

    client.meta.events.register("before-send", pretend_tls)
    return client


def without_tls_statements(policy: str) -> str:
    """A policy without what refuses plain HTTP: the same text where nothing does, empty where nothing is left."""
    document = json.loads(policy)
    kept = [
        statement
        for statement in document["Statement"]
        if "aws:SecureTransport" not in statement.get("Condition", {}).get("Bool", {})
    ]
    if kept == document["Statement"]:
        return policy
    return json.dumps(document | {"Statement": kept}) if kept else ""
