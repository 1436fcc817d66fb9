"""Each role allows what is used and nothing else.

For a function, what is used is what its unit tests saw it ask of AWS (tests/recorder.py), and what the Lambda service
itself needs the role for. For a workflow, it is what its definition names; for a rule and a schedule, what they start;
for a job, what its steps ask for, and what its container is started with (jobs.py).
The emulator doesn't evaluate these, nor what the Lambda service does, so this is the only place that checks them.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import NamedTuple

import pytest

from simulation.stack import PIPELINE
from tests import recorder
from tests.recorder import Call
from tests.template import jobs
from tests.template.stack import (
    ACCOUNT,
    REGION,
    ROOT,
    TEMPLATES,
    Function,
    Json,
    TransformedTemplate,
    Workflow,
    listed,
    parameter_sets,
    transformed,
)


class Permission(NamedTuple):
    """An action allowed on a resource, under a condition (as JSON) or none."""

    action: str
    resource: str
    condition: str = ""


Permissions = set[Permission]


@pytest.fixture(scope="session")
def calls(pytestconfig: pytest.Config) -> set[Call]:
    """What the unit tests saw the functions call, recorded now if they or the functions have changed since."""
    with (recorder.cache(pytestconfig).mkdir("orders") / "recording").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the workers of pytest-xdist, one records and the others wait for it
        known = recorder.load(pytestconfig)
        if known is None:
            command = [sys.executable, "-m", "pytest", "tests/unit", "-p", "tests.recorder", "-q", "-n", "auto"]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            known = recorder.load(pytestconfig)
            if run.returncode or known is None:
                pytest.fail(f"the unit tests must pass before the roles can be checked:\n{run.stdout}{run.stderr}")
    return known


# ── What a role allows ──────────────────────────────────────────────────────────────────────────────────────────────


def allowed(stack: TransformedTemplate, role: str) -> Permissions:
    """Every permission of a role. Refuses to read what it would not count: managed policies, NotAction and the like."""
    properties = stack.resources[role]["Properties"]
    assert properties.keys() == {"AssumeRolePolicyDocument", "Policies"}
    return {permission for policy in properties["Policies"] for permission in _permissions(policy["PolicyDocument"])}


def _permissions(document: Json) -> Iterator[Permission]:
    for statement in document["Statement"]:
        assert statement.keys() - {"Condition"} == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield permit(action, resource, statement.get("Condition"))


def permit(action: str, resource: str, condition: Json | None = None) -> Permission:
    return Permission(action, resource, json.dumps(condition, sort_keys=True) if condition else "")


# ── What a function uses ────────────────────────────────────────────────────────────────────────────────────────────


def used_by_function(stack: TransformedTemplate, function: Function, calls: Iterable[Call]) -> Permissions:
    own = {call for call in calls if call.function == function.package}
    named = {used for call in own if call.resource != recorder.UNNAMED for used in _needed(stack, function, call)}
    unnamed = {used for call in own if call.resource == recorder.UNNAMED for used in _opaque(stack, call, calls)}
    return named | unnamed | used_by_lambda(stack, function)


def _opaque(stack: TransformedTemplate, call: Call, calls: Iterable[Call]) -> Permissions:
    """The permissions of a call that is on whatever made the opaque thing that it hands over."""
    match call.action:
        case "kms:Decrypt":
            # Ciphertexts are those that the stack's functions have made.
            return {
                permit(call.action, permission.resource)
                for function in stack.functions.values()
                for each in calls
                if (each.function, each.action) == (function.package, "kms:Encrypt")
                for permission in _needed(stack, function, each)
            }
        case "states:SendTaskSuccess":
            # Tokens are those of the tasks that wait for one. Who is called by such tasks has theirs; who is called by
            # none has all of them.
            waited_for = {
                (task["Arguments"]["FunctionName"], workflow.id)
                for workflow in stack.workflows.values()
                for task in workflow.tasks.values()
                if task["Resource"].endswith(".waitForTaskToken")
            }
            called_by = stack.arn(stack.functions[call.function].id)
            its_own = {pair for pair in waited_for if pair[0] == called_by}
            return {permit(call.action, stack.ref(workflow)) for _, workflow in its_own or waited_for}
        case action:
            raise NotImplementedError(f"say here on what {action} is")


def _needed(stack: TransformedTemplate, function: Function, call: Call) -> Permissions:
    """The permissions that a call needs in this stack; none if the stack leaves the resource's variable empty, so that
    the function can't make this call: one stack has the simulated gateway's table, the other has Stripe's secret.
    """
    variable, slash, part_of_it = call.resource.removeprefix("$").partition("/")
    assert variable in function.environment, f"{call} is on a resource that the template doesn't give the function"
    name = function.environment[variable]
    if not name:
        return set()
    match call.action.partition(":")[0]:
        case "dynamodb":
            table = stack.arn_of("AWS::DynamoDB::Table", name)
            return {permit(call.action, f"{table}{slash}{part_of_it}")}
        case "events":
            return {permit(call.action, stack.arn_of("AWS::Events::EventBus", name))}
        case "kms":
            return {permit(call.action, stack.arn_of("AWS::KMS::Key", name))}
        case "secretsmanager":
            return {permit(call.action, name)}
        case "ses":
            # Nobody but the operator knows whether SES has verified the address or its domain, and whether that
            # identity has a default configuration set, for which SES then asks as well. So the resources are any of the
            # account, and the condition allows this one sender.
            # https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
            kinds = ("identity", "configuration-set")
            this_sender = {"StringEquals": {"ses:FromAddress": name}}
            return {permit(call.action, f"arn:aws:ses:{REGION}:{ACCOUNT}:{kind}/*", this_sender) for kind in kinds}
        case "sns":
            return {permit(call.action, name), *_key_of_topic(stack, name)}
        case "sqs":
            return {permit(call.action, stack.arn_of("AWS::SQS::Queue", name))}
        case service:
            raise NotImplementedError(f"say here what the resources of {service} are called")


def used_by_lambda(stack: TransformedTemplate, function: Function) -> Permissions:
    """What the Lambda service does with the function's role, whatever its code does."""
    used: Permissions = set()
    # It writes the function's log. The group exists, so that logs:CreateLogGroup is not needed.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
    log = stack.arn(stack.id_of("AWS::Logs::LogGroup", function.properties["LoggingConfig"]["LogGroup"]))
    used |= {permit("logs:CreateLogStream", log), permit("logs:PutLogEvents", log)}
    # It sends the segments of active tracing; X-Ray knows no resources for them.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    if function.properties["TracingConfig"]["Mode"] == "Active":
        used |= {permit("xray:PutTelemetryRecords", "*"), permit("xray:PutTraceSegments", "*")}
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        if mapping["FunctionName"] != stack.ref(function.id):
            continue
        # It reads the stream; ListStreams knows no resource.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
        stream = mapping["EventSourceArn"]
        used |= {
            permit("dynamodb:DescribeStream", stream),
            permit("dynamodb:GetRecords", stream),
            permit("dynamodb:GetShardIterator", stream),
            permit("dynamodb:ListStreams", "*"),
        }
        # It says in the on-failure queue what it gave up on.
        # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
        used.add(permit("sqs:SendMessage", mapping["DestinationConfig"]["OnFailure"]["Destination"]))
    return used


