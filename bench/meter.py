"""Counts what a run really did. Everything that is said about requests, units, transitions or bytes comes from here.

The counts of handlers are the world's own record of their invocations; the database, the workflow and the log lines
are counted where they happen. Counts are exact and the same each time. The emulator does not write Lambda's and Step
Functions' own log lines; their bytes are computed from the template and from AWS's description of them.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from aws.metrics import emit
from bench import units
from bench.log_lines import REQUEST_ID, TRACE_ID, access_line, platform_lines, workflow_line
from bench.simulated import (
    Change,
    Invocation,
    World,
    patched,
    patched_environment,
    state_entered,
    variables,
    workflow_engine,
)
from bench.template import Settings
from bench.units import Units

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

# Callers that are not functions: the shop that places the order, the state machine, the simulated companies outside:
# the payment provider and the carrier, each with a table of its own.
SHOP, WORKFLOW, PROVIDER = "shop", "workflow", "provider"
PROVIDERS, PROVIDER_TABLES = ("gateway.", "carrier."), ("SimulatedGatewayTable", "SimulatedCarrierTable")

REMEMBERED = "secretsmanager"  # the service that a sandbox asks once and not again

# Step Functions logs these at ERROR: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-log-level
ERRORS = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut", "FailStateEntered", "TaskFailed", "TaskTimedOut")


class Exchange(NamedTuple):
    """A handler's request and its answer."""

    service: str
    operation: str
    status: int
    content: bytes


@dataclass
class Recording:
    """One invocation, to be played again: its handler as the template names it, the time (seconds since 1970), its
    event, its answer, its exchanges in order, the variables that it had, and its number in the world's record.
    """

    handler: str
    time: float
    event: dict[str, Any]
    answer: Any = None
    exchanges: list[Exchange] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def each_time(self) -> list[Exchange]:
        """Without what only a new sandbox asks for."""
        return [one for one in self.exchanges if one.service != REMEMBERED]

    @property
    def once(self) -> list[Exchange]:
        """What only a new sandbox asks for."""
        return [one for one in self.exchanges if one.service == REMEMBERED]


@dataclass
class Tally:
    """What was done for `orders`, or for as many calls of the API. A step is a function's folder, its action where it
    has several, or the API's route; of a webhook, also what it tells.
    """

    settings: Settings
    orders: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    executions: int = 0
    transitions: Counter[str] = field(default_factory=Counter)  # by state; each retry is one more
    invocations: Counter[str] = field(default_factory=Counter)  # by step
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # by who asks and `service.Operation`
    # By who asks and the table's logical name.
    units: defaultdict[tuple[str, str], Units] = field(default_factory=lambda: defaultdict(Units))
    touched: Counter[tuple[str, str]] = field(default_factory=Counter)  # items, by who asks and operation
    calls: int = 0  # of the API, by API Gateway
    events: int = 0  # on the bus, in chunks of 64 KB
    alerts: int = 0  # SNS
    log_bytes: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and who wrote: handler, platform
    log_lines: Counter[tuple[str, str]] = field(default_factory=Counter)
    recordings: dict[str, Recording] = field(default_factory=dict)  # the first invocation of each step

    @property
    def own_units(self) -> Units:
        """Without the simulated companies' tables, which are not ours."""
        return sum((one for (_, table), one in self.units.items() if table not in PROVIDER_TABLES), Units())

    @property
    def provider_units(self) -> Units:
        """The simulated companies' tables."""
        return sum((one for (_, table), one in self.units.items() if table in PROVIDER_TABLES), Units())

    def requests_of(self, kind: str) -> int:
        """Requests of one kind, or of a whole service (`kms.*`), whoever asks."""
        return sum(count for (_, known), count in self.requests.items() if fnmatchcase(known, kind))

    def counts(self) -> dict[str, float]:
        """What the bill is made of, for each order, without the simulated companies and what the shop does."""
        found = {
            "State transitions": self.transitions.total(),
            "Invocations": self.invocations.total(),
            "Requests": sum(count for (who, _), count in self.requests.items() if who not in (PROVIDER, SHOP)),
            "Write units": self.own_units.writes,
            "Read units": self.own_units.reads,
            "Events": self.events,
            "Log lines": self.log_lines.total(),
            "Log bytes": self.log_bytes.total(),
        }
        return {name: count / self.orders for name, count in found.items()}

    def each_request(self) -> dict[str, float]:
        """Requests for each order, as `who: service.Operation`."""
        return {f"{who}: {kind}": count / self.orders for (who, kind), count in sorted(self.requests.items())}

    def units_by_table(self) -> dict[str, dict[str, float]]:
        """Units for each order."""
        tables: defaultdict[str, Units] = defaultdict(Units)
        for (_, table), charged in self.units.items():
            tables[table] += charged
        return {
            table: {"reads": total.reads / self.orders, "writes": total.writes / self.orders}
            for table, total in tables.items()
        }


