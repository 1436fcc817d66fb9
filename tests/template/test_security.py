"""Encryption, transport and who may use what: on the transformed template, because the emulator keeps no encryption and
evaluates few policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.stack import ACCOUNT, TEMPLATES, Json, TransformedTemplate, listed, transformed

# Actions for which AWS knows no resource, so that a policy can only say "*", by what they are about.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
WITHOUT_RESOURCE = {
    "which streams there are": {"dynamodb:ListStreams"},
    "which jobs there are": {"batch:DescribeJobs"},
    "a token for the account's registry": {"ecr:GetAuthorizationToken"},
    "which log groups there are": {"logs:DescribeLogGroups"},
    "deliveries of logs, which have no ARN": {
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:UpdateLogDelivery",
    },
    "the account's policies for logs": {"logs:DescribeResourcePolicies", "logs:PutResourcePolicy"},
    "the account's traces": {
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    },
}


def statements(value: Any) -> Iterator[Json]:
    """Every policy statement in a part of a template, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            yield from statements(item)
    elif isinstance(value, dict):
        yield from value.get("Statement", [])
        for item in value.values():
            yield from statements(item)


# ── Encryption ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_table_is_encrypted_with_the_key_that_costs_nothing(stack: TransformedTemplate) -> None:
    # Left out, it is a key that DynamoDB owns. `SSEEnabled: true` means a KMS key, and KMS bills its use.
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html
    assert [name for name, table in stack.of_type("AWS::DynamoDB::Table").items() if "SSESpecification" in table] == []


def test_every_queue_is_encrypted(stack: TransformedTemplate) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert [name for name, queue in queues.items() if queue["SqsManagedSseEnabled"] is not True] == []


def test_every_topic_is_encrypted_with_a_key_of_the_stack(stack: TransformedTemplate) -> None:
    for topic in stack.of_type("AWS::SNS::Topic").values():
        assert stack.id_of("AWS::KMS::Key", topic["KmsMasterKeyId"])


def test_every_key_rotates(stack: TransformedTemplate) -> None:
    keys = stack.of_type("AWS::KMS::Key")
    assert [name for name, key in keys.items() if key["EnableKeyRotation"] is not True] == []


# ── Transport ───────────────────────────────────────────────────────────────────────────────────────────────────────


def refused_without_tls(stack: TransformedTemplate, policy_type: str, property_name: str, action: str) -> set[str]:
    """The queues or topics on which a policy denies `action` to everybody who does not use TLS, by !Ref."""
    return {
        resource
        for policy in stack.of_type(policy_type).values()
        for resource in policy[property_name]
        for statement in statements(policy)
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and action in listed(statement["Action"])
        and {resource, _arn(stack, resource)} & set(listed(statement["Resource"]))
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }


def _arn(stack: TransformedTemplate, ref: str) -> str:
    [arn] = [stack.arn(name) for name in _queues_and_topics(stack) if stack.ref(name) == ref]
    return arn


def _queues_and_topics(stack: TransformedTemplate) -> dict[str, Json]:
    return stack.of_type("AWS::SQS::Queue") | stack.of_type("AWS::SNS::Topic")


def test_every_queue_refuses_whoever_does_not_use_tls(stack: TransformedTemplate) -> None:
    queues = {stack.ref(name) for name in stack.of_type("AWS::SQS::Queue")}
    assert refused_without_tls(stack, "AWS::SQS::QueuePolicy", "Queues", "sqs:*") == queues


def test_every_topic_refuses_whoever_does_not_use_tls(stack: TransformedTemplate) -> None:
    # SNS takes no sns:* in a topic's policy; publishing is what carries content.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-security-best-practices.html#enforce-encryption-data-in-transit
    topics = {stack.ref(name) for name in stack.of_type("AWS::SNS::Topic")}
    assert refused_without_tls(stack, "AWS::SNS::TopicPolicy", "Topics", "sns:Publish") == topics


# ── On whose behalf ─────────────────────────────────────────────────────────────────────────────────────────────────


