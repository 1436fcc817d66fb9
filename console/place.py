"""Where the stack is that the console shows: on the emulator of this machine, or on AWS."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session

from local import api
from local.api import Reply
from local.stack import Problem, RunningStack

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)


@dataclass(frozen=True)
class Place:
    """A stack and those beside it: `outputs` are of all of them, `stacks` are their names in CloudFormation.

    `endpoint_url` is the emulator's, None on AWS. Whoever `may_write` may place orders and act for people;
    breaking things takes an `embedded` stack.
    """

    name: str
    outputs: dict[str, str]
    embedded: bool
    may_write: bool
    endpoint_url: str | None
    stacks: tuple[str, ...]
    emulator_pid: int | None = None  # of the emulator, whose children the functions' processes are
    session: boto3.Session | None = field(default=None, repr=False, compare=False)
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _one_by_one: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """A boto3 client for a service, made once: threads may share it."""
        with self._one_by_one:
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def table(self, output: str) -> str | None:
        """A table's name by its output, such as `OrdersTableName`; None where its stack is not there."""
        return self.outputs.get(output) or None

    def running(self) -> RunningStack:
        """The embedded stack, for what only works there. Raises Problem on AWS."""
        if not self.embedded or self.endpoint_url is None:
            raise Problem("That works on the embedded stack only: make up")
        return RunningStack(self.endpoint_url, self.name, self.outputs)

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Reply:
        """One request to the front door, signed as the account that looks. Raises Problem where there is none, and
        when nobody answers.
        """
        if "ApiUrl" not in self.outputs:
            raise Problem("There is no front door beside this pipeline, and so no API.")
        url = self.outputs["ApiUrl"] + path
        try:
            if self.embedded:
                return api.ask(method, url, body, headers, signed_by=api.OWNER if signed else None)
            return self._ask_aws(method, url, body, headers, signed=signed)
        except (OSError, BotoCoreError) as error:
            raise Problem(f"The API does not answer: {error}") from None

    def _ask_aws(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str] | None, *, signed: bool
    ) -> Reply:
        request = AWSRequest(method, url, headers=dict(headers or {}), data=(body or "").encode())
        credentials = self.session.get_credentials() if self.session else None
        if signed and self.session and credentials:
            SigV4Auth(credentials, "execute-api", self.session.region_name).add_auth(request)
        answer = URLLib3Session(timeout=api.TIMEOUT_SECONDS).send(request.prepare())
        return Reply(answer.status_code, dict(answer.headers), answer.text)

    def _new_client(self, service: str) -> Any:
        if self.session:
            create: Any = self.session.client  # its type lists every service by name
            return create(service, config=_CONFIG)
        return self.running().client(service)


def embedded(description: Path) -> Place:
    """The place that a file such as .local/stack.json describes. Raises Problem when it can't be read."""
    try:
        said = json.loads(description.read_text("utf-8"))
        found = RunningStack(said["endpoint_url"], said["stack_name"], dict(said["outputs"]))
    except FileNotFoundError:
        raise Problem("No stack is running. Start one with: make up") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem(f"{description} can't be read. Start anew with: make down && make up") from None
    try:
        names = _with_beside(found.client("cloudformation"), found.stack_name)
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"The stack at {found.endpoint_url} does not answer: {error}") from None
    return Place(
        name=found.stack_name,
        outputs=found.outputs,
        embedded=True,
        may_write=True,
        endpoint_url=found.endpoint_url,
        stacks=names,
        emulator_pid=_pid(description.with_name("emulator.json")),
    )


def on_aws(profile: str, stack: str, *, may_write: bool = False) -> Place:
    """A deployed stack, with those that take something of it, as somebody's profile sees them.

    Raises Problem when the profile is none, or the stack is not there or may not be read.
    """
    try:
        session = boto3.Session(profile_name=profile)
        cloudformation = session.client("cloudformation")
        names = _with_beside(cloudformation, stack)
        outputs: dict[str, str] = {}
        for name in reversed(names):  # the pipeline's own win
            outputs |= _outputs(cloudformation, name)
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"{stack} can't be looked at with the profile {profile}: {error}") from None
    if "OrdersTableName" not in outputs:
        raise Problem(f"{stack} has no table of orders. Name the pipeline's stack: it leads to the others.")
    return Place(stack, outputs, embedded=False, may_write=may_write, endpoint_url=None, stacks=names, session=session)


def _pid(emulator_file: Path) -> int | None:
    """The emulator's process, where `make up` has written it down beside the description."""
    try:
        return int(json.loads(emulator_file.read_text("utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with_beside(cloudformation: Any, stack: str) -> tuple[str, ...]:
    """A stack and those that import what it exports."""
    pages = cloudformation.get_paginator("list_exports").paginate()
    exported = [one for page in pages for one in page["Exports"]]
    ours = [one["Name"] for one in exported if f":stack/{stack}/" in one["ExportingStackId"]]
    beside = {name for export in ours for name in _importing(cloudformation, export)}
    return (stack, *sorted(beside - {stack}))


def _importing(cloudformation: Any, export: str) -> set[str]:
    try:
        pages = cloudformation.get_paginator("list_imports").paginate(ExportName=export)
        return {name for page in pages for name in page["Imports"]}
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # nobody imports it
            return set()
        raise


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}
