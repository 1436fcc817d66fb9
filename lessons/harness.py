"""Runs a lesson's handlers in the fault simulation and measures what they did.

A lesson says which messages arrive and when, what goes wrong at which request, and what the tables must say in the
end. The broken and the repaired code get the same schedule. Time, tables, requests, crashes and zombies come from
simulation/; this module sends the messages and reads the tables.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from simulation import (
    DELIVERIES,
    Entry,
    Fault,
    Injector,
    Matched,
    World,
    clock,
    install,
    redefined,
    stack,
    stock_item,
    world,
)

LESSONS = Path(__file__).parent
CURRENCY = "EUR"

# A Task without a timeout waits for as long as its execution may run: a year.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-state-machine-executions
EXECUTION_SECONDS = 365 * 24 * 60 * 60

Variant = Literal["broken", "fixed"]
VARIANTS: tuple[Variant, ...] = ("broken", "fixed")


@dataclass(frozen=True)
class Message:
    """Something that is delivered to the handler `at` so many seconds, by a sender that repeats it on error: `attempts`
    times in all, `wait` seconds apart. An answer without an error acknowledges it. Or it starts the workflow. What only
    the world knows, a key for instance, is asked for when its time has come.
    """

    event: dict[str, Any] | Callable[[World], dict[str, Any]]
    at: float = 0.0
    attempts: int = 1
    wait: float = 60.0
    says: str = "delivered"
    to: Literal["handler", "workflow"] = "handler"
    only_if: Callable[[World], bool] = lambda _: True  # whether it is sent at all, asked when its time has come


@dataclass(frozen=True)
class Measure:
    """Something to count at the end. `unit` is `money` (minor units of CURRENCY) or the name of what is counted."""

    what: str
    should_be: int
    look: Callable[[World], int]
    unit: str = "money"


@dataclass(frozen=True)
class Lesson:
    """One mistake. `words` says what a request is for, by its name (`gateway.authorize`), for the timeline."""

    title: str
    schedule: str
    why: str
    measures: tuple[Measure, ...]
    messages: tuple[Message, ...] = ()
    items: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)  # that are there, by table
    stock: dict[str, int] = field(default_factory=dict)  # pieces by SKU
    faults: tuple[Fault, ...] = ()
    late: float | None = None  # when invocations that their sender gave up on go on
    loses_the_first: bool = False  # the bus loses the first event of each order, and gives the others to `handler`
    minutes: int = 0  # for so long `on_schedule` is invoked every minute
    concurrency: int | None = None  # how many invocations may run at once
    sender: str = "queue"
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What was counted, and what it should be."""

    measure: Measure
    was: int

    @property
    def right(self) -> bool:
        """Whether it is as it should be."""
        return self.was == self.measure.should_be

    @property
    def damage(self) -> int:
        """How far it is off."""
        return abs(self.was - self.measure.should_be)

    def text(self, amount: int) -> str:
        """An amount in the measure's unit."""
        from orders.money import format_amount  # on the path once there is a world

        if self.measure.unit == "money":
            return format_amount(amount, CURRENCY)
        return f"{amount} {self.measure.unit.removesuffix('s') if abs(amount) == 1 else self.measure.unit}"


@dataclass(frozen=True)
class Run:
    """What became of one variant. `seconds` are real ones."""

    variant: Variant
    timeline: list[Entry]
    findings: list[Finding]
    fired: list[Fault]
    seconds: float

    @property
    def survived(self) -> bool:
        """Whether everything is as it should be."""
        return all(finding.right for finding in self.findings)


def folders() -> dict[int, Path]:
    """The lessons' folders by number."""
    return {int(path.name.split("_")[1]): path for path in sorted(LESSONS.glob("lesson_*"))}


def load(number: int) -> Lesson:
    """A lesson by its number. Raises KeyError."""
    lesson: Lesson = importlib.import_module(f"lessons.{folders()[number].name}.lesson").LESSON
    return lesson