def deputies(resources: Any) -> list[str]:
    """The service principals that are allowed something on behalf of anybody, of any account.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return [
        statement["Principal"]["Service"]
        for statement in statements(resources)
        if statement["Effect"] == "Allow"
        and "Service" in statement.get("Principal", {})
        and not _acts_for_this_account(statement.get("Condition", {}))
    ]


def _acts_for_this_account(condition: Json) -> bool:
    keys = {key: value for operator in condition.values() for key, value in operator.items()}
    if "aws:SourceAccount" in keys:
        return bool(condition.get("StringEquals", {}).get("aws:SourceAccount") == ACCOUNT)
    sources = listed(keys.get("aws:SourceArn", []))
    return "ArnEquals" in condition and bool(sources) and all(f":{ACCOUNT}:" in source for source in sources)


def test_a_service_acts_on_behalf_of_this_account_only(stack: TransformedTemplate) -> None:
    assert deputies(stack.resources) == []


def test_every_service_that_acts_here_is_expected(stack: TransformedTemplate) -> None:
    services = {
        statement["Principal"]["Service"]
        for statement in statements(stack.resources)
        if "Service" in statement.get("Principal", {})
    }
    expected = ("cloudwatch", "ecs-tasks", "events", "lambda", "scheduler", "states")
    assert services <= {f"{name}.amazonaws.com" for name in expected}


def of_services(resource: Json) -> list[Json]:
    return [each for each in statements(resource) if "Service" in each.get("Principal", {})]


TRUSTING = [
    pytest.param(name, resource, id=f"{name}-{resource}")
    for name in TEMPLATES
    for resource, declared in transformed(name)["Resources"].items()
    if of_services(declared)
]


@pytest.mark.parametrize(("name", "resource"), TRUSTING)
def test_a_service_without_a_source_condition_is_noticed(name: str, resource: str) -> None:
    template = transformed(name)
    [statement] = of_services(template["Resources"][resource])
    del statement["Condition"]
    assert deputies(TransformedTemplate(template, name).resources) == [statement["Principal"]["Service"]]


def test_only_a_rule_may_send_to_a_queue_and_only_its_own_dead_letters(stack: TransformedTemplate) -> None:
    allowed = [
        (statement["Principal"], statement["Action"], statement["Resource"], statement["Condition"].keys(), source)
        for policy in stack.of_type("AWS::SQS::QueuePolicy").values()
        for statement in statements(policy)
        if statement["Effect"] == "Allow"
        for source in listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
    ]
    assert allowed == [
        (
            {"Service": "events.amazonaws.com"},
            "sqs:SendMessage",
            target["DeadLetterConfig"]["Arn"],
            {"ArnEquals"},
            stack.arn(name),
        )
        for name, rule in stack.of_type("AWS::Events::Rule").items()
        for target in rule["Targets"]
    ]


# ── Least privilege ─────────────────────────────────────────────────────────────────────────────────────────────────


def role_statements(stack: TransformedTemplate) -> list[Json]:
    return [each for role in stack.of_type("AWS::IAM::Role").values() for each in statements(role["Policies"])]


def test_no_role_has_an_action_with_a_wildcard(stack: TransformedTemplate) -> None:
    assert [action for each in role_statements(stack) for action in listed(each["Action"]) if "*" in action] == []


def test_a_role_has_any_resource_only_where_aws_knows_none(stack: TransformedTemplate) -> None:
    without = [each for each in role_statements(stack) if "*" in listed(each["Resource"])]
    on_anything = {action for each in without for action in listed(each["Action"])}
    assert on_anything <= set().union(*WITHOUT_RESOURCE.values())


# ── Alarms reach people ─────────────────────────────────────────────────────────────────────────────────────────────


def test_alarms_may_publish_to_the_encrypted_topic(pipeline: TransformedTemplate) -> None:
    # Without the key an alarm goes off and nobody hears of it: the publication fails where no one looks.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    may = {
        (action, resource)
        for each in statements(
            [pipeline.of_type(resource_type) for resource_type in ("AWS::SNS::TopicPolicy", "AWS::KMS::Key")]
        )
        if each["Effect"] == "Allow" and each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        for action in listed(each["Action"])
        for resource in listed(each["Resource"])
    }
    # In a key's policy, "*" is that key.
    assert may == {("sns:Publish", pipeline.ref("AlertTopic")), ("kms:Decrypt", "*"), ("kms:GenerateDataKey", "*")}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_account_administers_every_key(stacks: dict[str, TransformedTemplate], name: str) -> None:
    # Otherwise the key can never be changed again, nor can a role's policy allow its use.
    for key in stacks[name].of_type("AWS::KMS::Key").values():
        administrators = [each["Principal"] for each in statements(key) if each["Action"] == "kms:*"]
        assert administrators == [{"AWS": f"arn:aws:iam::{ACCOUNT}:root"}]
