"""Build the real template with the SAM CLI and deploy it to an emulator."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE
from typing import Any

from local import bytecode, folders, processes
from local.emulator import Emulator
from local.environment import environment
from local.folders import Held
from local.processes import Group
from local.stack import ROOT, SENDER, STATE, Problem, Stack

STACK_NAME = "orders-local"
TEMPLATE = ROOT / "template.yaml"
BUILDS = STATE / "builds"

# The emulator runs Python functions in a harness of its own, which reports every exception under one name, so that no
# Catch by name would match. On a custom runtime it speaks Lambda's runtime API, so the built artifact gets a bootstrap
# that runs AWS's own client of that API.
BOOTSTRAP = '#!/bin/sh\nexec python -m awslambdaric "$_HANDLER"\n'

Step = Callable[[str], None]  # told of every line that the SAM CLI prints


@contextmanager
def built(on_line: Step, template: Path = TEMPLATE) -> Iterator[Path]:
    """A template's build for the emulator: complete, never changed, and there until the block ends.

    It is kept for the next stack of the same template and code. Whoever needs another one makes it in a folder of its
    own and puts it in place at once, so that stacks neither wait for each other nor harm each other, wherever they are
    interrupted. Builds that are out of date are deleted. Raises Problem with the SAM CLI's own words.
    """
    place = BUILDS / f"{template.stem}-{_fingerprint(template)}"
    held = folders.hold(place) or _build(on_line, template, place)
    try:
        folders.sweep(BUILDS, f"{template.stem}-*", spare=place)
        yield held.path / "build"
    finally:
        held.let_go()


def build_for_lambda(on_line: Step, folder: Path, template: Path = TEMPLATE) -> None:
    """Build what is deployed to AWS, as `make build` does. Raises Problem with the SAM CLI's own words."""
    work = folders.create(folder.parent, "sam-")
    try:
        _sam_build(on_line, folder, template, work.path)
    finally:
        shutil.rmtree(work.path, ignore_errors=True)
        work.let_go()


def _sam_build(on_line: Step, folder: Path, template: Path, work: Path) -> None:
    files = ["--template-file", str(template), "--build-dir", str(folder)]
    _sam(on_line, work, environment(work, downloads=True), "build", *files)
    bytecode.compile_artifacts(folder)


def _build(on_line: Step, template: Path, place: Path) -> Held:
    # Beside its place: the built template refers to the workflow's definition by a relative path.
    making = folders.create(BUILDS, f"{template.stem}-unfinished-")
    try:
        build = making.path / "build"
        _sam_build(on_line, build, template, making.path)
        for artifact in build.glob("*Function"):
            bootstrap = artifact / "bootstrap"
            bootstrap.write_text(BOOTSTRAP)
            bootstrap.chmod(0o755)
        for work in (making.path / "tmp", making.path / "sam"):
            shutil.rmtree(work, ignore_errors=True)
        return folders.publish(making, place)
    except BaseException:
        shutil.rmtree(making.path, ignore_errors=True)
        making.let_go()
        raise


def _fingerprint(template: Path) -> str:
    """What a build depends on: the template, all that ships, and the tools."""
    tools = [sys.version, platform.machine(), version("aws-sam-cli"), BOOTSTRAP, Path(bytecode.__file__).read_text()]
    digest = hashlib.sha256("\0".join(tools).encode())
    shipped = [path for path in (ROOT / "functions").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in [template, ROOT / "samconfig.toml", *sorted(shipped)]:
        digest.update(f"\0{os.path.relpath(path, ROOT)}\0{path.stat().st_mode}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def deploy(emulator: Emulator, build: Path, on_line: Step, stack_name: str = STACK_NAME, **parameters: str) -> Stack:
    """Deploy what was built; `parameters` override the template's. Raises Problem with the SAM CLI's own words."""
    overrides = {
        "PythonRuntime": "provided.al2023",
        "EndpointUrl": emulator.endpoint_url,
        "SenderEmail": SENDER,
    } | parameters
    pairs = [f"{name}={value}" for name, value in overrides.items()]
    names = ["--template-file", str(build / "template.yaml"), "--stack-name", stack_name]
    work = emulator.folder / "sam"
    variables = environment(work, AWS_ENDPOINT_URL=emulator.endpoint_url)
    _sam(on_line, work, variables, "deploy", *names, "--parameter-overrides", *pairs)
    stack = Stack(emulator.endpoint_url, stack_name, _outputs(emulator, stack_name))
    _prepare_mail(stack)
    _allow_plain_http(stack)
    return stack


def resource_count(template: Path = TEMPLATE) -> int:
    """How many resources a template has, for a progress bar (the transform adds a few)."""
    return sum(1 for line in template.read_text().splitlines() if line.startswith("    Type: AWS::"))


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
    client = Stack(emulator.endpoint_url, stack_name, {}).client("cloudformation")
    described = client.describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _sam(on_line: Step, folder: Path, variables: dict[str, str], command: str, *arguments: str) -> None:
    """Run the SAM CLI in a folder of its own, in which it leaves what it likes."""
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    lines: list[str] = []
    try:
        group = Group(
            [sys.executable, "-m", "samcli", command, *config, *arguments],
            variables=variables,
            folder=folder,
            cwd=folder,
            output=PIPE,
        )
        for line in group.output():
            lines.append(line)
            on_line(line)
        code = group.process.wait()
        group.end()
    except BaseException:
        processes.end_all_in(folder)
        raise
    if code:
        raise Problem(f"`sam {command}` failed:\n\n{''.join(lines[-40:])}")
