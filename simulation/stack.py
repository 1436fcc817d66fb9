"""The real templates, deployed once for each process into MiniStack's own CloudFormation, without a socket.

The pipeline's comes first and every one in stacks/ after it. Functions, workflows, mappings and schedules are what was
deployed; nobody lists them. A stack whose work MiniStack does not run, such as jobs on AWS Batch, is there by
name only: nothing starts its workflows.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import os
import tempfile
from dataclasses import dataclass
from graphlib import TopologicalSorter
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from simulation import ministack

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
SENDER = "shop@example.com"
APPROVER = "approver@example.com"
API_URL = "https://api.example.com"
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


LIST = "OPEN_ORDERS_TABLE"  # the functions' variable that names what their stack has still to do
# An order's life after the sale takes weeks and many requests: only who is about it has this stack beside the others.
AFTER_SALE = frozenset({"shipping"})
BUCKET = "templates"  # where they are deployed from, as `sam deploy` does
PATHS = Config(s3={"addressing_style": "path"})  # MiniStack has one host
WORKFLOWS = ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine")
PIPELINE = "orders"  # the name of its stack; the others find it by that (parameter OrdersStack)


@dataclass(frozen=True)
class Schedule:
    """What a schedule starts, when, and with which input."""

    name: str
    target: str  # ARN of a function or a workflow
    payload: str
    expression: str


@dataclass(frozen=True)
class Deployment:
    """What was deployed, of all stacks: physical names, and the settings that the harness honours in AWS's place."""

    outputs: dict[str, str]
    tables: dict[str, str]  # logical name → physical name
    ttl: dict[str, str]  # physical table → its TTL attribute
    handlers: dict[str, str]  # function name → `module.function`
    timeouts: dict[str, float]  # function name → seconds
    workflows: dict[str, str]  # logical name → ARN
    mappings: dict[str, list[dict[str, Any]]]  # physical table → the event source mappings of its stream
    schedules: list[Schedule]
    routes: dict[str, str]  # route of an HTTP API → function name
    environment: dict[str, str]  # the functions' variables that have one value wherever they are set
    variables: dict[str, dict[str, str]]  # function name → its variables that have another value elsewhere
    stacks: dict[str, str]  # name of a function or a workflow → its stack's name
    steps: dict[str, str]  # function name → what an invocation of it is called that names no action

    @functools.cached_property
    def lists(self) -> set[str]:
        """The physical tables that a sweep looks through."""
        named = [self.environment, *self.variables.values()]
        return {variables[LIST] for variables in named if LIST in variables}

    def stack_of(self, arn: str) -> str:
        """The stack of a function or a workflow; empty for what no template has."""
        return self.stacks.get(arn.rsplit(":", 1)[1], "")


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


def deploy() -> Deployment:
    """Create the stacks and read back what was created."""
    owner, name, value = ministack.ENSURE_POLLER.becomes(lambda: None)
    setattr(owner, name, value)
    return asyncio.run(_deploy())


def templates() -> dict[str, Path]:
    """Every stack's template by the stack's name, the pipeline's first."""
    return {PIPELINE: ROOT / "template.yaml"} | {path.stem: path for path in sorted(ROOT.glob("stacks/*.yaml"))}


def _in_order(contents: dict[str, dict[str, Any]]) -> list[str]:
    """The stacks' names, each after those that it takes something of: FrontdoorStack is the stack of frontdoor.yaml."""
    asked = {
        name: sorted({one.removesuffix("Stack").lower() for one in content.get("Parameters", {})} & contents.keys())
        for name, content in contents.items()
    }
    return list(TopologicalSorter(asked).static_order())


def _stand_in(template: dict[str, Any]) -> bool:
    """Let a template have what MiniStack can't run; answers whether there is anything of the kind."""
    known = ministack.RESOURCES.get()
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    missing = [
        kind for kind in kinds if kind.startswith("AWS::") and kind not in known and "::Serverless::" not in kind
    ]
    for kind in missing:
        known[kind] = {"create": _named(kind), "delete": lambda *_: None, "stand-in": True}
    return any("stand-in" in known.get(kind, {}) for kind in kinds)


