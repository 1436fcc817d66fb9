"""Build templates with the SAM CLI and deploy them to an emulator."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE

from artifact import bytecode
from artifact.build import build
from local import folders, janitor, relax, templates
from local.emulator import Emulator
from local.environment import environment
from local.folders import Held
from local.processes import Group
from local.stack import APPROVER, SENDER, STATE, Problem, RunningStack
from local.templates import PIPELINE, Template

BUILDS = STATE / "builds"

# The emulator runs Python functions in a harness of its own, which reports every exception under one name, so that no
# Catch by name would match. On a custom runtime it speaks Lambda's runtime API, so the built artifact gets a bootstrap
# that runs AWS's own client of that API.
BOOTSTRAP = '#!/bin/sh\nexec python -m awslambdaric "$_HANDLER"\n'

Step = Callable[[str], None]  # told of every line that the SAM CLI prints


@contextmanager
def built(on_line: Step, template: Template = PIPELINE) -> Iterator[Path]:
    """A template's build for the emulator: complete, never changed, and there until the block ends.

    It is kept for the next stack of the same template and code. Whoever needs another one makes it in a folder of its
    own and puts it in place at once, so that stacks neither wait for each other nor harm each other, wherever they are
    interrupted. Builds that are out of date are deleted. Raises Problem with the SAM CLI's own words.
    """
    place = BUILDS / f"{template.name}-{_fingerprint(template)}"
    held = folders.hold(place) or _build(on_line, template, place)
    try:
        folders.sweep(BUILDS, f"{template.name}-*", spare=place)
        yield held.path / "build"
    finally:
        held.let_go()


def _build(on_line: Step, template: Template, place: Path) -> Held:
    # Beside its place: the built template refers to the workflow's definition by a relative path.
    making = folders.create(BUILDS, f"{template.name}-unfinished-")
    try:
        folder = making.path / "build"
        variables = environment(making.path, downloads=True)
        build(folder, template.path, partial(_sam, on_line, template, making.path, variables))
        for artifact in bytecode.artifacts(folder):
            bootstrap = artifact / "bootstrap"
            bootstrap.write_text(BOOTSTRAP)
            bootstrap.chmod(0o755)
        _pack(folder)
        for work in (making.path / "tmp", making.path / "sam"):
            shutil.rmtree(work, ignore_errors=True)
        return folders.publish(making, place)
    except BaseException:
        shutil.rmtree(making.path, ignore_errors=True)
        making.let_go()
        raise


# Where the built template says that a function's folder is.
CODE = re.compile(r"^( +CodeUri: )(\w+)$", re.MULTILINE)


def _pack(folder: Path) -> None:
    """Pack once what several functions are made of. `sam deploy` would pack the folder of each of them, one second
    each, and takes a package as it is.
    """
    packages: dict[str, str] = {}

    def packed(found: re.Match[str]) -> str:
        source = folder / found[2]
        files = sorted(path for path in source.rglob("*") if path.is_file())
        content = hashlib.sha256()
        for path in files:
            content.update(f"{path.relative_to(source)}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
        if (same := content.hexdigest()) not in packages:
            packages[same] = Path(shutil.make_archive(str(source), "zip", source)).name
        return f"{found[1]}{packages[same]}"

    template = folder / "template.yaml"
    template.write_text(CODE.sub(packed, template.read_text("utf-8")), "utf-8")


def _fingerprint(template: Template) -> str:
    """What a build depends on: the template, all that its functions are built from, and the tools."""
    tools = [sys.version, platform.machine(), version("aws-sam-cli"), BOOTSTRAP, Path(bytecode.__file__).read_text()]
    digest = hashlib.sha256("\0".join(tools).encode())
    shipped = [path for folder in template.sources for path in folder.rglob("*") if path.is_file()]
    for path in [template.path, templates.SAMCONFIG, *sorted(shipped)]:
        if "__pycache__" not in path.parts:
            digest.update(f"\0{os.path.relpath(path, template.path.parent)}\0{path.stat().st_mode}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def deploy(
    emulator: Emulator, folder: Path, on_line: Step, template: Template = PIPELINE, **parameters: str
) -> RunningStack:
    """Deploy what was built; `parameters` override the template's, which it takes as far as it has them.

    Raises Problem with the SAM CLI's own words.
    """
    overrides = {
        **{parameter: templates.stack_name(name) for parameter, name in template.stands_beside.items()},
        "PythonRuntime": "provided.al2023",
        "EndpointUrl": emulator.endpoint_url,
        "SenderEmail": SENDER,
        "ApproverEmail": APPROVER,
        "ApiUrl": api_url(emulator.endpoint_url, template.stack_name),
        "ImageUri": "local",  # there is none: a job is its command, run as a process (local/batch)
    } | parameters
    # The SAM CLI takes an empty value in quotes only.
    pairs = [f"{name}={value or '""'}" for name, value in overrides.items() if name in template.parameters]
    arguments = ["--template-file", str(folder / "template.yaml"), "--stack-name", template.stack_name]
    if pairs:
        arguments += ["--parameter-overrides", *pairs]
    work = emulator.folder / "sam"
    variables = environment(work, AWS_ENDPOINT_URL=emulator.endpoint_url)
    _sam(on_line, template, work, variables, "deploy", *arguments)
    stack = RunningStack(emulator.endpoint_url, template.stack_name, _outputs(emulator, template.stack_name))
    relax.allow_sending_email(stack)
    relax.allow_answering_tasks(stack)
    relax.allow_plain_http(stack)
    return stack


def api_url(endpoint_url: str, name: str) -> str:
    """Where the HTTP API of this name is on an emulator, also before it is deployed (local/engine.py). Each of our APIs
    has the name of its stack.

    Its stage is `$default`, which need not be named: a shell would expand it, and curl signs it other than AWS does.
    """
    return f"{endpoint_url}/_aws/execute-api/{name}"


def merged[T](what: str, of: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """What each stack has by name, in one. Raises Problem when two stacks mean different things by one name."""
    found: dict[str, T] = {}
    whose: dict[str, str] = {}
    for stack, values in of.items():
        for name, value in values.items():
            if found.setdefault(name, value) != value:
                raise Problem(f"{whose[name]} and {stack} both have {what} named {name}. Rename it in one of them.")
            whose.setdefault(name, stack)
    return found


def function_environments(running: RunningStack, stacks: Sequence[str]) -> dict[str, dict[str, str]]:
    """Each function's environment by its logical id, as `sam local invoke --env-vars` takes it, of these stacks."""
    functions = running.client("lambda")

    def environments(stack: str) -> dict[str, dict[str, str]]:
        return {
            logical_id: functions.get_function_configuration(FunctionName=name)
            .get("Environment", {})
            .get("Variables", {})
            for logical_id, name in relax.resources(running, stack, "AWS::Lambda::Function").items()
        }

    return merged("a function", {stack: environments(stack) for stack in stacks})


def _outputs(emulator: Emulator, stack_name: str) -> dict[str, str]:
    client = RunningStack(emulator.endpoint_url, stack_name, {}).client("cloudformation")
    described = client.describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _sam(
    on_line: Step, template: Template, folder: Path, variables: dict[str, str], command: str, *arguments: str
) -> None:
    """Run the SAM CLI in a folder of its own, in which it leaves what it likes."""
    config = ["--config-file", str(templates.SAMCONFIG), "--config-env", template.environment]
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
        janitor.end_all_in(folder)
        raise
    if code:
        raise Problem(f"`sam {command}` failed for {template.path.name}:\n\n{''.join(lines[-40:])}")