def run(number: int, variant: Variant, seed: int = 0) -> Run:
    """Run one variant of a lesson through its schedule, to the end of everything that it sets off.

    `seed` decides latencies, and so who is first where two run at the same time.
    """
    begun = time.perf_counter()
    lesson, here = load(number), world()
    injector = Injector(lesson.faults)
    here.begin(seed, injector)
    here.deliver = lambda *_: None  # what the bus takes is counted, not processed
    here.scheduled = False
    here.concurrency = lesson.concurrency
    with ExitStack() as hosted:
        hosted.enter_context(_warnings_of(here))
        try:
            send = _host(hosted, here, folders()[number], variant)
            _play(here, lesson, send)
            findings = [Finding(measure, measure.look(here)) for measure in lesson.measures]
        finally:
            here.loop.close()
    return Run(variant, here.timeline, findings, injector.fired, time.perf_counter() - begun)


Send = Callable[[Message], Any]


@contextmanager
def _warnings_of(here: World) -> Iterator[None]:
    """A library's warnings go into the timeline, as they would go into the function's log."""

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        invocation = here.whose_code()
        if invocation and category is UserWarning:
            text = str(message).split(".")[0]
            here.log("invocation", invocation.order_id, invocation.step, f"warns: {text}", str(invocation.number))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        yield


def _host(hosted: ExitStack, here: World, folder: Path, variant: Variant) -> Send:
    """Install a variant: a handler, a workflow, or a handler and the workflow around it. The last is the same for both
    variants, and calls the handler in place of `ask`. Answers how a message is sent.
    """
    path, shared = folder / f"{variant}.py", folder / "workflow.asl.json"
    for workflow in (folder / f"{variant}.asl.json", shared):
        if workflow.exists():
            hosted.enter_context(redefined(here, _becomes(here, json.loads(workflow.read_text("utf-8")))))
    for function in ("handler", "on_change", "on_schedule"):
        if path.exists() and re.search(rf"(def|as) {function}\b", path.read_text("utf-8")):
            hosted.enter_context(_hosting(here, path, function))
            # Each stack has a list of its own under this name. A lesson's functions have the pipeline's.
            here.stack.variables[function] = {"OPEN_ORDERS_TABLE": here.stack.tables["OpenOrdersTable"]}
            hosted.callback(here.stack.variables.pop, function)
    if shared.exists():
        ask = next(name for name, handler in here.stack.handlers.items() if handler == "ask.app.handler")
        hosted.enter_context(here.hosting(ask, here.handlers["handler"]))
    return functools.partial(_send, here)


def _hosting(here: World, path: Path, function: str) -> AbstractContextManager[None]:
    """`handler` gets the messages, `on_change` the stream of the Orders table; `on_schedule` comes every minute."""

    def call(event: Any, context: Any) -> Any:
        memory = here.invocation().sandbox.memory
        if path not in memory:
            memory[path] = _cold_start(here, path)
        return getattr(memory[path], function)(event, context)

    if function != "on_change":
        return here.hosting(function, call)
    here.poll = install(here, DELIVERIES["once"]).wake
    here.deliver = lambda *_: None
    [mapping] = here.stack.mappings[here.stack.tables["OrdersTable"]]
    return here.hosting(mapping["FunctionArn"].rsplit(":", 1)[1], call)


def _cold_start(here: World, path: Path) -> ModuleType:
    """Import a fresh copy of a handler's module, as each sandbox does, and give it the simulation's clock."""
    name = f"lessons.{path.parent.name}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not spec or not spec.loader:
        raise ImportError(f"{path} can't be imported")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for owner, attribute, value in clock.changes((name,), lambda: here.loop):
        setattr(owner, attribute, value)
    return module


