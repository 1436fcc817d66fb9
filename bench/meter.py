"""Counts what a run really did, where it happens. Both designs run through this meter.

The run is the simulation's: the real template in MiniStack's engine, handlers in sandboxes of this process, no fault,
and one order after another, so that no two share an invocation, which is the most expensive case. Counts are exact and
the same each time. The emulator does not write Lambda's and Step Functions' own log lines; their bytes are computed
from the template and from AWS's description of them.
"""

from __future__ import annotations

import copy
import functools
import importlib
import json
import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from bench import units
from bench.units import Item, Units
from bench.usual.untraced import untraced
from simulation import engine, ministack, services
from simulation.deliveries import DELIVERIES, install
from simulation.faults import Injector
from simulation.patching import patched, patched_environment
from simulation.world import World, redefined, world

ROOT = Path(__file__).parents[1]
USUAL = Path(__file__).parent / "usual"

# Lambda sets it for every invocation, sampled or not; Powertools writes its root into every line.
TRACE_ID = "Root=1-67e1f2a3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"

OPERATIONS = {
    "GetItem": "_get_item",
    "BatchGetItem": "_batch_get_item",
    "Query": "_query",
    "Scan": "_scan",
    "PutItem": "_put_item",
    "UpdateItem": "_update_item",
    "DeleteItem": "_delete_item",
    "BatchWriteItem": "_batch_write_item",
    "TransactWriteItems": "_transact_write_items",
}

# Callers that are not functions: the shop that places the order, the state machine, the simulated provider.
SHOP, WORKFLOW, PROVIDER = "shop", "workflow", "provider"

# Step Functions logs these at ERROR: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-log-level
ERRORS = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut", "FailStateEntered", "TaskFailed", "TaskTimedOut")


@dataclass(frozen=True)
class Settings:
    """The template's settings that decide on the bill. `memory` is in MB; log levels are the template's words."""

    memory: int
    system_log_level: str
    workflow_log_level: str
    traced: bool


def settings() -> Settings:
    """As template.yaml has them. All functions have the same, which is asserted here."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    shared = template["Globals"]["Function"]
    functions = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
    machine = template["Resources"]["OrderWorkflow"]["Properties"]
    ((memory, level, tracing),) = {
        (
            function.get("MemorySize", shared["MemorySize"]),
            {**shared.get("LoggingConfig", {}), **function.get("LoggingConfig", {})}.get("SystemLogLevel", "INFO"),
            function.get("Tracing", shared.get("Tracing", "PassThrough")),
        )
        for function in functions
    }
    return Settings(memory, level, machine["Logging"]["Level"], tracing == "Active")


@dataclass(frozen=True)
class Exchange:
    """A handler's request and its answer."""

    service: str
    operation: str
    status: int
    content: bytes


@dataclass
class Recording:
    """One invocation, to be played again: its event, its answer and its exchanges, in order."""

    event: dict[str, Any]
    answer: Any = None
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass
class Tally:
    """What was done for `orders`. A step is a function's folder, or its action where it has several."""

    settings: Settings
    orders: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    executions: int = 0
    transitions: Counter[str] = field(default_factory=Counter)  # by state; each retry is one more
    invocations: Counter[str] = field(default_factory=Counter)  # by step
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # by who asks and `service.Operation`
    units: defaultdict[str, Units] = field(default_factory=lambda: defaultdict(Units))  # by table's logical name
    events: int = 0  # on the bus, in chunks of 64 KB
    alerts: int = 0  # SNS
    log_bytes: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and who wrote: handler, platform
    log_lines: Counter[tuple[str, str]] = field(default_factory=Counter)
    recordings: dict[str, Recording] = field(default_factory=dict)  # the first invocation of each step
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # what handlers wrote, by step

    @property
    def kinds(self) -> Counter[str]:
        """Requests by kind, whoever asked."""
        kinds: Counter[str] = Counter()
        for (_, kind), count in self.requests.items():
            kinds[kind] += count
        return kinds


