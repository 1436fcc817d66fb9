"""The pipeline in one process: MiniStack's tables, bus and workflow engine, and our handlers in sandboxes of our own.

What AWS does and the emulator does not, the harness does here: it polls the stream and keeps its checkpoint, lets
sandboxes die, times invocations out, expires items and redelivers. Every request that an invocation makes passes
through `World.request`, which is where faults happen.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from invariants.books import plain_item
from simulation import clock, engine, stack
from simulation.faults import Injector
from simulation.services import Failures, Services


class SandboxDied(BaseException):
    """The runtime process is gone. Not an Exception: nothing in the handler may catch it and tidy up."""


class Entry(NamedTuple):
    """One thing that happened. `lane` is stream, bus, execution, invocation or request; `actor` tells apart what runs
    at the same time in a lane: an execution's name, an invocation's number. `execution` is who invoked.
    """

    lane: str
    at: float  # seconds since the schedule began
    order: str
    label: str
    outcome: str = ""
    actor: str = ""
    execution: str = ""


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


class Context:
    """The handler's `context`."""

    memory_limit_in_mb = 256

    def __init__(self, world: World, invocation: Invocation) -> None:
        self._world, self._invocation = world, invocation
        self.function_name = invocation.function
        self.invoked_function_arn = f"arn:aws:lambda:{stack.REGION}:000000000000:function:{invocation.function}"
        self.aws_request_id = f"invocation-{invocation.number}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._invocation.deadline - self._world.loop.now) * 1000))


