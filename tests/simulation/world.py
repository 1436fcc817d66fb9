"""The pipeline in one process: MiniStack's tables, bus and workflow engine, and our handlers in sandboxes of our own.

What AWS does and the emulator does not, the harness does here: it polls the stream and keeps its checkpoint, lets
sandboxes die, times invocations out, expires items and redelivers. Every request that an invocation makes passes
through `World.request`, which is where faults happen.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import importlib
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import botocore
import botocore.endpoint
import botocore.retries.quota
import botocore.session
import botocore.useragent
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ConnectionClosedError

from tests.simulation import clock, stack
from tests.simulation.faults import Injector

URL = "http://simulation"
SEEN_BY_THE_SDK = ("lost", "lost_once", "throttled", "conflict")
FUNCTIONS = ("inventory", "notify", "orders", "payment", "publish", "validate")
ON_THE_CLOCK = (*FUNCTIONS, "aws_lambda_powertools", "ministack", "jsonata", "botocore.endpoint")

_plain = TypeDeserializer().deserialize


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item in plain Python values."""
    return {name: _plain(value) for name, value in item.items()}


class SandboxDied(BaseException):
    """The runtime process is gone. Not an Exception: nothing in the handler may catch it and tidy up."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `lane` is stream, bus, execution, invocation or request; `actor` tells apart what runs
    at the same time in a lane (an execution's or an invocation's number)."""

    lane: str
    at: float  # seconds since the schedule began
    order: str
    label: str
    outcome: str = ""
    actor: str = ""


@dataclass
class Sandbox:
    """What one Lambda execution environment keeps between invocations: the values of `functools.cache`."""

    memory: dict[Any, Any] = field(default_factory=dict)


@dataclass
class Call:
    """One request of an invocation, with the SDK's repetitions. `effects` counts how often it was carried out."""

    site: str
    fault: str | None
    attempts: int = 0
    effects: int = 0
    effect_at: float | None = None


@dataclass
class Invocation:
    """One invocation of a function."""

    number: int
    function: str
    step: str
    order_id: str
    event: dict[str, Any]
    sandbox: Sandbox
    deadline: float
    patience: float  # for how long the caller waits
    started: float
    calls: list[Call] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    at_provider: bool = False
    answer: dict[str, Any] | None = None  # what the caller was told
    ended: bool = False
    zombie: bool = False
    caller: Any = None
    actor: Any = None
    execution: str = ""


@dataclass
class Wire:
    """A request as it is sent to a service."""

    service: str
    method: str
    path: str
    headers: Any
    body: Any


class Context:
    """The handler's `context`."""

    memory_limit_in_mb = 512

    def __init__(self, world: World, invocation: Invocation) -> None:
        self._world, self._invocation = world, invocation
        self.function_name = invocation.function
        self.invoked_function_arn = f"arn:aws:lambda:{stack.REGION}:000000000000:function:{invocation.function}"
        self.aws_request_id = f"invocation-{invocation.number}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._invocation.deadline - self._world.loop.now) * 1000))


class Gateway:
    """The provider as the payment function sees it: at a distance, so that requests to it can fail.

    What the simulated provider does to keep its ledger is its own business: no fault happens in between.
    """

    def __init__(self, world: World, provider: Any) -> None:
        self._world, self._provider = world, provider

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._world.ask_provider(name, getattr(self._provider, name), arguments)