# ── The designs ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Design:
    """One of the two. `hosted` puts it into the world for as long as it lasts; `settings` are its template's."""

    name: str
    hosted: Callable[[World], AbstractContextManager[None]]
    settings: Settings


@contextmanager
def _usual(here: World) -> Iterator[None]:
    """The usual handlers on the template's functions, and the usual workflow."""
    with ExitStack() as hosted:
        hosted.enter_context(patched([(botocore.session.Session, "create_client", _client_maker(here))]))
        app = _usual_app(here)
        handlers = {
            "publish": app.publish,
            "validate": app.validate,
            "inventory": app.change_stock,
            "payment": app.pay,
            "notify": app.notify,
        }
        for function, handler in list(here.stack.handlers.items()):
            hosted.enter_context(here.hosting(function, handlers[handler.split(".")[0]]))
        hosted.enter_context(redefined(here, functools.partial(_become_usual, here)))
        hosted.enter_context(_every_change_of_orders(here))
        yield


@contextmanager
def _every_change_of_orders(here: World) -> Iterator[None]:
    """The usual design keeps an order's status in the order's item: its stream shows every change, with images."""
    orders, states = (here.stack.tables[name] for name in ("OrdersTable", "OrderStatesTable"))
    tables = here.services.modules["dynamodb"]._tables
    mappings = {table: only for table, [only] in here.stack.mappings.items()}
    stream, filters = tables[orders]["StreamSpecification"], mappings[orders]["FilterCriteria"]
    tables[orders]["StreamSpecification"] = tables[states]["StreamSpecification"]
    mappings[orders]["FilterCriteria"] = mappings[states]["FilterCriteria"]
    try:
        yield
    finally:
        tables[orders]["StreamSpecification"], mappings[orders]["FilterCriteria"] = stream, filters


@functools.cache
def _usual_app(here: World) -> Any:
    names = {"POWERTOOLS_SERVICE_NAME": "usual", "POWERTOOLS_METRICS_NAMESPACE": "Orders"}
    # Traces are sent by UDP and cost no request; the SDK that makes them would patch this whole process.
    with patched_environment({**here.stack.environment, **names}), untraced():
        os.environ.pop("POWERTOOLS_METRICS_DISABLED")
        app: Any = importlib.import_module("bench.usual.app")
    app.gateway = services.Gateway(here, app.gateway)
    return app


def _client_maker(here: World) -> Callable[..., Any]:
    """In place of botocore's `create_client`: whole clients, also as boto3's resources, whose requests end in the
    world.
    """
    original = botocore.session.Session.create_client

    def create_client(self: Any, service_name: str, *arguments: Any, **options: Any) -> Any:
        if options.get("endpoint_url") == services.URL:  # one of the world's own
            return original(self, service_name, *arguments, **options)
        config = Config(parameter_validation=False).merge(options.get("config") or Config())
        client: Any = original(
            self, service_name, *arguments, **{**options, "endpoint_url": services.URL, "config": config}
        )

        def begin(model: Any, **_: Any) -> None:
            here.new_call(here.invocation(), f"{service_name}.{model.name}")

        client.meta.events.register("choose-signer", lambda **_: botocore.UNSIGNED)
        client.meta.events.register("before-call", begin)
        client.meta.events.register("before-send", functools.partial(here.services._before_send, service_name))
        return client

    return create_client


def _become_usual(here: World, definition: dict[str, Any]) -> None:
    states = here.definition()["States"]
    reserve, authorize = (branch["States"] for branch in states["Try"]["Branches"])
    names = {
        "ValidateFunctionArn": states["Validate"]["Arguments"]["FunctionName"],
        "InventoryFunctionArn": reserve["Reserve"]["Arguments"]["FunctionName"],
        "PaymentFunctionArn": authorize["Authorize"]["Arguments"]["FunctionName"],
        "NotifyFunctionArn": states["Notify"]["Arguments"]["FunctionName"],
        "OrdersTable": here.stack.tables["OrdersTable"],
    }
    text = (USUAL / "order.asl.json").read_text("utf-8")
    definition.clear()
    definition.update(json.loads(re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], text)))


