"""The pipeline in this process: the one module of the benchmark that knows how the simulation is built."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from bench import template
from bench.template import Settings
from bench.units import Item
from orders import Outcome
from simulation import burst, clock, engine, ministack, schedule
from simulation.burst import Burst
from simulation.deliveries import DELIVERIES, install
from simulation.faults import Injector
from simulation.front_door import Answer
from simulation.open_orders import DAY, EVERY_MINUTE
from simulation.patching import patched, patched_environment
from simulation.sandboxes import Invocation
from simulation.scenarios import shipping
from simulation.scenarios.world import Scenario, order, stock_item
from simulation.services import URL, Distant
from simulation.world import Matched, World, redefined, world

__all__ = [
    "DAY",
    "PIPELINE",
    "URL",
    "Answer",
    "Burst",
    "Change",
    "Design",
    "Distant",
    "Invocation",
    "Matched",
    "World",
    "all_closed",
    "at_once",
    "call",
    "cold",
    "due",
    "fill",
    "hear_nothing",
    "hold_back",
    "later",
    "order",
    "patched",
    "patched_environment",
    "ready",
    "redefined",
    "run_schedule",
    "send_back",
    "state_entered",
    "stock_item",
    "sweep",
    "sweep_now",
    "variables",
    "violations",
    "workflow_engine",
]

Change = tuple[Any, str, Any]  # an owner, the name of its attribute, and what that becomes


@dataclass(frozen=True)
class Design:
    """A pipeline to measure. `hosted` puts it into the world for as long as it lasts; `settings` are its template's.
    `after_sale` says whether the shipping stack stands beside it.
    """

    name: str
    settings: Settings
    hosted: Callable[[World], AbstractContextManager[None]] = lambda _: nullcontext()
    after_sale: bool = False


PIPELINE = Design("pipeline", template.settings())
WHOLE = Design("pipeline and shipping", template.settings(), after_sale=True)


@contextmanager
def ready(design: Design, stock: Sequence[Item], shards: int = 1) -> Iterator[World]:
    """A world with nothing but this stock, in which no fault happens and everything is delivered once.

    Nothing sweeps by itself: what that costs is a minute's and not an order's (open_orders.py). See `all_closed`.
    """
    here = world()
    here.begin(0, Injector(()))
    try:
        with (
            # A thousand orders in one schedule are no endless loop.
            patched([(clock, "MAX_STEPS", 10**8), (here, "scheduled", False), (here, "expire", _nothing)]),
            patched_environment({"STOCK_SHARDS": str(shards)}),
            design.hosted(here),
        ):
            if design.after_sale:
                _after_sale(here)
            install(here, DELIVERIES["once"])
            for item in stock:
                here.put("InventoryTable", item)
            yield here
    finally:
        here.loop.close()
        here.leave()


def _nothing() -> None:
    """In place of what takes sandboxes away and expired items: a few orders take weeks here. How many invocations are
    cold is an assumption of the bill's (prices.toml).
    """


def _after_sale(here: World) -> None:
    """The shipping stack, and a carrier who tells of each parcel when it is taken and when it arrives."""
    here.absent = frozenset()
    here.carry = functools.partial(shipping.DELIVERS, here)


@contextmanager
def cold(here: World) -> Iterator[None]:
    """As long as it lasts, no invocation finds a sandbox that an earlier one has left."""

    def forget(_: Invocation) -> None:
        here.idle.clear()

    here.watchers.append(forget)
    try:
        yield
    finally:
        here.watchers.remove(forget)


def all_closed(here: World) -> None:
    """Raises RuntimeError when an order is still open, or a shipment: without a sweep, it would never be finished."""
    stored = here.stored()
    if left := [*stored["OpenOrdersTable"], *stored["OpenShipmentsTable"]]:
        raise RuntimeError(f"{len(left)} orders are still open")


def due(here: World, table: str) -> list[str]:
    """What a sweep would find by now in a list, by the table's logical name."""
    return [item["order_id"] for item in here.items(table) if item["sweep_at"] <= here.loop.now]