def _named(kind: str) -> Any:
    """What creates a resource of a type by giving it a name, which is an ARN."""
    _, service, thing = kind.split("::")

    def create(logical_id: str, _: Any, stack_name: str) -> tuple[str, dict[str, str]]:
        arn = f"arn:aws:{service.lower()}:{REGION}:000000000000:{thing.lower()}/{stack_name}-{logical_id}"
        return arn, {"Arn": arn, f"{thing}Arn": arn}

    return create


async def _deploy() -> Deployment:
    loop = asyncio.get_running_loop()
    session = botocore.session.get_session()

    def client(service: str) -> Any:
        made: Any = session.create_client(service, endpoint_url="http://ministack", config=PATHS)
        made.meta.events.register("before-send", lambda request, **_: _send(loop, request))
        return made

    return await asyncio.to_thread(_create, client)


def _create(client: Any) -> Deployment:
    client("sesv2").create_email_identity(EmailIdentity=SENDER)
    client("s3").create_bucket(Bucket=BUCKET)
    outputs: dict[str, str] = {}
    tables: dict[str, str] = {}
    ttl: dict[str, str] = {}
    workflows: dict[str, str] = {}
    stacks: dict[str, str] = {}
    idle: set[str] = set()  # stacks of which nothing runs
    paths = templates()
    contents = {name: _template(path) for name, path in paths.items()}
    for name in _in_order(contents):
        template, path = contents[name], paths[name]
        if _stand_in(template):
            idle.add(name)
        client("s3").put_object(Bucket=BUCKET, Key=name, Body=json.dumps(template))
        created, resources = _create_stack(client("cloudformation"), name, template)
        _merge(outputs, created, path)
        stacks |= dict.fromkeys((physical.rsplit(":", 1)[-1] for physical in resources.values()), name)
        for logical, resource in template["Resources"].items():
            if logical not in resources:
                continue
            if resource["Type"] == "AWS::DynamoDB::Table":
                _merge(tables, {logical: resources[logical]}, path)
                if specification := resource["Properties"].get("TimeToLiveSpecification"):
                    ttl[resources[logical]] = specification["AttributeName"]
            elif name not in idle and resource["Type"] in WORKFLOWS:
                _merge(workflows, {logical: resources[logical]}, path)
    functions = client("lambda").list_functions()["Functions"]
    shared, own = _variables(functions)
    return Deployment(
        outputs=outputs,
        tables=tables,
        ttl=ttl,
        handlers={function["FunctionName"]: function["Handler"] for function in functions},
        timeouts={function["FunctionName"]: function["Timeout"] for function in functions},
        workflows=workflows,
        mappings=_mappings(client("lambda")),
        routes=_routes(client("apigatewayv2")),
        schedules=[
            one
            for one in (*_schedules(client("scheduler")), *_scheduled_rules(client("events")))
            if stacks.get(one.target.rsplit(":", 1)[1]) not in idle
        ],
        environment=ENVIRONMENT | shared,
        variables=own,
        stacks=stacks,
        steps=_steps(functions, stacks),
    )


