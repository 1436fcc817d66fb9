"""The pipeline in this process: the one module of the benchmark that knows how the simulation is built."""

from __future__ import annotations

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
from simulation.open_orders import EVERY_MINUTE
from simulation.patching import patched, patched_environment
from simulation.sandboxes import Invocation
from simulation.scenarios.world import Scenario, order, stock_item
from simulation.services import URL, Gateway
from simulation.world import Matched, World, redefined, world

__all__ = [
    "PIPELINE",
    "URL",
    "Answer",
    "Burst",
    "Change",
    "Design",
    "Gateway",
    "Invocation",
    "Matched",
    "World",
    "all_closed",
    "at_once",
    "call",
    "fill",
    "hear_nothing",
    "later",
    "order",
    "patched",
    "patched_environment",
    "ready",
    "redefined",
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
    """A pipeline to measure. `hosted` puts it into the world for as long as it lasts; `settings` are its template's."""

    name: str
    settings: Settings
    hosted: Callable[[World], AbstractContextManager[None]] = lambda _: nullcontext()


PIPELINE = Design("pipeline", template.settings())


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
            patched([(clock, "MAX_STEPS", 10**8), (here, "scheduled", False)]),
            patched_environment({"STOCK_SHARDS": str(shards)}),
            design.hosted(here),
        ):
            install(here, DELIVERIES["once"])
            for item in stock:
                here.put("InventoryTable", item)
            yield here
    finally:
        here.loop.close()
        here.leave()


def all_closed(here: World) -> None:
    """Raises RuntimeError when an order is still open: without a sweep, it would never be finished."""
    if left := here.stored()["OpenOrdersTable"]:
        raise RuntimeError(f"{len(left)} orders are still open")


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


def sweep(here: World) -> tuple[dict[str, int], float]:
    """Run the sweep once, as its schedule does. Answers what it answers, and for how many seconds it ran.

    The orders that it sends again go no further than the bus.
    """
    here.deliver = lambda _: None
    begun = here.loop.now
    answers: list[dict[str, int]] = []
    here.loop.spawn(lambda: answers.append(sweep_now(here)), name="scheduler")
    here.loop.settle()
    return answers[0], here.loop.now - begun


def sweep_now(here: World) -> dict[str, int]:
    """The same for somebody who acts in the world already."""
    [schedule] = [one for one in here.stack.schedules if one.expression == EVERY_MINUTE]
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
