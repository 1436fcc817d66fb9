"""A schedule is everything that decides how a run goes. The same schedule always goes the same way."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.simulation import deliveries, invariants
from tests.simulation.deliveries import DELIVERIES
from tests.simulation.faults import Fault, Injector
from tests.simulation.invariants import Violation
from tests.simulation.poller import Poller
from tests.simulation.scenarios import SCENARIOS, Meanwhile, Scenario, stock_item
from tests.simulation.world import Entry, Invocation, World, patched_environment, world

MAX_REDRIVES = 3


@dataclass(frozen=True)
class Schedule:
    """`seed` decides latencies and jitter; everything else is named."""

    scenario: str = "happy"
    delivery: str = "once"
    faults: tuple[Fault, ...] = ()
    seed: int = 0

    def __str__(self) -> str:
        faults = "; ".join(map(str, self.faults)) or "no fault"
        return f"[seed {self.seed}] {self.scenario}, {self.delivery}: {faults}"

    def to_json(self) -> str:
        """The schedule as one line, for `python -m tests.simulation --replay`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Schedule:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return Schedule(**{**fields, "faults": tuple(Fault(**fault) for fault in fields["faults"])})


@dataclass
class Result:
    """What a schedule led to. `reached` counts each site; `fired` are the faults that found their site."""

    schedule: Schedule
    violations: list[Violation]
    timeline: list[Entry]
    reached: dict[str, int]
    fired: list[Fault]
    outcomes: dict[str, str] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # emails by address
    escalated: bool = False  # an execution failed and was redriven by a person
    seconds: float = 0.0  # real ones
    largest_batch: int = 0  # that the poller saw before the last redelivery


Mutation = Callable[[World], AbstractContextManager[Any]]


def run(schedule: Schedule, mutation: Mutation | None = None) -> Result:
    """Run a schedule to its end and check every promise.

    `mutation` changes the real code for this run: it gets the world and answers a context manager, for example
    `lambda _: patched([(inventory.app, "release", broken)])`, or `lambda world: redefined(world, change)`.
    """
    begun = time.perf_counter()
    here = world()
    scenario = SCENARIOS[schedule.scenario]
    given = (*scenario.given, *DELIVERIES[schedule.delivery].given)
    injector = Injector((*given, *schedule.faults))
    here.begin(schedule.seed, injector)
    # Where a scenario doesn't say, it's the template's default.
    with patched_environment({"STOCK_SHARDS": str(scenario.shards)}), mutation(here) if mutation else nullcontext():
        try:
            poller = _play(here, scenario, schedule)
            violations = finish(here, scenario, poller)
            largest = poller.largest
        finally:
            here.loop.close()
    return Result(
        schedule,
        violations,
        here.timeline,
        dict(injector.reached),
        [fault for fault in injector.fired if fault not in given or fault in schedule.faults],
        {item["order_id"]: item["decision"]["outcome"] for item in here.items("OrdersTable") if "decision" in item},
        dict(Counter(str(mail["To"]) for mail in here.mails())),
        any(execution.get("redriven") for execution in here.executions()),
        time.perf_counter() - begun,
        largest,
    )


def _play(here: World, scenario: Scenario, schedule: Schedule) -> Poller:
    delivery = DELIVERIES[schedule.delivery]
    poller = deliveries.install(here, delivery)
    for sku, available in scenario.stock.items():
        here.put("InventoryTable", stock_item(sku, available))
    here.watchers += [_once(here, event) for event in scenario.meanwhile]
    for item in scenario.orders:
        here.put("OrdersTable", item)
    here.loop.settle()
    if delivery.rewinds:
        poller.rewind()
        here.loop.settle()
    return poller


def finish(here: World, scenario: Scenario, poller: Poller) -> list[Violation]:
    """Stop faults, let everything come to its end, redeliver it all, and check every promise.

    They are checked before the last redelivery as well: it would hide a message that was lost.
    """
    here.injector.stop()
    here.loop.settle()
    while here.wake_all_zombies():
        here.loop.settle()
    poller.hand_in()
    here.loop.settle()
    for _ in range(MAX_REDRIVES):
        if not _redrive_failed(here):
            break
        here.loop.settle()
    violations = invariants.check(here, scenario)
    before_the_last = poller.largest
    here.expire()
    here.deliver = here.start_execution
    if here.loop.now - here.born < deliveries.STREAM_RETENTION:
        poller.rewind()
    else:
        for event in {event["order_id"]: event for event in here.on_bus}.values():
            here.start(event)
    here.loop.settle()
    poller.largest = before_the_last
    return violations + [v for v in invariants.check(here, scenario) if v not in violations]


def _once(here: World, event: Meanwhile) -> Callable[[Invocation], None]:
    def watch(invocation: Invocation) -> None:
        if invocation.step == event.after:
            here.watchers.remove(watch)
            here.log("stream", invocation.order_id, event.what)
            event.do(here)

    return watch


def _redrive_failed(here: World) -> bool:
    """Redrive what failed and was not redriven yet. Its definition then starts from the top, so a new execution with
    the same input is the same; the emulator has no RedriveExecution.
    """
    failed = [e for e in here.executions() if e["status"] == "FAILED" and not e.get("redriven")]
    for execution in failed:
        execution["redriven"] = True
        here.start_execution(execution["stateMachineArn"], execution["input"])
    return bool(failed)


def sites(scenario: str, delivery: str = "once") -> dict[str, int]:
    """The sites that a run without faults reaches, and how often."""
    return run(Schedule(scenario, delivery)).reached
