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
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from aws.item import plain_item
from simulation import clock, engine, ministack, stack
from simulation.faults import Injector
from simulation.open_orders import EVERY_MINUTE
from simulation.patching import patched, patched_environment, quiet
from simulation.sandboxes import Context
from simulation.senders import Senders
from simulation.services import Services

SWEPT = "sent again by the sweep"  # in the timeline

# Between the attempts at an asynchronous invocation, in seconds.
ASYNCHRONOUS_RETRIES = (60, 120)


class Matched(NamedTuple):
    """An event that matched a rule: the rule's target, what it gets, and the event's detail-type."""

    target: str  # ARN of a workflow or a function
    payload: str
    what: str = ""

    @property
    def order_id(self) -> str:
        """Which order it is about, if it is about one."""
        return str(json.loads(self.payload).get("order_id", ""))


class World(Senders):
    """One process's stack. `begin` makes it new for each schedule; there is one at a time."""

    def __init__(self) -> None:
        with patched_environment({}), quiet():
            stack.prepare()
            self.stack = stack.deploy()
            self.services = Services(self)
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
        self.forget_sandboxes()
        self.forget_open_orders()
        self.changes: list[dict[str, Any]] = []  # the records of all streams, also those past their 24 hours
        self.matched: list[Matched] = []  # the events that matched a rule
        self.announcing = ""  # the detail-type of the event that the bus is dispatching
        self.started: list[tuple[str, str]] = []  # (order, execution) for each execution that began
        self.provider_answers: list[tuple[str, str, tuple[Any, ...]]] = []  # order, operation, arguments
        self.restocked: Counter[str] = Counter()  # pieces that arrived since, by SKU
        self.placed: dict[str, list[dict[str, Any]]] = {}  # each version of an order that its customer wrote
        self.forget_front_door()
        self.forget_senders()
        # Who wants to know.
        self.deliver: Callable[[Matched], None] = self.start_target  # called with what matched a rule
        self.poll: Callable[[str], None] = lambda _: None  # called with the table whose stream grew
        self.checkpoint: Callable[[str], None] = lambda _: None  # called with what follows where runs may meet
        self._newest: dict[str, dict[str, Any]] = {}  # record of each stream
        self._empty()

    def _empty(self) -> None:
        for table in ministack.TABLES.get().values():
            table["items"].clear()
            table["ItemCount"] = table["TableSizeBytes"] = 0
        for store in (ministack.STREAM_RECORDS, ministack.STREAM_TRIMMED, ministack.TRANSACTIONS):
            store.get().clear()
        for of_executions in (ministack.EXECUTIONS, ministack.TASK_TOKENS):
            of_executions.get().clear()
        ministack.EVENTS.get()().clear()
        ministack.EMAILS.get()().clear()
        for queue in ministack.QUEUES.get().values():
            queue["messages"].clear()

    # ── Tables, queues and emails ──────────────────────────────────────────────────────

    def items(self, table: str) -> list[dict[str, Any]]:
        """The items of a table by its logical name, in plain values."""
        return [plain_item(item) for item in self.stored()[table]]

    def stream_grew(self) -> None:
        """A table with a stream has changed; called after each record."""
        for table in self.stack.mappings:
            records = ministack.STREAM_RECORDS.get().get(table)
            if records and records[-1] is not self._newest.get(table):
                self._newest[table] = records[-1]
                self.changes.append(records[-1])
                self.poll(table)

    def changes_of(self, table: str) -> list[dict[str, Any]]:
        """The stream records of a table by its logical name."""
        place = f":table/{self.stack.tables[table]}/"
        return [record for record in self.changes if place in record["eventSourceARN"]]

    @property
    def on_bus(self) -> list[dict[str, Any]]:
        """The details of the events that matched a rule."""
        return [json.loads(matched.payload) for matched in self.matched]

    def bus_events(self) -> list[dict[str, Any]]:
        """What the bus took."""
        return list(ministack.EVENTS.get()())

    def emails(self) -> list[dict[str, Any]]:
        """What SES took."""
        return list(ministack.EMAILS.get()())

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
        queues = ministack.QUEUES.get()
        messages: list[dict[str, Any]] = next(q for url, q in queues.items() if url.endswith(name))["messages"]
        return messages

    def send(self, output: str, body: dict[str, Any]) -> None:
        """Put a message into a queue, as AWS does with what it gave up on."""
        url = self.stack.outputs[output]
        self.services.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def definition(self, workflow: str = "OrderWorkflow") -> dict[str, Any]:
        """A workflow's definition, as deployed; the workflow by its logical name."""
        definition: dict[str, Any] = json.loads(
            ministack.STATE_MACHINES.get()[self.stack.workflows[workflow]]["definition"]
        )
        return definition

    def text_of(self, arn: str) -> str:
        """The definition that an execution runs, as it is written."""
        execution = ministack.EXECUTIONS.get()[arn]
        return str(ministack.STATE_MACHINES.get()[execution["stateMachineArn"]]["definition"])

    def executions(self) -> list[dict[str, Any]]:
        """The workflow's executions."""
        return list(ministack.EXECUTIONS.get().values())

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Write an item as somebody outside the pipeline does."""
        self.services.client("dynamodb").put_item(TableName=self.stack.tables[table], Item=item)

    def expire(self) -> None:
        """Delete what is past its time to live, as DynamoDB does sooner or later."""
        for table, attribute in self.stack.ttl.items():
            by_key = ministack.TABLES.get()[table]["items"]
            for by_sort in by_key.values():
                for key, item in list(by_sort.items()):
                    if attribute in item and float(item[attribute]["N"]) <= self.loop.now:
                        del by_sort[key]
        self.idle.clear()  # no sandbox lives for hours either

    # ── Executions ────────────────────────────────────────────────────────────────────────────────────────────────

    def start_execution(self, arn: str, event: str) -> None:
        """Start the workflow, as a rule's target does."""
        ministack.START_EXECUTION.get()({"stateMachineArn": arn, "input": event})

    def start_target(self, due: Matched) -> None:
        """Start what a rule or a schedule starts: a workflow, or a function by an asynchronous invocation."""
        if ":stateMachine:" in due.target:
            self.start_execution(due.target, due.payload)
        else:
            self.loop.spawn(lambda: self._invoke_asynchronously(due), name="asynchronous")

    def _invoke_asynchronously(self, due: Matched) -> None:
        """Until it succeeds, three times at most.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        """
        for wait in (*ASYNCHRONOUS_RETRIES, None):
            answer = self.invoke(due.target.rsplit(":", 1)[1], json.loads(due.payload))
            if not answer.get("error") or wait is None:
                return
            self.loop.sleep(wait)

    def schedules_come_due(self) -> None:
        """Every schedule fires, twice: EventBridge Scheduler delivers at least once. Those of a minute do so by
        themselves.
        """
        for schedule in self.stack.schedules:
            if schedule.expression == EVERY_MINUTE or self.stack.stack_of(schedule.target) in self.absent:
                continue
            self.log("bus", "", schedule.name, "is due")
            for _ in range(2):
                self.start_target(Matched(schedule.target, schedule.payload))

    def copy_execution(self, arn: str) -> None:
        """Run an execution a second time under its own name, as Express may."""
        key = f"{arn}#copy"
        execution = {**ministack.EXECUTIONS.get()[arn], "events": [], "copy": True}
        ministack.EXECUTIONS.get()[key] = execution
        self.started.append((engine.order_of(execution), key))
        self.loop.spawn(lambda: ministack.RUN_EXECUTION.get()(key), name="execution")

    def execution_changed(self, execution: dict[str, Any]) -> None:
        """An execution began or ended; called in place of MiniStack's own report of it."""
        order_id, status = engine.order_of(execution), execution["status"]
        self.log("execution", order_id, status.lower(), execution.get("error", ""), engine.short_name(execution))
        if status == "RUNNING":
            self.started.append((order_id, execution["executionArn"]))
        else:
            self.wake_zombies(lambda zombie, _: zombie.execution == execution["executionArn"])
            self.tick_when_due()

    def rule_matched(self, arn: str, payload: str) -> None:
        """The bus has an event for a workflow or a function, and the delivery decides when and how often it gets it;
        called in place of MiniStack's own dispatch.
        """
        if self.stack.stack_of(arn) in self.absent:
            return
        matched = Matched(arn, payload, self.announcing)
        self.log("bus", matched.order_id, matched.what)
        if "tried_minutes" in json.loads(payload):
            self.log("bus", matched.order_id, SWEPT)
        self.matched.append(matched)
        self.deliver(matched)


def _import(handler: str) -> Callable[..., Any]:
    module, name = handler.rsplit(".", 1)
    imported = importlib.import_module(module)

    def call(event: Any, context: Context) -> Any:
        return getattr(imported, name)(event, context)  # looked up late: a mutant may stand in for it

    return call


@contextmanager
def redefined(here: World, change: Callable[[dict[str, Any]], None], workflow: str = "OrderWorkflow") -> Iterator[None]:
    """Run a workflow with a changed definition for as long as it lasts: `change` gets a copy to work on."""
    machine = ministack.STATE_MACHINES.get()[here.stack.workflows[workflow]]
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