@contextmanager
def metered(here: World, settings: Settings) -> Iterator[Tally]:
    """Count what the world does while this context lasts, with the template's settings or others. The tally is
    complete when it ends; `orders` and `outcomes` are for those who know which ones they have placed.
    """
    tally = Tally(settings)
    invocations, executions = len(here.invocations), len(here.started)
    alerts, events = len(here.alerts), len(here.bus_events())
    changes = [*_database(here, tally), *_exchanges(here, tally), *_workflow(tally), *_metrics()]
    with patched_environment({"_X_AMZN_TRACE_ID": TRACE_ID}), _log_lines(here, tally), patched(changes):
        os.environ.pop("POWERTOOLS_METRICS_DISABLED", None)
        yield tally
    for invocation in here.invocations[invocations:]:
        _add_invocation(here, tally, invocation)
    tally.executions += len(here.started) - executions
    tally.alerts += len(here.alerts) - alerts
    tally.events += sum(map(_event_chunks, here.bus_events()[events:]))


def _add_invocation(here: World, tally: Tally, invocation: Invocation) -> None:
    """From the world's record: the invocation, its requests, and the lines that are written about it by Lambda and,
    if it is the API's, by API Gateway.
    """
    step, answer = step_of(invocation), invocation.answer or {}
    tally.invocations[step] += 1
    for call in invocation.calls:
        kind = call.site.split("/", 1)[1].split("#")[0]
        if not kind.startswith(PROVIDERS):  # no service of AWS; what a simulated one asks for is counted as its own
            tally.requests[step, kind] += call.attempts
    recording = _recording(here, tally, invocation)
    if recording.number == invocation.number:
        recording.answer = answer.get("body")
    if route := invocation.event.get("routeKey"):
        tally.calls += 1
        _count_line(tally, step, "gateway", access_line(route))
    failed = bool(answer.get("error"))
    if failed or tally.settings.system_log_level != "WARN":
        for line in platform_lines(invocation.function, tally.settings, failed=failed):
            _count_line(tally, step, "platform", line)


def step_of(invocation: Invocation) -> str:
    """A webhook that brings a parcel's last news does more than the others, so what it tells is a part of its step."""
    if "webhooks" not in invocation.step:
        return invocation.step
    return f"{invocation.step}, {json.loads(invocation.event['body'])['kind']}"


def _recording(here: World, tally: Tally, invocation: Invocation) -> Recording:
    """That of the invocation's step, which this one is the first of if there is none yet."""
    step = step_of(invocation)
    if step not in tally.recordings:
        tally.recordings[step] = Recording(
            here.stack.handlers[invocation.function],
            invocation.started,
            copy.deepcopy(invocation.event),
            variables={name: os.environ[name] for name in variables() if name in os.environ},
            number=invocation.number,
        )
    return tally.recordings[step]