class World:
    """One process's stack. `begin` makes it new for each schedule; there is one at a time."""

    def __init__(self) -> None:
        stack.prepare()
        self.services: dict[str, Any] = {
            "dynamodb": importlib.import_module("ministack.services.dynamodb"),
            "events": importlib.import_module("ministack.services.eventbridge"),
            "sqs": importlib.import_module("ministack.services.sqs"),
            "sesv2": importlib.import_module("ministack.services.ses_v2"),
            "ses": importlib.import_module("ministack.services.ses"),
            "sns": importlib.import_module("ministack.services.sns"),
            "states": importlib.import_module("ministack.services.stepfunctions"),
            "lambda": importlib.import_module("ministack.services.lambda_svc"),
        }
        self.stack = stack.deploy()
        self.handlers = {name: _import(handler) for name, handler in self.stack.handlers.items()}
        self.names = {name: handler.split(".")[0] for name, handler in self.stack.handlers.items()}
        self._clients: dict[Any, Any] = {}
        self._step: contextvars.ContextVar[tuple[str, str, float]] = contextvars.ContextVar("step")
        self.loop = clock.Loop()
        self._take_over()
        self.begin(0, Injector(()))
        gc.collect()
        gc.freeze()  # what is there now stays; looking through it again and again takes a tenth of the time

    # ── A new world for each schedule ─────────────────────────────────────────────────────────────────────────────

    def begin(self, seed: int, injector: Injector) -> None:
        """Empty every table, queue and mailbox, forget every sandbox, and start the clock again."""
        self.loop = clock.Loop()
        self.random = random.Random(seed)
        random.seed(seed)
        self.injector = injector
        self.timeline: list[Entry] = []
        self.invocations: list[Invocation] = []
        self.provider_answers: list[tuple[str, str, tuple[Any, ...], Any]] = []  # order, operation, arguments, answer
        self.born = self.loop.now
        self.restocked: Counter[str] = Counter()  # pieces that arrived since, by SKU
        self.alerts: list[dict[str, Any]] = []
        self.started: list[tuple[str, str]] = []  # (order, execution) for each execution that began
        self.changes: list[dict[str, Any]] = []  # the whole stream, also what is past its 24 hours
        self.on_bus: list[dict[str, Any]] = []
        self.watchers: list[Callable[[Invocation], None]] = []
        self._idle: dict[str, list[Sandbox]] = {}
        self._retries: dict[Invocation, Any] = {}
        self._zombies: list[tuple[Invocation, str]] = []
        self.deliver: Callable[[str, str], None] = self.start_execution
        self.poll: Callable[[], None] = lambda: None
        dynamodb = self.services["dynamodb"]
        for table in dynamodb._tables.values():
            table["items"].clear()
            table["ItemCount"] = table["TableSizeBytes"] = 0
        for store in (dynamodb._stream_records, dynamodb._stream_trimmed, dynamodb._txn_idempotency):
            store.clear()
        self.services["states"]._executions.clear()
        self.services["events"]._events_log_list().clear()
        self.services["ses"]._sent_emails_list().clear()
        for queue in self.services["sqs"]._queues.values():
            queue["messages"].clear()
        for topic in self.services["sns"]._topics.values():
            topic.get("messages", []).clear()

    def log(self, lane: str, order: str, label: str, outcome: str = "", actor: str = "") -> None:
        """Add to the timeline."""
        self.timeline.append(Entry(lane, round(self.loop.now - clock.EPOCH, 4), order, label, outcome, actor))

    # ── Tables, queues and mails as the invariants read them ──────────────────────────────────────────────────────

    def items(self, table: str) -> list[dict[str, Any]]:
        """The items of a table by its logical name, in plain values."""
        stored = self.services["dynamodb"]._tables[self.stack.tables[table]]["items"]
        return [plain(item) for by_sort in stored.values() for item in by_sort.values()]

    def stream_grew(self) -> None:
        """The Orders table has changed."""
        records = self.services["dynamodb"]._stream_records[self.stack.tables["OrdersTable"]]
        self.changes.append(records[-1])
        self.poll()

    def bus_events(self) -> list[dict[str, Any]]:
        """What the bus took."""
        return list(self.services["events"]._events_log_list())

    def mails(self) -> list[dict[str, Any]]:
        """What SES took."""
        return list(self.services["ses"]._sent_emails_list())

    def queue(self, output: str) -> list[dict[str, Any]]:
        """The bodies of what waits in a queue."""
        store = self.services["sqs"]._queues
        url = self.stack.outputs[output]
        name = url.rsplit("/", 1)[1]
        found = next(queue for key, queue in store.items() if str(key).endswith(name))
        return [json.loads(message["body"]) for message in found["messages"]]

    def drain(self, output: str) -> list[dict[str, Any]]:
        """Take everything out of a queue."""
        bodies = self.queue(output)
        name = self.stack.outputs[output].rsplit("/", 1)[1]
        store = self.services["sqs"]._queues
        next(queue for key, queue in store.items() if str(key).endswith(name))["messages"].clear()
        return bodies

    def executions(self) -> list[dict[str, Any]]:
        """The workflow's executions."""
        return list(self.services["states"]._executions.values())

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Write an item as somebody outside the pipeline does."""
        self.outside("dynamodb").put_item(TableName=self.stack.tables[table], Item=item)

    def expire(self) -> None:
        """Delete what is past its time to live, as DynamoDB does sooner or later."""
        for table, attribute in self.stack.ttl.items():
            by_key = self.services["dynamodb"]._tables[table]["items"]
            for by_sort in by_key.values():
                for key, item in list(by_sort.items()):
                    if attribute in item and float(item[attribute]["N"]) <= self.loop.now:
                        del by_sort[key]
        self._idle.clear()  # no sandbox lives for hours either

    # ── Executions ────────────────────────────────────────────────────────────────────────────────────────────────

    def start_execution(self, arn: str, event: str) -> None:
        """Start the workflow, as a rule's target does."""
        self.services["states"]._start_execution({"stateMachineArn": arn, "input": event})

    def start(self, event: dict[str, Any]) -> None:
        """Start the workflow for an event's detail: a delivery of the bus that nobody ordered."""
        self.start_execution(self.stack.outputs["OrderWorkflowArn"], json.dumps(event))

    def copy_execution(self, arn: str) -> None:
        """Run an execution a second time under its own name, as Express may."""
        states = self.services["states"]
        execution = dict(states._executions[arn])
        execution["events"] = []
        key = f"{arn}#copy"
        states._executions[key] = execution
        self.started.append((_order_of(execution), key))
        self.loop.spawn(lambda: states._run_execution(key), name="execution")

    # ── Invocations ───────────────────────────────────────────────────────────────────────────────────────────────

    def invoke(self, function: str, event: dict[str, Any], patience: float | None = None, execution: str = "") -> dict:
        """Invoke a function and wait for its answer: `{"body": …}`, with `error` when it failed.

        The caller waits for `patience` seconds at most, and an invocation may go on after that (a zombie).
        """
        timeout = self.services["lambda"]._functions[function]["config"]["Timeout"]
        step = event.get("action", self.names[function])
        idle = self._idle.setdefault(function, [])
        invocation = Invocation(
            number=len(self.invocations) + 1,
            function=function,
            step=step,
            order_id=event.get("order_id", ""),
            event=json.loads(json.dumps(event)),
            sandbox=idle.pop() if idle else Sandbox(),
            deadline=self.loop.now + timeout,
            patience=patience or timeout,
            started=self.loop.now,
            execution=execution,
        )
        self.invocations.append(invocation)
        self.log("invocation", invocation.order_id, step, "begins", str(invocation.number))
        invocation.caller = self.loop.current()
        invocation.actor = self.loop.spawn(lambda: self._run(invocation), name=step)
        invocation.actor.invocation = invocation
        self.loop.park()
        assert invocation.answer is not None
        return invocation.answer

    def _run(self, invocation: Invocation) -> None:
        try:
            handler = self.handlers[invocation.function]
            result = handler(invocation.event, Context(self, invocation))
            answer = {"body": json.loads(json.dumps(result))}
            outcome = json.dumps(result)
        except SandboxDied as death:
            answer = _error(str(death), "the sandbox is gone")
            outcome = str(death)
        except Exception as error:  # noqa: BLE001 - what the runtime does with whatever a handler raises
            answer = _error(type(error).__name__, str(error))
            outcome = f"{type(error).__name__}: {error}"
        else:
            self._idle.setdefault(invocation.function, []).append(invocation.sandbox)
        invocation.ended = True
        self.log("invocation", invocation.order_id, invocation.step, outcome, str(invocation.number))
        self._tell(invocation, answer)
        self._wake_zombies(lambda zombie, kind: kind == "zombie" and _is_retry(invocation, zombie))
        for watcher in list(self.watchers):
            watcher(invocation)

    def _tell(self, invocation: Invocation, answer: dict[str, Any]) -> None:
        if invocation.answer is None:
            invocation.answer = answer
            self.loop.wake(invocation.caller)

    # ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

    def invocation(self) -> Invocation | None:
        """The invocation whose code runs now."""
        return getattr(self.loop.current(), "invocation", None)

    def new_call(self, invocation: Invocation, request: str) -> Call:
        """Register that an invocation is about to make a request; finds the fault that is due there."""
        invocation.counts[request] += 1
        site = f"{invocation.step}/{request}#{invocation.counts[request]}"
        call = Call(site, self.injector.at(site))
        invocation.calls.append(call)
        return call

    def request(self, invocation: Invocation, call: Call, effect: Callable[[], Any], failures: Failures) -> Any:
        """One attempt at a request, under the fault that is due."""
        call.attempts += 1
        number = str(invocation.number)

        def take_effect() -> Any:
            result = effect()
            call.effects += 1
            call.effect_at = self.loop.now
            return result

        def die(why: str) -> SandboxDied:
            self.log("request", invocation.order_id, call.site, f"{call.fault or 'time is up'}", number)
            return SandboxDied(why)

        def time_out() -> SandboxDied:
            self.loop.sleep(max(0.0, invocation.deadline - self.loop.now))
            return die("Sandbox.Timedout")

        self.pause()
        if self.loop.now > invocation.deadline and not invocation.zombie:
            raise die("Sandbox.Timedout")
        fault = call.fault
        if fault == "lost_once" and call.attempts > 1:
            fault = None
        match fault:
            case "crash_before":
                raise die("Runtime.ExitError")
            case "crash_after":
                take_effect()
                raise die("Runtime.ExitError")
            case "slow":
                raise time_out()
            case "slow_with_effect":
                take_effect()
                raise time_out()
            case "lost" | "lost_once":
                take_effect()
                self.log("request", invocation.order_id, call.site, "answer lost", number)
                raise failures.lost()
            case "throttled" | "conflict":
                self.log("request", invocation.order_id, call.site, fault, number)
                return getattr(failures, fault)()
            case "zombie" | "zombie_late":
                self._become_zombie(invocation, fault)
                call.fault = None
                result = take_effect()
            case "partial":
                result = failures.partial(take_effect)
                call.fault = None
            case _:
                result = take_effect()
        self.log("request", invocation.order_id, call.site, _outcome_of(result), number)
        self.pause()
        return result

    def pause(self) -> None:
        """The way of a message; others run meanwhile."""
        self.loop.sleep(self.random.uniform(0.002, 0.030))

    def _become_zombie(self, invocation: Invocation, kind: str) -> None:
        """Let the caller give up, and wait until the schedule lets this invocation go on."""
        invocation.zombie = True
        self.log("request", invocation.order_id, invocation.calls[-1].site, kind, str(invocation.number))
        self.loop.sleep(max(0.0, invocation.started + invocation.patience - self.loop.now))
        self._zombies.append((invocation, kind))
        self._tell(invocation, _error("States.Timeout", "the caller gave up"))
        self.loop.park()
        self.log("invocation", invocation.order_id, invocation.step, "goes on, late", str(invocation.number))

    def _wake_zombies(self, which: Callable[[Invocation, str], bool]) -> bool:
        awake = [entry for entry in self._zombies if which(*entry)]
        for entry in awake:
            self._zombies.remove(entry)
            self.loop.wake(entry[0].actor)
        return bool(awake)

    def wake_all_zombies(self) -> bool:
        """Let every zombie that still waits go on; answers whether there was one."""
        return self._wake_zombies(lambda *_: True)

    def ask_provider(self, operation: str, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """A request to the payment provider."""
        invocation = self.invocation()
        assert invocation
        call = self.new_call(invocation, f"gateway.{operation}")

        def effect() -> Any:
            invocation.at_provider = True
            try:
                result = method(*arguments)
            finally:
                invocation.at_provider = False
            self.provider_answers.append((invocation.order_id, operation, arguments, result))
            return result

        return self.request(invocation, call, effect, ProviderFailures())

    def outside(self, service: str) -> Any:
        """A client for the world outside the pipeline: no faults, no latency, no trace in the timeline."""
        return self._client(service, None)

    def _client(self, service: str, config: Any) -> Any:
        """One botocore client for each service and configuration, whatever sandbox asks: they keep no state of ours."""
        key = (service, id(config))
        if key not in self._clients:
            client = botocore.session.get_session().create_client(
                service, config=config, endpoint_url=URL
            )
            events = client.meta.events
            events.register("choose-signer", lambda **_: botocore.UNSIGNED)
            if config is None:
                events.register("before-call", functools.partial(self._outside_call, service, client))
            else:
                events.register("before-call", functools.partial(self._before_call, service, client))
                events.register("before-send", functools.partial(self._before_send, service))
            self._clients[key] = client
        return self._clients[key]

    def _outside_call(self, service: str, client: Any, model: Any, params: dict[str, Any], **_: Any) -> Any:
        wire = Wire(service, params["method"], params["url_path"], params["headers"], params["body"])
        return _parsed(client, model, self._perform(wire))

    def _before_call(self, service: str, client: Any, model: Any, params: dict[str, Any], **_: Any) -> Any:
        """A request leaves. Answering here spares the SDK's HTTP machinery, which takes half of the time and matters
        only when it has something to retry.
        """
        wire = Wire(service, params["method"], params["url_path"], params["headers"], params["body"])
        invocation = self.invocation()
        assert invocation
        if invocation.at_provider:
            return _parsed(client, model, self._perform(wire))
        call = self.new_call(invocation, f"{service}.{model.name}")
        if call.fault in SEEN_BY_THE_SDK:
            return None
        result = self.request(invocation, call, lambda: self._perform(wire), ServiceFailures(wire))
        return _parsed(client, model, result)

    def _before_send(self, service: str, request: Any, **_: Any) -> Any:
        """A request leaves that will fail: through the SDK's own retries."""
        wire = Wire(service, request.method, urlsplit(request.url).path, request.headers, request.body)
        invocation = self.invocation()
        assert invocation
        return self.request(invocation, invocation.calls[-1], lambda: self._perform(wire), ServiceFailures(wire))

    def _perform(self, wire: Wire) -> Any:
        """Carry a request out, in MiniStack's own engine."""
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in wire.headers.items()
        }
        body = wire.body.encode() if isinstance(wire.body, str) else bytes(wire.body or b"")
        running = self.services[wire.service].handle_request(wire.method, wire.path, headers, body, {})
        try:
            running.send(None)
        except StopIteration as done:
            status, headers, content = done.value
            return stack.answer(URL, status, headers, content)
        raise AssertionError(f"{wire.service} wants to wait")

    # ── What is put in the place of MiniStack's own parts ─────────────────────────────────────────────────────────

    def _take_over(self) -> None:
        states, functions, events = self.services["states"], self.services["lambda"], self.services["events"]
        clock.take_over(ON_THE_CLOCK, lambda: self.loop)
        states.threading = clock.Threads(lambda: self.loop)
        states._scaled_sleep = lambda seconds: self.loop.sleep(self.random.uniform(0, seconds))  # JitterStrategy FULL
        states._emit_execution_status_event = self._execution_changed
        states._execute_task = functools.partial(self._task, states._execute_task)
        states._invoke_resource_with_timeout = functools.partial(self._integration, states._invoke_resource)
        states._add_event = functools.partial(self._event, states._add_event)
        # These would take a quarter of the time and decide nothing.
        parser = states.jsonata.Jsonata.get_parser()
        parser.parse = functools.cache(parser.parse)
        states.jsonata.Jsonata.get_parser = staticmethod(lambda: parser)
        botocore.useragent.UserAgentString.to_string = lambda _: "simulation"
        # Powertools would add one more hook to the same client for each sandbox.
        importlib.import_module("aws_lambda_powertools.shared.user_agent").register_feature_to_client = lambda *_, **__: 0
        functions._execute_function = self._lambda
        events._dispatch_to_stepfunctions = self._rule_matched
        self.services["dynamodb"].esm_wake = _Wake(self)
        uuid.uuid4 = lambda: uuid.UUID(int=random.getrandbits(128), version=4)
        botocore.retries.quota.RetryQuota.acquire = lambda *_: True  # a sandbox has a quota of its own
        for module in [module for name, module in sys.modules.items() if name.split(".")[0] in FUNCTIONS]:
            for name, value in list(vars(module).items()):
                if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == module.__name__:
                    setattr(module, name, self._per_sandbox(value.__wrapped__))
        clients, payment = importlib.import_module("orders.clients"), importlib.import_module("payment.app")
        clients._client = lambda service, config=clients.PATIENT: self._client(service, config)
        provider = payment.gateway
        payment.gateway = lambda: Gateway(self, provider())

    def _per_sandbox(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`functools.cache` with a memory that dies with the sandbox."""

        @functools.wraps(function)
        def remembered(*arguments: Any) -> Any:
            invocation = self.invocation()
            assert invocation, f"{function.__name__} is called outside an invocation"
            memory, key = invocation.sandbox.memory, (function, arguments)
            if key not in memory:
                memory[key] = function(*arguments)
            return memory[key]

        return remembered

    def _lambda(self, record: dict[str, Any], event: Any) -> dict[str, Any]:
        """In place of `lambda_svc._execute_function`."""
        state, execution, patience = self._step.get(("", "", 0.0))
        return self.invoke((record.get("config") or record)["FunctionName"], event, patience or None, execution)

    def _task(self, original: Any, state: dict, raw_input: Any, execution: dict, ctx: dict) -> Any:
        """In place of `stepfunctions._execute_task`: remember which state it is, for what it invokes."""
        token = self._step.set((ctx["State"]["Name"], execution["executionArn"], float(state["TimeoutSeconds"])))
        try:
            return original(state, raw_input, execution, ctx)
        finally:
            self._step.reset(token)

    def _integration(self, original: Any, resource: str, arguments: Any, timeout: float) -> Any:
        """In place of `stepfunctions._invoke_resource_with_timeout`: the state machine's own requests can fail as well."""
        if "lambda:invoke" in resource:
            return original(resource, arguments)
        state, execution, _ = self._step.get()
        failure = self.services["states"]._ExecutionError
        service, action = resource.rsplit(":::", 1)[1].split(":")
        order_id = json.loads(self.services["states"]._executions[execution]["input"]).get("order_id", "")
        site = f"{state.lower()}/states.{action[0].upper()}{action[1:]}#1"
        fault = self.injector.at(site)
        self.pause()

        def effect() -> Any:
            if service == "sns":
                self.alerts.append({"order_id": order_id, **json.loads(arguments["Message"])})
            return original(resource, arguments)

        match fault:
            case "throttled":
                self.log("request", order_id, site, fault)
                raise failure("DynamoDB.ThrottlingException" if service == "dynamodb" else "SNS.Throttled", "")
            case "lost":
                effect()
                self.log("request", order_id, site, "answer lost")
                self.loop.sleep(timeout)
                raise failure("States.Timeout", "")
            case "zombie":
                self.log("request", order_id, site, "delayed")
                self.loop.spawn(lambda: (self.log("request", order_id, site, "arrives late"), effect()), delay=timeout + 5)
                self.loop.sleep(timeout)
                raise failure("States.Timeout", "")
        result = effect()
        self.log("request", order_id, site, "done")
        self.pause()
        return result

    def _event(self, original: Any, execution: dict, kind: str, details: Any = None) -> Any:
        """Around `stepfunctions._add_event`: what an execution does is part of the timeline."""
        state = (details or {}).get("stateEnteredEventDetails")
        if state or kind == "TaskFailed":
            failed = (details or {}).get("taskFailedEventDetails", {})
            label = state["name"] if state else "a task failed"
            self.log("execution", _order_of(execution), label, failed.get("error", ""), _short(execution))
        return original(execution, kind, details)

    def _execution_changed(self, execution: dict[str, Any]) -> None:
        """In place of `stepfunctions._emit_execution_status_event`."""
        order_id, status = _order_of(execution), execution["status"]
        self.log("execution", order_id, status.lower(), execution.get("error", ""), _short(execution))
        if status == "RUNNING":
            self.started.append((order_id, execution["executionArn"]))
        else:
            self._wake_zombies(lambda zombie, _: zombie.execution == execution["executionArn"])

    def _rule_matched(self, arn: str, payload: str) -> None:
        """In place of the bus's call of its target: the delivery decides when, and how often."""
        self.log("bus", json.loads(payload)["order_id"], "OrderPlaced")
        self.on_bus.append(json.loads(payload))
        self.deliver(arn, payload)


class Failures:
    """What a failed request looks like to its client."""

    def lost(self) -> BaseException:
        raise NotImplementedError

    def throttled(self) -> Any:
        raise NotImplementedError

    def conflict(self) -> Any:
        raise NotImplementedError

    def partial(self, effect: Callable[[], Any]) -> Any:
        raise NotImplementedError


class ProviderFailures(Failures):
    """The provider's: both mean that nobody knows."""

    def lost(self) -> BaseException:
        return importlib.import_module("payment.gateway").GatewayUnavailable("api_connection_error")

    def throttled(self) -> Any:
        raise importlib.import_module("payment.gateway").GatewayUnavailable("rate_limit")


class ServiceFailures(Failures):
    """An AWS service's."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def lost(self) -> BaseException:
        return ConnectionClosedError(endpoint_url=URL)

    def throttled(self) -> Any:
        if self.wire.service == "sesv2":
            return self._error(429, "TooManyRequestsException", {})
        return self._error(400, "ThrottlingException", {})

    def conflict(self) -> Any:
        items = json.loads(self.wire.body)["TransactItems"]
        reasons = [{"Code": "None"} for _ in items[:-1]] + [{"Code": "TransactionConflict", "Message": "conflict"}]
        return self._error(400, "TransactionCanceledException", {"CancellationReasons": reasons})

    def partial(self, effect: Callable[[], Any]) -> Any:
        """The bus refuses the first entry of a PutEvents and takes the others."""
        whole = json.loads(self.wire.body)
        entries = [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}]
        if others := whole["Entries"][1:]:
            self.wire.body = json.dumps({**whole, "Entries": others})
            entries += json.loads(effect().raw.content)["Entries"]
        return stack.answer(URL, 200, {}, json.dumps({"FailedEntryCount": 1, "Entries": entries}))

    def _error(self, status: int, code: str, details: dict[str, Any]) -> Any:
        body = json.dumps({"__type": code, "message": "injected by the simulation", **details})
        return stack.answer(URL, status, {"x-amzn-errortype": code}, body)


class _Wake:
    """In place of the emulator's event that wakes its pollers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def set(self) -> None:
        self._world.stream_grew()


def _parsed(client: Any, model: Any, response: Any) -> tuple[Any, dict[str, Any]]:
    """What botocore's endpoint makes of a response: `Endpoint._do_get_response` without its HTTP parts."""
    endpoint = client._endpoint
    as_dict = botocore.endpoint.convert_to_response_dict(response, model)
    parser = endpoint._response_parser_factory.create_parser(model.service_model.resolved_protocol)
    parsed = parser.parse(as_dict, model.output_shape)
    if response.status_code >= 300:
        endpoint._add_modeled_error_fields(as_dict, parsed, model, parser)
    return response, parsed


def _import(handler: str) -> Callable[..., Any]:
    module, name = handler.rsplit(".", 1)
    importlib.import_module(module)
    return lambda event, context: getattr(importlib.import_module(module), name)(event, context)


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": True, "body": {"errorType": kind, "errorMessage": message}}


def _is_retry(invocation: Invocation, of: Invocation) -> bool:
    return invocation.number > of.number and (invocation.step, invocation.order_id) == (of.step, of.order_id)


def _order_of(execution: dict[str, Any]) -> str:
    return str(json.loads(execution["input"]).get("order_id", ""))


def _short(execution: dict[str, Any]) -> str:
    return str(execution["executionArn"])[-6:]


def _outcome_of(result: Any) -> str:
    status = getattr(result, "status_code", None)
    if status is None:
        return str(result)
    if status < 300:
        return "done"
    return str(json.loads(result.content).get("__type", status)).rsplit("#", 1)[-1]


@contextmanager
def patched(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes for as long as it lasts; how a mutant is made of the real code."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


@contextmanager
def redefined(here: World, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Run the workflow with a changed definition for as long as it lasts: `change` gets a copy to work on."""
    machine = here.services["states"]._state_machines[here.stack.outputs["OrderWorkflowArn"]]
    definition = json.loads(machine["definition"])
    change(definition)
    before, machine["definition"] = machine["definition"], json.dumps(definition)
    try:
        yield
    finally:
        machine["definition"] = before


@functools.cache
def world() -> World:
    """This process's world; the first call deploys the stack."""
    return World()