# ── What the workflow uses ──────────────────────────────────────────────────────────────────────────────────────────


def used_by_workflow(stack: TransformedTemplate, workflow: Workflow) -> Permissions:
    used = {needed for task in workflow.tasks.values() for needed in _used_by_task(stack, task)}
    if workflow.properties["TracingConfiguration"]["Enabled"]:
        # https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
        used |= {
            permit(f"xray:{action}", "*")
            for action in ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")
        }
    if workflow.properties["LoggingConfiguration"]["Destinations"]:
        # Step Functions has its log delivered by CloudWatch Logs, and that knows no resources.
        # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
        used |= {
            permit(f"logs:{action}", "*")
            for action in (
                "CreateLogDelivery",
                "DeleteLogDelivery",
                "DescribeLogGroups",
                "DescribeResourcePolicies",
                "GetLogDelivery",
                "ListLogDeliveries",
                "PutResourcePolicy",
                "UpdateLogDelivery",
            )
        }
    return used


def _used_by_task(stack: TransformedTemplate, task: Json) -> Iterator[Permission]:
    arguments = task["Arguments"]
    match task["Resource"].removeprefix("arn:aws:states:::").split(":"):
        case ["lambda", "invoke" | "invoke.waitForTaskToken"]:
            yield permit("lambda:InvokeFunction", arguments["FunctionName"])
        case ["dynamodb", operation]:
            table = stack.arn_of("AWS::DynamoDB::Table", arguments["TableName"])
            yield permit(f"dynamodb:{operation[0].upper()}{operation[1:]}", table)
        case ["batch", "submitJob.sync"]:
            yield from starmap(permit, jobs.to_submit_and_wait(stack, arguments))
        case ["sns", "publish"]:
            yield permit("sns:Publish", arguments["TopicArn"])
            yield from _key_of_topic(stack, arguments["TopicArn"])
        case integration:
            raise NotImplementedError(f"say here what {integration} needs")