def _becomes(here: World, definition: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Replace the workflow by another one, which calls the template's functions."""
    for state in definition["States"].values():
        if state["Type"] == "Task":
            state.setdefault("TimeoutSeconds", EXECUTION_SECONDS)
    text = json.dumps(definition)
    for function, handler in here.stack.handlers.items():
        placeholder = f"${{{handler.split('.')[0].capitalize()}FunctionArn}}"
        text = text.replace(placeholder, f"arn:aws:lambda:{stack.REGION}:000000000000:function:{function}")

    def change(deployed: dict[str, Any]) -> None:
        deployed.clear()
        deployed.update(json.loads(text))

    return change


def _play(here: World, lesson: Lesson, send: Send) -> None:
    for sku, pieces in lesson.stock.items():
        here.put("InventoryTable", stock_item(sku, pieces))
    for table, items in lesson.items.items():
        for item in items:
            here.put(table, item)
    for message in lesson.messages:
        here.loop.spawn(functools.partial(send, message), delay=message.at, name="sender")
    if lesson.loses_the_first:
        here.deliver = _loses_the_first(here)
    if "on_schedule" in here.handlers:
        for minute in range(1, lesson.minutes + 1):
            here.loop.spawn(lambda: here.invoke("on_schedule", {}), delay=60 * minute, name="schedule")
    if lesson.late is not None:
        here.loop.spawn(here.wake_all_zombies, delay=lesson.late, name="thaw")
    here.loop.settle()
    while here.wake_all_zombies():
        here.loop.settle()


def _loses_the_first(here: World) -> Callable[[Matched], None]:
    known: set[str] = set()

    def deliver(matched: Matched) -> None:
        if matched.order_id not in known:
            known.add(matched.order_id)
            here.log("loss", matched.order_id, "is lost: no rule matched")
        else:
            here.loop.spawn(lambda: here.invoke("handler", json.loads(matched.payload)), delay=0.05, name="bus")

    return deliver


def _send(here: World, message: Message) -> None:
    if not message.only_if(here):
        return
    event = message.event(here) if callable(message.event) else message.event
    if message.to == "workflow":
        here.start_execution(here.stack.workflows["OrderWorkflow"], json.dumps(event))
    else:
        _deliver(here, message, event)


def _deliver(here: World, message: Message, event: dict[str, Any]) -> None:
    for attempt in _attempts(here, message):
        says = message.says if attempt == 1 else f"again, attempt {attempt}"
        here.log("sender", event.get("order_id", ""), says)
        if not here.invoke("handler", event).get("error"):
            return
    if message.attempts > 1:
        here.log("sender", event.get("order_id", ""), "gives up")


def _attempts(here: World, message: Message) -> Iterator[int]:
    for attempt in range(1, message.attempts + 1):
        if attempt > 1:
            here.loop.sleep(message.wait)
        yield attempt


# ── What a measure can look at ────────────────────────────────────────────────────────────────────────────────────────


def in_stock(sku: str, should_be: int) -> Measure:
    """The pieces of a SKU that the table says can be sold."""

    def look(here: World) -> int:
        key = stock_item(sku, 0)["pk"]["S"]
        return next(int(item["available"]) for item in here.items("InventoryTable") if item["pk"] == key)

    return Measure(f"{sku} left in stock", should_be, look, "pieces")


def on_the_card(order_id: str, should_be: int) -> Measure:
    """What the provider holds or took for an order, in minor units."""

    def look(here: World) -> int:
        live = ("requires_capture", "succeeded")
        intents = [item for item in here.items("SimulatedGatewayTable") if item["order_id"] == order_id]
        return sum(int(item["amount"]) for item in intents if item["status"] in live)

    return Measure(f"held on the card of {order_id}", should_be, look)


def started(should_be: int) -> Measure:
    """The number of orders whose event the bus has delivered to the workflow."""
    return Measure(
        "orders whose workflow starts", should_be, lambda here: len({e["order_id"] for e in here.on_bus}), "orders"
    )


def answered(what: str, key: str, should_be: int, unit: str = "orders") -> Measure:
    """The number of invocations that answered with `key` true."""

    def look(here: World) -> int:
        answers = [invocation.answer for invocation in here.invocations]
        return sum(bool(answer and not answer.get("error") and answer["body"].get(key)) for answer in answers)

    return Measure(what, should_be, look, unit)