def fill(here: World, table: str, items: Iterable[Item]) -> None:
    """Put items into a table, by its logical name, without a request for each."""
    module = here.services.modules["dynamodb"]
    stored = module._tables[here.stack.tables[table]]
    for item in items:
        partition, sort, _ = module._resolve_table_key_values(stored, item, allow_extra=True)
        stored["items"][partition][sort] = item


def call(here: World, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Answer:
    """One request to the API of the front door, as API Gateway hands it over, and all that comes of it."""
    answers: list[Answer] = []
    here.loop.spawn(lambda: answers.append(here.ask(method, path, body, headers)), name="a client")
    here.loop.settle()
    return answers[0]


def hear_nothing(here: World) -> None:
    """Let nobody read the streams: what is placed or decided from now on stays as it is."""
    here.poll = lambda _: None


def later(here: World, seconds: float, do: Callable[[], Any]) -> None:
    """Do something after so many seconds of the world's, when everybody is let run."""
    here.loop.spawn(do, delay=seconds, name="somebody")


def hold_back(here: World, what: str, seconds: float) -> None:
    """Let the bus be late by so many seconds with events of this kind."""
    deliver = here.deliver

    def late(matched: Matched) -> None:
        if matched.what == what:
            later(here, seconds, lambda: deliver(matched))
        else:
            deliver(matched)

    here.deliver = late


def send_back(here: World, order_id: str, units: dict[str, int], seconds: float) -> None:
    """A customer sends units, by SKU, back after so many seconds."""
    here.loop.spawn(functools.partial(shipping.send_back(units, seconds, order_id=order_id), here), name="a customer")


def sweep(here: World, stack: str = "orders") -> tuple[dict[str, int], float]:
    """Run a stack's sweep once, as its schedule does. Answers what it answers, and for how many seconds it ran.

    The orders that it sends again go no further than the bus.
    """
    here.deliver = lambda _: None
    begun = here.loop.now
    answers: list[dict[str, int]] = []
    here.loop.spawn(lambda: answers.append(sweep_now(here, stack)), name="scheduler")
    here.loop.settle()
    return answers[0], here.loop.now - begun


def sweep_now(here: World, stack: str = "orders") -> dict[str, int]:
    """The same for somebody who acts in the world already."""
    return run_schedule(here, stack, EVERY_MINUTE)


def run_schedule(here: World, stack: str, expression: str) -> dict[str, int]:
    """Run what a stack's schedule of this expression starts; answers what that answers. The world has to be running."""
    [schedule] = [
        one for one in here.stack.schedules if (here.stack.stack_of(one.target), one.expression) == (stack, expression)
    ]
    answer: dict[str, int] = here.invoke(schedule.target.rsplit(":", 1)[1], json.loads(schedule.payload))["body"]
    return answer


def at_once(orders: int, concurrency: int) -> tuple[Burst, float]:
    """A burst, and for how many seconds functions ran in it, all in all."""
    done = burst.run(orders, concurrency)
    ran: dict[str, list[float]] = {}
    for entry in world().timeline:
        if entry.lane == "invocation" and entry.at <= done.seconds:
            ran.setdefault(entry.actor, []).append(entry.at)
    world().leave()
    return done, sum(times[-1] - times[0] for times in ran.values())


def variables() -> dict[str, str]:
    """The variables of all functions, with the names of what is deployed in the world."""
    deployed = world().stack.environment
    given = template.variables(*template.functions())
    return {name: deployed.get(name, value) for name, value in given.items()}


def workflow_engine() -> Any:
    """MiniStack's module that runs state machines."""
    return ministack.EXECUTIONS.owner


def state_entered() -> str:
    """The Task that runs now."""
    return engine._task.get()[0]


def violations(here: World, orders: Sequence[Item], stock: dict[str, int], shards: int) -> list[str]:
    """Every invariant that does not hold after `orders`, each of which may be confirmed or cancelled."""
    either = frozenset[str]({Outcome.CONFIRMED, Outcome.CANCELLED})
    outcomes = {item["order_id"]["S"]: either for item in orders}
    scenario = Scenario("bench", tuple(orders), stock, outcomes, shards=shards)
    return [f"{found.invariant}: {found.what}" for found in schedule.check(here, scenario)]