PIPELINE = Design("pipeline", lambda _: nullcontext(), settings())
# Lambda's default log level, and room for everything that it imports.
USUAL_DESIGN = Design("usual", _usual, Settings(512, "INFO", "ERROR", traced=True))


# ── A run ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(
    design: Design, orders: Sequence[Item], catalogue: Sequence[Item], copies: frozenset[str] = frozenset()
) -> Tally:
    """Place `orders` one after another and count what each leads to, all of it together.

    All are items as DynamoDB writes them. The event of an order in `copies` is delivered twice. An uncounted order goes
    first, so that every function has a warm sandbox.
    """
    here = world()
    here.begin(0, Injector(()))
    with design.hosted(here):
        try:
            install(here, DELIVERIES["once"])
            for item in catalogue:
                here.put("InventoryTable", item)
            first = {**copy.deepcopy(orders[0]), "order_id": {"S": "warm"}}
            with metered(here, design.settings):
                here.put("OrdersTable", first)
                here.loop.settle()
            with metered(here, design.settings) as tally:
                for order in orders:
                    here.put("OrdersTable", order)
                    here.loop.settle()
                    if order["order_id"]["S"] in copies:
                        here.start_target(here.matched[-1])
                        here.loop.settle()
            tally.orders = len(orders)
            # The usual design keeps the status in the order.
            items = [*here.items("OrdersTable"), *here.items("OrderStatesTable")]
            status = {item["order_id"]: item.get("status", "undecided") for item in items}
            tally.outcomes.update(status[order["order_id"]["S"]] for order in orders)
        finally:
            here.loop.close()
    return tally


@contextmanager
def metered(here: World, chosen: Settings) -> Iterator[Tally]:
    """Count what the world does while this context lasts, with the template's settings or others."""
    tally = Tally(chosen)
    alerts, executions = len(here.alerts), len(here.started)
    with ExitStack() as inside:
        inside.enter_context(patched_environment({**os.environ, "_X_AMZN_TRACE_ID": TRACE_ID}))
        os.environ.pop("POWERTOOLS_METRICS_DISABLED", None)
        inside.enter_context(_log_lines(here, tally))
        inside.enter_context(
            patched(
                [
                    *_database(here, tally),
                    *_other_services(here, tally),
                    *_workflow(here, tally, chosen),
                    (here, "invoke", _invoking(here, tally, chosen)),
                ]
            )
        )
        yield tally
    tally.alerts += len(here.alerts) - alerts
    tally.executions += len(here.started) - executions


def _invoking(here: World, tally: Tally, chosen: Settings) -> Callable[..., Any]:
    """Around `World.invoke`."""
    original = here.invoke

    def invoke(function: str, event: dict[str, Any], *caller: Any) -> Any:
        step = event.get("action", here.stack.handlers[function].split(".")[0])
        tally.invocations[step] += 1
        recording = tally.recordings.setdefault(step, Recording(copy.deepcopy(event)))
        answer = original(function, event, *caller)
        if recording.event == event:
            recording.answer = answer["body"]
        if chosen.system_log_level != "WARN" or answer.get("error"):
            for line in platform_lines(function, chosen, failed=bool(answer.get("error"))):
                _count_line(tally, step, "platform", line)
        return answer

    return invoke


def _count_line(tally: Tally, step: str, writer: str, line: str) -> None:
    """CloudWatch counts an event's bytes and 26 more:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """
    tally.log_bytes[step, writer] += len(line.encode()) + 26
    tally.log_lines[step, writer] += 1