def _key_of_topic(stack: TransformedTemplate, topic: str) -> Permissions:
    """Who publishes to an encrypted topic needs its key.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    encrypted_with = stack.properties_of("AWS::SNS::Topic", topic)["KmsMasterKeyId"]
    key = stack.arn_of("AWS::KMS::Key", encrypted_with)
    return {permit("kms:Decrypt", key), permit("kms:GenerateDataKey", key)}


# ── What is used of every role ──────────────────────────────────────────────────────────────────────────────────────


def used(stack: TransformedTemplate, calls: set[Call]) -> dict[str, Permissions]:
    """The permissions that are used of each role, by its logical id."""
    by_role: dict[str, Permissions] = {}
    for function in stack.functions.values():
        by_role.setdefault(function.role, set()).update(used_by_function(stack, function, calls))
    for workflow in stack.workflows.values():
        role = _role(stack, workflow.properties["RoleArn"])
        by_role.setdefault(role, set()).update(used_by_workflow(stack, workflow))
    rules = (target for rule in stack.of_type("AWS::Events::Rule").values() for target in rule["Targets"])
    schedules = (schedule["Target"] for schedule in stack.of_type("AWS::Scheduler::Schedule").values())
    for job in jobs.jobs_of(stack).values():
        by_role.setdefault(job.role, set()).update(starmap(permit, jobs.used_by_job(stack, job)))
        by_role.setdefault(job.execution_role, set()).update(starmap(permit, jobs.to_start(stack, job)))
    for target in (*rules, *schedules):
        if "RoleArn" in target:  # a rule may call a function or a queue by that one's own policy
            by_role.setdefault(_role(stack, target["RoleArn"]), set()).update(_used_by_target(stack, target))
    return by_role


def _used_by_target(stack: TransformedTemplate, target: Json) -> Iterator[Permission]:
    """What EventBridge, or its scheduler, needs to start a target; the scheduler also keeps by its role what it could
    not start, where a rule does so by the queue's policy.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    match target["Arn"].split(":")[2]:
        case "states":
            yield permit("states:StartExecution", target["Arn"])
        case "lambda":
            yield permit("lambda:InvokeFunction", target["Arn"])
        case service:
            raise NotImplementedError(f"say here what starting {service} needs")
    is_schedule = any(each["Target"] is target for each in stack.of_type("AWS::Scheduler::Schedule").values())
    if is_schedule and "DeadLetterConfig" in target:
        yield permit("sqs:SendMessage", target["DeadLetterConfig"]["Arn"])


