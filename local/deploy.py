"""Build the real template with the SAM CLI and deploy it to an emulator."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3

from local.bytecode import compile_artifacts
from local.emulator import Emulator
from local.stack import (
    ACCESS_KEY_ID,
    REGION,
    ROOT,
    SECRET_ACCESS_KEY,
    SENDER,
    STATE,
    Problem,
    Stack,
)

STACK_NAME = "orders-local"
BUILD = STATE / "build"

# The emulator runs Python functions in a harness of its own, which reports every exception under one name, so that no
# Catch by name would match. On a custom runtime it speaks Lambda's runtime API, so the built artifact gets a bootstrap
# that runs AWS's own client of that API.
BOOTSTRAP = '#!/bin/sh\nexec python -m awslambdaric "$_HANDLER"\n'

Step = Callable[[str], None]  # told of every line that the SAM CLI prints


def build(on_line: Step) -> None:
    """Build for the emulator, into `.local/build`. Raises Problem with the SAM CLI's own words."""
    build_for_lambda(on_line, BUILD)
    for artifact in BUILD.glob("*Function"):
        bootstrap = artifact / "bootstrap"
        bootstrap.write_text(BOOTSTRAP)
        bootstrap.chmod(0o755)


def build_for_lambda(on_line: Step, folder: Path) -> None:
    """Build what is deployed to AWS, as `make build` does. Raises Problem with the SAM CLI's own words."""
    _sam(on_line, {}, "build", "--build-dir", str(folder))
    compile_artifacts(folder)


def deploy(emulator: Emulator, on_line: Step, stack_name: str = STACK_NAME, **parameters: str) -> Stack:
    """Deploy what was built; `parameters` override the template's. Raises Problem with the SAM CLI's own words."""
    overrides = {
        "PythonRuntime": "provided.al2023",
        "EndpointUrl": emulator.endpoint_url,
        "SenderEmail": SENDER,
    } | parameters
    pairs = [f"{name}={value}" for name, value in overrides.items()]
    template = str(BUILD / "template.yaml")
    names = ["--template-file", template, "--stack-name", stack_name]
    at = {"AWS_ENDPOINT_URL": emulator.endpoint_url}
    _sam(on_line, at, "deploy", *names, "--parameter-overrides", *pairs)
    stack = Stack(emulator.endpoint_url, stack_name, _outputs(emulator, stack_name))
    _prepare_mail(stack)
    _allow_plain_http(stack)
    return stack


def resource_count() -> int:
    """How many resources the built template has, for a progress bar (the transform adds a few)."""
    text = (ROOT / "template.yaml").read_text()
    return sum(1 for line in text.splitlines() if line.startswith("    Type: AWS::"))


def function_environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Each function's environment by its logical id, as `sam local invoke --env-vars` takes it."""
    resources = stack.client("cloudformation").describe_stack_resources(StackName=stack.stack_name)["StackResources"]
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }
    functions = stack.client("lambda")
    return {
        logical_id: functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        for logical_id, name in names.items()
    }


def _prepare_mail(stack: Stack) -> None:
    """Verify the sender, and allow the notify function what the emulator asks for.

    On AWS `ses:SendEmail` is checked against the sender's identity, as the template allows it; the emulator checks it
    against `*` and knows no `ses:FromAddress`.
    """
    mail = stack.client("sesv2")
    with suppress(mail.exceptions.AlreadyExistsException):
        mail.create_email_identity(EmailIdentity=SENDER)
    role = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.stack_name, LogicalResourceId="NotifyRole"
    )["StackResourceDetail"]["PhysicalResourceId"]
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"}
    stack.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="emulator-send-email",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def _allow_plain_http(stack: Stack) -> None:
    """Take the statements that refuse requests without TLS off the queues and the topic.

    The emulator enforces them and speaks plain HTTP on loopback, so nobody could send a message. Only here: the
    template keeps them, and its tests hold it to that.
    """

    def pretend_tls(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-Proto"] = "https"  # as behind a load balancer that ends TLS

    queues, topics = stack.client("sqs"), stack.client("sns")
    for client in (queues, topics):
        client.meta.events.register("before-send", pretend_tls)
    for url in queues.list_queues(QueueNamePrefix=stack.stack_name)["QueueUrls"]:
        policy = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _without_tls_statements(policy)})
    topic = stack.outputs["AlertTopicArn"]
    policy = topics.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    topics.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=_without_tls_statements(policy))


def _without_tls_statements(policy: str) -> str:
    document = json.loads(policy)
    document["Statement"] = [
        statement
        for statement in document["Statement"]
        if "aws:SecureTransport" not in statement.get("Condition", {}).get("Bool", {})
    ]
    return json.dumps(document) if document["Statement"] else ""


def _outputs(emulator: Emulator, stack_name: str) -> dict[str, str]:
    session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)
    client = session.client("cloudformation", endpoint_url=emulator.endpoint_url)
    described = client.describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _sam(on_line: Step, variables: dict[str, str], command: str, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment |= variables
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "sam"), command, *config, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    try:
        for line in process.stdout or ():
            lines.append(line)
            on_line(line)
    finally:
        if process.poll() is None and sys.exc_info()[0]:
            process.terminate()
        code = process.wait()
    if code:
        raise Problem(f"`sam {command}` failed:\n\n{''.join(lines[-40:])}")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the build folder: `make run` beside `make up` must not build into it at the same time."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