def platform_lines(function: str, chosen: Settings, *, failed: bool = False) -> Iterator[str]:
    """What Lambda itself writes for an invocation at the system log level INFO, in the JSON format.

    https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html has the fields.
    """
    start: dict[str, Any] = {"requestId": REQUEST_ID, "functionArn": f"arn:aws:lambda:us-east-1:{'0' * 12}:{function}"}
    metrics = {
        "durationMs": 12.345,
        "billedDurationMs": 13,
        "memorySizeMB": chosen.memory,
        "maxMemoryUsedMB": 100,
    }
    report: dict[str, Any] = {
        "requestId": REQUEST_ID,
        "metrics": metrics,
        "tracing": {"spanId": "0123456789abcdef", "type": "X-Amzn-Trace-Id", "value": TRACE_ID},
        "status": "error" if failed else "success",
    }
    for kind, record in (("platform.start", {**start, "version": "$LATEST"}), ("platform.report", report)):
        yield json.dumps({"time": "2026-03-02T09:00:00.000Z", "type": kind, "record": record}, separators=(",", ":"))


# ── Where it happens ──────────────────────────────────────────────────────────────────────────────────────────────────


def _who(here: World) -> str:
    """Whose code runs now."""
    invocation = here.whose_code()
    if invocation is None:
        return WORKFLOW if engine._task.get()[0] else SHOP
    return PROVIDER if invocation.at_provider else str(invocation.step)


def _database(here: World, tally: Tally) -> Iterator[tuple[Any, str, Any]]:
    """The emulator's DynamoDB, whoever asks it."""
    module = here.services.modules["dynamodb"]
    tables = {name: _table(module._tables[name]) for name in here.stack.tables.values()}
    logical = {name: table for table, name in here.stack.tables.items()}

    def now(name: str, key: Item) -> Item | None:
        partition, sort, error = module._resolve_table_key_values(module._tables[name], key, allow_extra=False)
        item: Item | None = None if error else module._tables[name]["items"].get(partition, {}).get(sort)
        return item

    def around(operation: str, original: Any, params: dict[str, Any]) -> Any:
        before = {
            (name, json.dumps(key, sort_keys=True)): copy.deepcopy(now(name, key))
            for name, key in units.touched(operation, params, tables)
        }
        status, headers, body = original(params)
        answer = json.loads(body or "{}")
        error = str(answer.get("__type", status)).rsplit("#", 1)[-1] if status >= 300 else None
        request = units.Request(
            operation, params, lambda name, key: before[name, json.dumps(key, sort_keys=True)], now, answer, error
        )
        for name, charged in units.units_of(request, tables).items():
            so_far = tally.units[logical[name]]
            tally.units[logical[name]] = Units(so_far.reads + charged.reads, so_far.writes + charged.writes)
        tally.requests[_who(here), f"dynamodb.{operation}"] += 1
        return status, headers, body

    for operation, name in OPERATIONS.items():
        yield module, name, functools.partial(around, operation, getattr(module, name))


def _table(description: dict[str, Any]) -> units.Table:
    def key(schema: list[dict[str, str]]) -> tuple[str, ...]:
        return tuple(element["AttributeName"] for element in schema)

    def index(one: dict[str, Any]) -> units.Index:
        everything = one["Projection"]["ProjectionType"] == "ALL"
        projected = None if everything else frozenset(one["Projection"].get("NonKeyAttributes", ()))
        return units.Index(key(one["KeySchema"]), projected)

    indexes = tuple(index(one) for one in description.get("GlobalSecondaryIndexes") or ())
    return units.Table(key(description["KeySchema"]), indexes)


