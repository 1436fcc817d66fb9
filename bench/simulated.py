"""The pipeline in this process: the one module of the benchmark that knows how the simulation is built."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from aws.metrics import emit
from bench import template
from bench.template import Settings
from bench.units import Item
from orders import Outcome
from simulation import burst, clock, engine, ministack, schedule
from simulation.deliveries import DELIVERIES, install
from simulation.faults import Injector
from simulation.patching import patched, patched_environment
from simulation.sandboxes import Invocation
from simulation.scenarios.world import Scenario, order, stock_item
from simulation.services import URL, Gateway
from simulation.world import Matched, World, redefined, world

__all__ = [
    "PIPELINE",
    "URL",
    "Change",
    "Design",
    "Gateway",
    "Invocation",
    "Matched",
    "World",
    "burst",
    "metrics_written",
    "order",
    "patched",
    "patched_environment",
    "ready",
    "redefined",
    "state_entered",
    "stock_item",
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
    """A world with nothing but this stock, in which no fault happens and everything is delivered once."""
    here = world()
    here.begin(0, Injector(()))
    try:
        with (
            patched(
                [
                    (clock, "MAX_STEPS", 10**8),  # a thousand orders in one schedule are no endless loop
                    (here, "tick_when_due", lambda: None),  # the sweep is paid for by the minute, not by the order
                ]
            ),
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


def variables() -> dict[str, str]:
    """The variables of all functions, with the names of what is deployed in the world."""
    deployed = world().stack.environment
    return {name: deployed.get(name, value) for name, value in template.variables().items()}


def workflow_engine() -> Any:
    """MiniStack's module that runs state machines."""
    return ministack.EXECUTIONS.owner


def metrics_written() -> list[Change]:
    """The functions' own metrics, as lines, in place of the simulation's count of them."""
    return [(sys.modules["notify.app"], "emit", emit)]


def state_entered() -> str:
    """The Task that runs now."""
    return engine._task.get()[0]


def violations(here: World, orders: Sequence[Item], stock: dict[str, int], shards: int) -> list[str]:
    """Every invariant that does not hold after `orders`, each of which may be confirmed or cancelled."""
    either = frozenset[str]({Outcome.CONFIRMED, Outcome.CANCELLED})
    outcomes = {item["order_id"]["S"]: either for item in orders}
    scenario = Scenario("bench", tuple(orders), stock, outcomes, shards=shards)
    return [f"{found.invariant}: {found.what}" for found in schedule.check(here, scenario)]