def _create_stack(client: Any, name: str, template: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Create a stack; answers its outputs, and the physical names of its resources by their logical ones."""
    parameters = {
        "SenderEmail": SENDER,
        "OrdersStack": PIPELINE,
        "ApproverEmail": APPROVER,
        "ApiUrl": API_URL,
        "AfterSale": "yes",
    }
    client.create_stack(
        StackName=name,
        TemplateURL=f"https://s3.amazonaws.com/{BUCKET}/{name}",  # in a request of its own it may be too large
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": parameter, "ParameterValue": value}
            for parameter, value in parameters.items()
            if parameter in template.get("Parameters", {})
        ],
    )
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    resources = client.describe_stack_resources(StackName=name)["StackResources"]
    return (
        {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())},
        {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )


def _merge(merged: dict[str, str], new: dict[str, str], path: Path) -> None:
    """Add what a template brings. Raises ValueError for a name that another template uses for something else."""
    clashing = sorted(name for name in merged.keys() & new.keys() if merged[name] != new[name])
    if clashing:
        raise ValueError(f"{path.name}: another stack has {', '.join(clashing)} already")
    merged |= new


def _variables(functions: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The variables that have one value wherever they are set, and by function those that have not."""
    by_function = {one["FunctionName"]: dict(one.get("Environment", {}).get("Variables", {})) for one in functions}
    values: dict[str, set[str]] = {}
    for variables in by_function.values():
        for variable, value in variables.items():
            values.setdefault(variable, set()).add(value)
    shared = {variable: next(iter(found)) for variable, found in values.items() if len(found) == 1}
    own = {
        function: {variable: value for variable, value in variables.items() if variable not in shared}
        for function, variables in by_function.items()
    }
    return shared, own


def _steps(functions: list[dict[str, Any]], stacks: dict[str, str]) -> dict[str, str]:
    """By the handler's folder; where a stack deploys what another has as well, with the stack's name before it."""
    folders = {one["FunctionName"]: one["Handler"].partition(".")[0] for one in functions}
    shared = {folder for folder in folders.values() if [*folders.values()].count(folder) > 1}
    return {
        name: f"{stacks[name]} {folder}" if folder in shared and stacks.get(name, PIPELINE) != PIPELINE else folder
        for name, folder in folders.items()
    }


def _mappings(client: Any) -> dict[str, list[dict[str, Any]]]:
    by_table: dict[str, list[dict[str, Any]]] = {}
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        by_table.setdefault(mapping["EventSourceArn"].split("/")[1], []).append(mapping)
    return by_table


def _routes(client: Any) -> dict[str, str]:
    """Which function answers each route, by the route's key, such as `GET /orders`."""
    routes: dict[str, str] = {}
    for api in client.get_apis()["Items"]:
        integrations = {
            one["IntegrationId"]: one["IntegrationUri"] for one in client.get_integrations(ApiId=api["ApiId"])["Items"]
        }
        for route in client.get_routes(ApiId=api["ApiId"])["Items"]:
            routes[route["RouteKey"]] = integrations[route["Target"].rsplit("/", 1)[1]].rsplit(":", 1)[1]
    return routes


def _schedules(client: Any) -> list[Schedule]:
    """What EventBridge Scheduler starts."""
    names = [(one["Name"], one["GroupName"]) for one in client.list_schedules()["Schedules"]]
    schedules = [client.get_schedule(Name=name, GroupName=group) for name, group in names]
    return [
        Schedule(one["Name"], one["Target"]["Arn"], one["Target"].get("Input", "{}"), one["ScheduleExpression"])
        for one in schedules
    ]


def _scheduled_rules(client: Any) -> list[Schedule]:
    """The rules that know a time and no pattern; they are on the default bus only."""
    return [
        Schedule(rule["Name"], target["Arn"], target.get("Input", "{}"), rule["ScheduleExpression"])
        for rule in client.list_rules()["Rules"]
        if rule.get("ScheduleExpression")
        for target in client.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    ]


def _template(path: Path) -> dict[str, Any]:
    """A template, with what `sam build` and `sam deploy` would upload put in place."""
    template: dict[str, Any] = yaml_parse(path.read_text("utf-8"))
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties.pop("CodeUri", None)
            properties["InlineCode"] = "# the handlers run inside this process"
        if resource["Type"] == "AWS::Serverless::StateMachine":
            definition = path.parent / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(definition.read_text("utf-8"))
    return template


def _send(loop: asyncio.AbstractEventLoop, request: Any) -> AWSResponse:
    return asyncio.run_coroutine_threadsafe(_through_the_app(request), loop).result(60)


async def _through_the_app(request: Any) -> AWSResponse:
    """One request through MiniStack's ASGI application, as a server would hand it over."""
    app = importlib.import_module("ministack.app").app
    url = urlsplit(request.url)
    body = request.body or b""
    if isinstance(body, BytesIO):  # what S3 puts
        body = body.getvalue()
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