def _other_services(here: World, tally: Tally) -> Iterator[tuple[Any, str, Any]]:
    """Handlers' requests on their way: events, messages and emails are counted, everything is recorded."""
    original = here.services._perform

    def perform(wire: Any) -> Any:
        response = original(wire)
        operation = wire.operation or "SendEmail"
        if wire.service != "dynamodb":
            tally.requests[_who(here), f"{wire.service}.{operation}"] += 1
        if operation == "PutEvents":
            for entry in json.loads(wire.body)["Entries"]:
                tally.events += _event_chunks(entry)
        invocation = here.whose_code()
        if invocation:
            recording = tally.recordings[invocation.step]
            if recording.event == invocation.event:
                exchange = Exchange(wire.service, operation, response.status_code, response.content)
                recording.exchanges.append(exchange)
        return response

    yield here.services, "_perform", perform


def _event_chunks(entry: dict[str, Any]) -> int:
    """A custom event is billed for each 64 KB: https://aws.amazon.com/eventbridge/pricing/"""
    size = sum(len(str(entry.get(name, "")).encode()) for name in ("Source", "DetailType", "Detail"))
    return max(1, -(-size // 65536))


def _workflow(here: World, tally: Tally, chosen: Settings) -> Iterator[tuple[Any, str, Any]]:
    """Every state that is entered, and every attempt after the first, which is a transition as well:
    https://aws.amazon.com/step-functions/pricing/. The emulator's history leaves out the states inside a Parallel.
    """
    states = ministack.EXECUTIONS.owner

    def entered(original: Any, state: Any, raw_input: Any, *context: Any) -> Any:
        tally.transitions[context[-1]["State"]["Name"]] += 1
        return original(state, raw_input, *context)

    def add_event(original: Any, execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        if kind == "TaskScheduled":
            tally.transitions[engine._task.get()[0]] += 1
        elif kind in ("SucceedStateEntered", "FailStateEntered"):
            tally.transitions[details["stateEnteredEventDetails"]["name"]] += 1
        if chosen.workflow_log_level == "ALL" or (chosen.workflow_log_level == "ERROR" and kind in ERRORS):
            _count_line(tally, WORKFLOW, "platform", _workflow_line(execution, kind))
        return original(execution, kind, details)

    for name in ("_execute_choice", "_execute_pass", "_execute_parallel", "_execute_wait"):
        yield states, name, functools.partial(entered, getattr(states, name))
    yield states, "_add_event", functools.partial(add_event, states._add_event)


def _workflow_line(execution: dict[str, Any], kind: str) -> str:
    """A history event in the workflow's log, without execution data:
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    """
    line = {
        "id": "12",
        "type": kind,
        "details": {"resource": "invoke", "resourceType": "lambda"},
        "previous_event_id": "11",
        "event_timestamp": "1772442000000",
        "execution_arn": execution["executionArn"],
    }
    return json.dumps(line, separators=(",", ":"))


@contextmanager
def _log_lines(here: World, tally: Tally) -> Iterator[None]:
    """Let handlers log, and count their lines as they leave the sandbox."""
    writer: Any = _Writer(here, tally)
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    handlers = [
        handler
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, LambdaPowertoolsFormatter)
    ]
    disabled, audience = logging.root.manager.disable, logging.root.handlers
    streams = [handler.setStream(writer) for handler in handlers]
    try:
        logging.disable(logging.NOTSET)
        logging.root.handlers = [logging.NullHandler()]  # nobody hears the emulator
        with redirect_stdout(writer):
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers = audience
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream or writer)


class _Writer:
    """A standard output that knows whose line it is."""

    def __init__(self, here: World, tally: Tally) -> None:
        self._here, self._tally, self._rest = here, tally, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def _line(self, line: str) -> None:
        invocation = self._here.whose_code()
        if invocation is None:
            raise RuntimeError(f"nobody's line: {line}")
        # Values that are the same for all functions here, or shorter than on AWS.
        service = self._here.stack.handlers[invocation.function].split(".")[0]
        line = re.sub(r'"service":"[^"]*"', f'"service":"{service}"', line)
        line = re.sub(r"invocation-\d+", REQUEST_ID, line)
        self._tally.lines[invocation.step].append(line)
        _count_line(self._tally, invocation.step, "handler", line)