class World:
    """One process's stack. `begin` makes it new for each schedule; there is one at a time."""

    def __init__(self) -> None:
        with patched_environment({}), quiet():
            stack.prepare()
            self.stack = stack.deploy()
        self.services = Services(self)
        self.states: Any = importlib.import_module("ministack.services.stepfunctions")
        self.handlers = {name: _import(handler) for name, handler in self.stack.handlers.items()}
        self.loop = clock.Loop()
        self._inside: ExitStack | None = None
        gc.collect()
        gc.freeze()  # what is there now stays; looking through it again and again takes a tenth of the time

    def enter(self) -> None:
        """Take over the process: its clock, its environment and MiniStack's parts, until `leave`."""
        if self._inside is None:
            self._inside = ExitStack()
            self._inside.enter_context(patched_environment(self.stack.environment))
            self._inside.enter_context(quiet())
            self._inside.enter_context(patched(engine.changes(self)))

    def leave(self) -> None:
        """Give the process back as it was."""
        if self._inside:
            self._inside.close()
            self._inside = None

    @contextmanager
    def hosting(self, function: str, handler: Callable[..., Any], timeout: float = 6.0) -> Iterator[None]:
        """Run a handler that is not the template's for as long as it lasts: in place of one of the template's
        functions, with that one's timeout, or under a name of its own, which is then its step.
        """
        settings: tuple[dict[str, Any], ...] = (self.handlers, self.stack.handlers, self.stack.timeouts)
        before = [(kept, dict(kept)) for kept in settings]
        self.handlers[function] = handler
        self.stack.handlers.setdefault(function, function)
        self.stack.timeouts.setdefault(function, timeout)
        try:
            yield
        finally:
            for kept, values in before:
                kept.clear()
                kept.update(values)

    # ── A new world for each schedule ─────────────────────────────────────────────────────────────────────────────

    def begin(self, seed: int, injector: Injector) -> None:
        """Empty every table, queue and mailbox, forget every sandbox, and start the clock again."""
        self.enter()
        self.loop = clock.Loop()
        self.born = self.loop.now
        self.random = random.Random(seed)
        self.names = random.Random(seed)  # apart, so that one name more changes nothing else
        random.seed(seed)
        self.injector = injector
        # What happened, for the invariants and for people.
        self.timeline: list[Entry] = []
        self.invocations: list[Invocation] = []
        self.changes: list[dict[str, Any]] = []  # the records of all streams, also those past their 24 hours
        self.on_bus: list[dict[str, Any]] = []  # the details of the OrderPlaced events that matched the rule
        self.started: list[tuple[str, str]] = []  # (order, execution) for each execution that began
        self.provider_answers: list[tuple[str, str, tuple[Any, ...]]] = []  # order, operation, arguments
        self.alerts: list[dict[str, Any]] = []
        self.restocked: Counter[str] = Counter()  # pieces that arrived since, by SKU
        self.placed: dict[str, list[dict[str, Any]]] = {}  # each version of an order that its customer wrote
        # Who wants to know.
        self.watchers: list[Callable[[Invocation], None]] = []  # called with each invocation that ends
        self.deliver: Callable[[str, str], None] = self.start_execution  # called with the rule's target and its input
        self.poll: Callable[[str], None] = lambda _: None  # called with the table whose stream grew
        self.checkpoint: Callable[[str], None] = lambda _: None  # called with what follows where runs may meet
        self._newest: dict[str, dict[str, Any]] = {}  # record of each stream
        self._idle: dict[str, list[Sandbox]] = {}
        self.zombies: list[tuple[Invocation, str]] = []  # that wait to go on
        self._empty()

    def _empty(self) -> None:
        dynamodb = self.services.modules["dynamodb"]
        for table in dynamodb._tables.values():
            table["items"].clear()
            table["ItemCount"] = table["TableSizeBytes"] = 0
        for store in (dynamodb._stream_records, dynamodb._stream_trimmed, dynamodb._txn_idempotency):
            store.clear()
        self.states._executions.clear()
        self.services.modules["events"]._events_log_list().clear()
        _sent_emails().clear()
        for queue in self.services.modules["sqs"]._queues.values():
            queue["messages"].clear()

    def log(
        self, lane: str, order: str, label: str, outcome: str = "", actor: str = "", *, execution: str = ""
    ) -> None:
        """Add to the timeline."""
        at = round(self.loop.now - clock.EPOCH, 4)
        self.timeline.append(Entry(lane, at, order, label, outcome, actor, execution))

    # ── Tables, queues and emails ──────────────────────────────────────────────────────

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """The items of every table by its logical name, as DynamoDB writes them."""
        tables = self.services.modules["dynamodb"]._tables
        return {
            name: [item for by_sort in tables[table]["items"].values() for item in by_sort.values()]
            for name, table in self.stack.tables.items()
        }

    def items(self, table: str) -> list[dict[str, Any]]:
        """The items of a table by its logical name, in plain values."""
        return [plain_item(item) for item in self.stored()[table]]

    def stream_grew(self) -> None:
        """A table with a stream has changed; called after each record."""
        for table in self.stack.mappings:
            records = self.services.modules["dynamodb"]._stream_records.get(table)
            if records and records[-1] is not self._newest.get(table):
                self._newest[table] = records[-1]
                self.changes.append(records[-1])
                self.poll(table)

    def changes_of(self, table: str) -> list[dict[str, Any]]:
        """The stream records of a table by its logical name."""
        place = f":table/{self.stack.tables[table]}/"
        return [record for record in self.changes if place in record["eventSourceARN"]]

    def bus_events(self) -> list[dict[str, Any]]:
        """What the bus took."""
        return list(self.services.modules["events"]._events_log_list())

    def emails(self) -> list[dict[str, Any]]:
        """What SES took."""
        return list(_sent_emails())

    def queue(self, output: str) -> list[dict[str, Any]]:
        """The bodies of what waits in a queue, named by the stack's output."""
        return [json.loads(message["body"]) for message in self._messages(output)]

    def drain(self, output: str) -> list[dict[str, Any]]:
        """Take everything out of a queue."""
        bodies = self.queue(output)
        self._messages(output).clear()
        return bodies

    def _messages(self, output: str) -> list[dict[str, Any]]:
        name = self.stack.outputs[output].rsplit("/", 1)[1]
        queues = self.services.modules["sqs"]._queues
        messages: list[dict[str, Any]] = next(q for url, q in queues.items() if url.endswith(name))["messages"]
        return messages

    def send(self, output: str, body: dict[str, Any]) -> None:
        """Put a message into a queue, as AWS does with what it gave up on."""
        url = self.stack.outputs[output]
        self.services.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def executions(self) -> list[dict[str, Any]]:
        """The workflow's executions."""
        return list(self.states._executions.values())

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Write an item as somebody outside the pipeline does."""
        if table == "OrdersTable":
            self.placed.setdefault(item["order_id"]["S"], []).append(item)
        self.services.client("dynamodb").put_item(TableName=self.stack.tables[table], Item=item)

    def expire(self) -> None:
        """Delete what is past its time to live, as DynamoDB does sooner or later."""
        for table, attribute in self.stack.ttl.items():
            by_key = self.services.modules["dynamodb"]._tables[table]["items"]
            for by_sort in by_key.values():
                for key, item in list(by_sort.items()):
                    if attribute in item and float(item[attribute]["N"]) <= self.loop.now:
                        del by_sort[key]
        self._idle.clear()  # no sandbox lives for hours either

    # ── Executions ────────────────────────────────────────────────────────────────────────────────────────────────

    def start_execution(self, arn: str, event: str) -> None:
        """Start the workflow, as a rule's target does."""
        self.states._start_execution({"stateMachineArn": arn, "input": event})

    def start(self, event: dict[str, Any]) -> None:
        """Start the workflow for an event's detail: a delivery of the bus that nobody ordered."""
        self.start_execution(self.stack.outputs["OrderWorkflowArn"], json.dumps(event))

    def copy_execution(self, arn: str) -> None:
        """Run an execution a second time under its own name, as Express may."""
        key = f"{arn}#copy"
        execution = {**self.states._executions[arn], "events": [], "copy": True}
        self.states._executions[key] = execution
        self.started.append((engine.order_of(execution), key))
        self.loop.spawn(lambda: self.states._run_execution(key), name="execution")

    def execution_changed(self, execution: dict[str, Any]) -> None:
        """An execution began or ended; called in place of `stepfunctions._emit_execution_status_event`."""
        order_id, status = engine.order_of(execution), execution["status"]
        self.log("execution", order_id, status.lower(), execution.get("error", ""), engine.short_name(execution))
        if status == "RUNNING":
            self.started.append((order_id, execution["executionArn"]))
        else:
            self._wake_zombies(lambda zombie, _: zombie.execution == execution["executionArn"])

    def rule_matched(self, arn: str, payload: str) -> None:
        """The bus has an event for the workflow, and the delivery decides when and how often it gets it; called in
        place of `eventbridge._dispatch_to_stepfunctions`.
        """
        event = json.loads(payload)
        self.log("bus", event["order_id"], "OrderPlaced")
        self.on_bus.append(event)
        self.deliver(arn, payload)

    # ── Invocations ───────────────────────────────────────────────────────────────────────────────────────────────

    def invoke(
        self,
        function: str,
        event: dict[str, Any],
        patience: float | None = None,
        execution: str = "",
        shown_as: str = "",  # the execution, in the timeline
    ) -> Any:
        """Invoke a function and wait for its answer: `{"body": …}`, with `error` when it failed.

        The caller waits for `patience` seconds at most, and an invocation may go on after that (a zombie).
        """
        timeout = self.stack.timeouts[function]
        step = event.get("action", self.stack.handlers[function].split(".")[0])
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
        self.log("invocation", invocation.order_id, step, "begins", str(invocation.number), execution=shown_as)
        invocation.caller = self.loop.current()
        invocation.actor = self.loop.spawn(lambda: self._run(invocation), name=step)
        invocation.actor.invocation = invocation
        self.loop.park()
        if invocation.answer is None:
            raise RuntimeError(f"{step} was never answered")
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
            self._idle.setdefault(invocation.function, []).append(invocation.sandbox)
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

    def whose_code(self) -> Invocation | None:
        """The invocation whose code runs now; None for the workflow's own and for the world outside."""
        actor = self.loop.running
        return actor.invocation if actor else None

    def invocation(self) -> Invocation:
        """The invocation whose code runs now."""
        invocation: Invocation = self.loop.current().invocation
        return invocation

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
            case "throttled" | "conflict" | "refused":
                self.log("request", invocation.order_id, call.site, fault, number)
                fail: Callable[[], Any] = getattr(failures, fault)
                return fail()
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
        self.zombies.append((invocation, kind))
        self._tell(invocation, _error("States.Timeout", "the caller gave up"))
        self.loop.park()
        self.log("invocation", invocation.order_id, invocation.step, "goes on, late", str(invocation.number))

    def _wake_zombies(self, which: Callable[[Invocation, str], bool]) -> bool:
        awake = [entry for entry in self.zombies if which(*entry)]
        for entry in awake:
            self.zombies.remove(entry)
            self.loop.wake(entry[0].actor)
        return bool(awake)

    def wake_all_zombies(self) -> bool:
        """Let every zombie that still waits go on; answers whether there was one."""
        return self._wake_zombies(lambda *_: True)


def _sent_emails() -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = importlib.import_module("ministack.services.ses")._sent_emails_list()
    return sent


def _import(handler: str) -> Callable[..., Any]:
    module, name = handler.rsplit(".", 1)
    imported = importlib.import_module(module)

    def call(event: Any, context: Context) -> Any:
        return getattr(imported, name)(event, context)  # looked up late: a mutant may stand in for it

    return call


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": True, "body": {"errorType": kind, "errorMessage": message}}


def _is_retry(invocation: Invocation, of: Invocation) -> bool:
    return invocation.number > of.number and (invocation.step, invocation.order_id) == (of.step, of.order_id)


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
def patched_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, and have all of them as they were afterwards."""
    before = dict(os.environ)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines: the timeline tells the story."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def redefined(here: World, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Run the workflow with a changed definition for as long as it lasts: `change` gets a copy to work on."""
    machine = here.states._state_machines[here.stack.outputs["OrderWorkflowArn"]]
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