def _role(stack: TransformedTemplate, arn: str) -> str:
    return stack.id_of("AWS::IAM::Role", arn)


def differences(stack: TransformedTemplate, role: str, calls: set[Call]) -> dict[str, list[Permission]]:
    """What a role allows too much and too little."""
    is_allowed, is_used = allowed(stack, role), used(stack, calls)[role]
    return {"never used": sorted(is_allowed - is_used), "missing": sorted(is_used - is_allowed)}


NO_DIFFERENCE: dict[str, list[Permission]] = {"never used": [], "missing": []}
ROLES = [
    pytest.param(name, role, id=f"{name}-{role}")
    for name in TEMPLATES
    for role in sorted(TransformedTemplate(transformed(name), name).of_type("AWS::IAM::Role"))
]


def test_every_role_allows_what_is_used_and_nothing_else(stack: TransformedTemplate, calls: set[Call]) -> None:
    found = {role: differences(stack, role, calls) for role in stack.of_type("AWS::IAM::Role")}
    assert {role: found[role] for role in found if found[role] != NO_DIFFERENCE} == {}


def test_every_permission_is_in_a_role_that_something_here_uses(stack: TransformedTemplate, calls: set[Call]) -> None:
    of_iam = {name: entry["Type"] for name, entry in stack.resources.items() if entry["Type"].startswith("AWS::IAM::")}
    assert of_iam == dict.fromkeys(used(stack, calls), "AWS::IAM::Role")


def test_every_function_was_seen_calling_aws(stacks: dict[str, TransformedTemplate], calls: set[Call]) -> None:
    deployed = {package for stack in stacks.values() for package in stack.functions}
    assert {call.function for call in calls} == deployed


# ── The comparison notices ──────────────────────────────────────────────────────────────────────────────────────────


def _differences_after(
    change: Callable[[Json], None], name: str, role: str, calls: set[Call]
) -> dict[str, list[Permission]]:
    """What is found once `change` has been made to the first statement of a role in a stack's template."""
    template = transformed(name)
    change(template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0])
    return differences(TransformedTemplate(template, name), role, calls)


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_widening_a_role_by_one_action_is_noticed(name: str, role: str, calls: set[Call]) -> None:
    never = "dynamodb:ListContributorInsights"  # whatever a function here does, it does not do this

    def widen(statement: Json) -> None:
        statement["Action"] = [*listed(statement["Action"]), never]

    found = _differences_after(widen, name, role, calls)
    assert {permission.action for permission in found["never used"]} == {never}


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_widening_a_role_by_one_resource_is_noticed(name: str, role: str, calls: set[Call]) -> None:
    def widen(statement: Json) -> None:
        resources = statement["Resource"]
        statement["Resource"] = [*(resources if isinstance(resources, list) else [resources]), "*"]

    found = _differences_after(widen, name, role, calls)
    assert {permission.resource for permission in found["never used"]} == {"*"}


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_taking_an_action_from_a_role_is_noticed(name: str, role: str, calls: set[Call]) -> None:
    taken: list[str] = []

    def narrow(statement: Json) -> None:
        first, *others = listed(statement["Action"])
        taken.append(first)
        statement["Action"] = others

    found = _differences_after(narrow, name, role, calls)
    assert {permission.action for permission in found["missing"]} == set(taken)


@pytest.mark.parametrize(
    ("name", "role"), [(PIPELINE, "NotifyRole"), ("frontdoor", "AskRole"), ("shipping", "ShippingNotifyRole")]
)
def test_letting_a_function_write_as_anybody_is_noticed(name: str, role: str, calls: set[Call]) -> None:
    template = transformed(name)
    for statement in template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
        for then in statement.get("Fn::If", [])[1:2]:
            del then["Condition"]
    found = differences(TransformedTemplate(template, name, **parameter_sets(name)["everything"]), role, calls)
    assert {permission.action for permission in found["never used"]} == {"ses:SendEmail"}
