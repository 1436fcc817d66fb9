"""The real template, deployed once for each process into MiniStack's own CloudFormation, without a socket."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
SENDER = "shop@example.com"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "simulation",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MINISTACK_REGION": REGION,
    "POWERTOOLS_METRICS_DISABLED": "true",
    "SFN_WAIT_SCALE": "1",  # waits cost nothing here: the clock is ours
    "TZ": "UTC",
}


@dataclass(frozen=True)
class Stack:
    """What was deployed: physical names, and the settings that the harness has to honour in AWS's place."""

    outputs: dict[str, str]
    tables: dict[str, str]  # logical name → physical name
    ttl: dict[str, str]  # physical table → its TTL attribute
    handlers: dict[str, str]  # function name → `module.function`
    timeouts: dict[str, float]  # function name → seconds
    mappings: dict[str, dict[str, Any]]  # physical table → the event source mapping of its stream
    definition: dict[str, Any]  # the state machine's, as deployed
    environment: dict[str, str]  # the functions' variables, all in one: they never contradict each other


class Body:
    """A response's body as urllib3 would hand it to botocore."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.content

    def read(self, *_: Any, **__: Any) -> bytes:
        content, self.content = self.content, b""
        return content


def answer(url: str, status: int, headers: Any, content: bytes | str) -> AWSResponse:
    """What botocore takes for a service's answer."""
    return AWSResponse(url, status, headers, Body(content.encode() if isinstance(content, str) else content))


def prepare() -> None:
    """Set what MiniStack and botocore read when they are imported; call it before importing either's services."""
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("MINISTACK_STATE_DIR", tempfile.gettempdir())
    if str(ROOT / "functions") not in sys.path:
        sys.path.insert(0, str(ROOT / "functions"))


def deploy() -> Stack:
    """Create the stack and read back what was created."""
    lambda_svc: Any = importlib.import_module("ministack.services.lambda_svc")
    lambda_svc._ensure_poller = lambda: None  # the harness polls: the emulator's poller ignores batchItemFailures
    return asyncio.run(_deploy())


async def _deploy() -> Stack:
    loop = asyncio.get_running_loop()
    session = botocore.session.get_session()

    def client(service: str) -> Any:
        made: Any = session.create_client(service, endpoint_url="http://ministack")
        made.meta.events.register("before-send", lambda request, **_: _send(loop, request))
        return made

    return await asyncio.to_thread(_create, client)


def _create(client: Any) -> Stack:
    cloudformation, functions = client("cloudformation"), client("lambda")
    client("sesv2").create_email_identity(EmailIdentity=SENDER)
    cloudformation.create_stack(
        StackName="orders",
        TemplateBody=json.dumps(_template()),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "SenderEmail", "ParameterValue": SENDER}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="orders", WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
    )
    stack = cloudformation.describe_stacks(StackName="orders")["Stacks"][0]
    resources = {
        r["LogicalResourceId"]: r["PhysicalResourceId"]
        for r in cloudformation.describe_stack_resources(StackName="orders")["StackResources"]
    }
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    specification = _template()["Resources"]
    names = {name: resources[name] for name in specification if specification[name]["Type"] == "AWS::DynamoDB::Table"}
    handlers, timeouts = {}, {}
    environment = dict(ENVIRONMENT)
    for function in functions.list_functions()["Functions"]:
        handlers[function["FunctionName"]] = function["Handler"]
        timeouts[function["FunctionName"]] = function["Timeout"]
        environment |= function["Environment"]["Variables"]
    machine = client("stepfunctions").describe_state_machine(stateMachineArn=outputs["OrderWorkflowArn"])
    return Stack(
        outputs=outputs,
        tables=names,
        ttl={
            names[name]: specification[name]["Properties"]["TimeToLiveSpecification"]["AttributeName"]
            for name in names
            if "TimeToLiveSpecification" in specification[name]["Properties"]
        },
        handlers=handlers,
        timeouts=timeouts,
        mappings={
            mapping["EventSourceArn"].split("/")[1]: mapping
            for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        },
        definition=json.loads(machine["definition"]),
        environment=environment,
    )


def _template() -> dict[str, Any]:
    """template.yaml, with the two things that `sam build` and `sam deploy` would upload put in place."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    del template["Globals"]["Function"]["CodeUri"]
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Serverless::Function":
            properties["InlineCode"] = "# the handlers run inside this process"
        if resource["Type"] == "AWS::Serverless::StateMachine":
            path = ROOT / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(path.read_text("utf-8"))
    return template


def _send(loop: asyncio.AbstractEventLoop, request: Any) -> AWSResponse:
    return asyncio.run_coroutine_threadsafe(_through_the_app(request), loop).result(60)


async def _through_the_app(request: Any) -> AWSResponse:
    """One request through MiniStack's ASGI application, as a server would hand it over."""
    app = importlib.import_module("ministack.app").app
    url = urlsplit(request.url)
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    def text(value: Any) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode()

    headers = [(name.lower().encode(), text(value)) for name, value in request.headers.items()]
    headers.append((b"host", url.netloc.encode()))
    scope = {
        "type": "http",
        "method": request.method,
        "path": url.path or "/",
        "raw_path": (url.path or "/").encode(),
        "query_string": url.query.encode(),
        "headers": headers,
        "scheme": "http",
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    received = {name.decode(): value.decode() for name, value in start["headers"]}
    content = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return answer(request.url, start["status"], received, content)