def _event_chunks(event: dict[str, Any]) -> int:
    """A custom event is billed for each 64 KB: https://aws.amazon.com/eventbridge/pricing/"""
    size = sum(len(str(event.get(name, "")).encode()) for name in ("Source", "DetailType", "Detail"))
    return max(1, -(-size // 65536))


# ── Where it happens ──────────────────────────────────────────────────────────────────────────────────────────────────


def _who(here: World) -> str:
    """Whose code runs now."""
    invocation = here.whose_code()
    if invocation is None:
        return WORKFLOW if here.loop.running else SHOP
    return PROVIDER if invocation.at_provider else step_of(invocation)


def _database(here: World, tally: Tally) -> Iterator[Change]:
    """The emulator's DynamoDB, whoever asks it."""
    module = here.services.modules["dynamodb"]
    tables = {name: units.table_of(module._tables[name]) for name in here.stack.tables.values()}
    logical = {name: table for table, name in here.stack.tables.items()}

    def now(touched: units.Touched) -> units.Item | None:
        table = module._tables[touched.table]
        partition, sort, error = module._resolve_table_key_values(table, touched.key, allow_extra=False)
        return None if error else copy.deepcopy(table["items"].get(partition, {}).get(sort))

    read: list[units.Item] = []
    paginate = module._paginate_evaluated_items

    def paginated(*arguments: Any) -> Any:
        page, more = paginate(*arguments)
        read[:] = page
        return page, more

    def around(operation: str, original: Any, params: dict[str, Any]) -> Any:
        read.clear()
        who, touched = _who(here), units.touched(operation, params, tables)
        before = list(map(now, touched))
        status, headers, body = original(params)
        after, answer = list(map(now, touched)), json.loads(body or "{}")
        error = str(answer.get("__type", status)).rsplit("#", 1)[-1] if status >= 300 else None
        request = units.Request(operation, params, before, after, answer, error, tuple(read))
        for table, charged in units.units_of(request, tables):
            tally.units[who, logical[table]] += charged
        tally.touched[who, operation] += len(touched)
        if who in (SHOP, WORKFLOW, PROVIDER):
            tally.requests[who, f"dynamodb.{operation}"] += 1
        return status, headers, body

    yield module, "_paginate_evaluated_items", paginated  # what a scan reads, and its answer leaves out
    for operation, name in OPERATIONS.items():
        yield module, name, functools.partial(around, operation, getattr(module, name))


def _exchanges(here: World, tally: Tally) -> Iterator[Change]:
    """The first invocation of each step, with everything that it asks for."""
    perform = here.services._perform

    def performed(wire: Any) -> Any:
        response = perform(wire)
        if invocation := here.whose_code():
            recording = _recording(here, tally, invocation)
            if recording.number == invocation.number:
                operation = wire.operation or "SendEmail"  # the one request without a JSON protocol
                recording.exchanges.append(Exchange(wire.service, operation, response.status_code, response.content))
        return response

    yield here.services, "_perform", performed


def _workflow(tally: Tally) -> Iterator[Change]:
    """Every state that is entered, and every attempt after the first, which is a transition as well:
    https://aws.amazon.com/step-functions/pricing/. The emulator's history leaves out the states inside a Parallel.
    """
    states, level = workflow_engine(), tally.settings.workflow_log_level

    def entered(original: Any, state: Any, raw_input: Any, *context: Any) -> Any:
        tally.transitions[context[-1]["State"]["Name"]] += 1
        return original(state, raw_input, *context)

    def add_event(original: Any, execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        if kind == "TaskScheduled":
            tally.transitions[state_entered()] += 1
        elif kind in ("SucceedStateEntered", "FailStateEntered"):
            tally.transitions[details["stateEnteredEventDetails"]["name"]] += 1
        if level == "ALL" or (level == "ERROR" and kind in ERRORS):
            _count_line(tally, WORKFLOW, "platform", workflow_line(execution, kind))
        return original(execution, kind, details)

    for name in ("_execute_choice", "_execute_pass", "_execute_parallel", "_execute_wait"):
        yield states, name, functools.partial(entered, getattr(states, name))
    yield states, "_add_event", functools.partial(add_event, states._add_event)


def _metrics() -> Iterator[Change]:
    """The functions' own metrics, which are log lines; the simulation only counts them."""

    def emitted(service: str, *arguments: Any, **metadata: Any) -> None:
        with patched_environment({"POWERTOOLS_SERVICE_NAME": service}):
            emit(*arguments, **metadata)

    for name, module in list(sys.modules.items()):
        service, _, rest = name.partition(".")
        if rest == "app" and hasattr(module, "emit"):
            yield module, "emit", functools.partial(emitted, service)


# ── Log lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _count_line(tally: Tally, step: str, writer: str, line: str) -> None:
    """CloudWatch counts an event's bytes and 26 more:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """
    tally.log_bytes[step, writer] += len(line.encode()) + 26
    tally.log_lines[step, writer] += 1


@contextmanager
def _log_lines(here: World, tally: Tally) -> Iterator[None]:
    """Let handlers log, and count their lines as they leave the sandbox."""

    def count(line: str) -> None:
        invocation = here.whose_code()
        if invocation is None:
            raise RuntimeError(f"nobody's line: {line}")
        # Values that are the same for all functions here, or shorter than on AWS.
        service = here.stack.handlers[invocation.function].split(".")[0]
        line = re.sub(r'"service":"[^"]*"', f'"service":"{service}"', line)
        _count_line(tally, step_of(invocation), "handler", re.sub(r"invocation-\d+", REQUEST_ID, line))

    output: Any = _Output(count)
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    handlers = [
        handler
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, LambdaPowertoolsFormatter)
    ]
    changes: list[Change] = [(handler, "stream", output) for handler in handlers]
    changes += [(logging.root, "handlers", [logging.NullHandler()])]  # nobody hears the emulator
    before = logging.root.manager.disable
    logging.disable(logging.NOTSET)  # loggers remember what was disabled, and this lets them forget it
    try:
        with patched(changes), redirect_stdout(output):
            yield
    finally:
        logging.disable(before)


class _Output:
    """A standard output that hands on each line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._rest = on_line, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._on_line(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
