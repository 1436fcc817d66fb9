"""A schedule is everything that decides how a run goes. The same schedule always goes the same way."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from simulation import books, deliveries
from simulation.checkpoints import Checkpoints, Known, digest
from simulation.deliveries import DELIVERIES
from simulation.faults import Fault, Injector
from simulation.open_orders import DAY
from simulation.patching import patched_environment
from simulation.poller import Pollers
from simulation.sandboxes import Entry, Invocation
from simulation.scenarios import SCENARIOS
from simulation.scenarios.world import Meanwhile, Scenario, stock_item
from simulation.world import World, world

MAIL_SECONDS = 20.0  # until somebody reads an email
ONCE_MORE = "everything is delivered once more"  # in the timeline


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
        """The schedule as one line, for `python -m simulation --replay`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Schedule:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return Schedule(**{**fields, "faults": tuple(Fault(**fault) for fault in fields["faults"])})


@dataclass(frozen=True)
class Violation:
    """A broken promise: the invariant's name, and how it was broken."""

    invariant: str
    what: str


@dataclass(frozen=True)
class Settled:
    """Where a run was when everybody had nothing left to do for the first time, and no fault was left."""

    at: float  # seconds since it began
    largest_batch: int  # that the stream's pollers had delivered
    state: str


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
    called: bool = False  # a person was called
    sweeps: int = 0  # times that an order was swept
    seconds: float = 0.0  # real ones
    met: bool = False  # it came to where another run had been, and ended there
    settled: Settled | None = None


Mutation = Callable[[World], AbstractContextManager[Any]]


def run(schedule: Schedule, mutation: Mutation | None = None, checkpoints: Checkpoints | None = None) -> Result:
    """Run a schedule to its end and check every promise.

    With `checkpoints` it ends where it meets a run that had the same ones.

    `mutation` changes the real code for this run: it gets the world and answers a context manager, for example
    `lambda _: patched([(inventory.app, "release", broken)])`, or `lambda world: redefined(world, change)`.
    """
    begun = time.perf_counter()
    here = world()
    scenario = SCENARIOS[schedule.scenario]
    given = (*scenario.given, *DELIVERIES[schedule.delivery].given)
    injector = Injector((*given, *schedule.faults), lambda: here.loop.now)
    here.begin(schedule.seed, injector)
    here.absent, here.horizon = scenario.without, scenario.days * DAY
    if checkpoints:
        checkpoints.begin()
        here.checkpoint = functools.partial(checkpoints.reach, here, schedule.scenario)
    met, violations, settled = False, list[Violation](), None
    # Where a scenario doesn't say, it's the template's default.
    after_sale = "no" if scenario.without else "yes"
    variables = {"STOCK_SHARDS": str(scenario.shards), "AFTER_SALE": after_sale, **scenario.variables}
    with patched_environment(variables), mutation(here) if mutation else nullcontext():
        try:
            pollers = _place(here, scenario, schedule)
            if checkpoints and not (here.zombies or injector.anything_left()):
                settled = Settled(here.loop.now - here.born, pollers.largest, digest(here))
            _deliver_again(here, pollers, schedule)
            violations = finish(here, scenario, pollers)
        except Known:
            met = True
        finally:
            here.loop.close()
    if checkpoints and not violations:
        checkpoints.end()
    return Result(
        schedule,
        violations,
        here.timeline,
        dict(injector.reached),
        [fault for fault in injector.fired if fault not in given or fault in schedule.faults],
        {item["order_id"]: item["decision"]["outcome"] for item in here.items("OrderStatesTable")},
        dict(Counter(str(one["To"]) for one in here.emails())),
        bool(here.alerts),
        len(here.claims),
        time.perf_counter() - begun,
        met,
        settled,
    )


def _place(here: World, scenario: Scenario, schedule: Schedule) -> Pollers:
    delivery = DELIVERIES[schedule.delivery]
    pollers = deliveries.install(here, delivery)
    for sku, available in scenario.stock.items():
        here.put("InventoryTable", stock_item(sku, available))
    here.watchers += [_once(here, event) for event in scenario.meanwhile]
    here.called = functools.partial(_repair, here, iter(scenario.repairs))
    for item in scenario.orders:
        here.put("OrdersTable", item)
    if scenario.approver:
        here.approver = functools.partial(_read_mail, here, scenario.approver)
    if scenario.carrier:
        here.carry = functools.partial(scenario.carrier, here)
    for person in scenario.people:
        here.loop.spawn(functools.partial(person, here), name="a customer")
    here.loop.settle()
    return pollers


def _deliver_again(here: World, pollers: Pollers, schedule: Schedule) -> None:
    if DELIVERIES[schedule.delivery].rewinds:
        here.checkpoint(f"a redelivery, {pollers}")
        pollers.rewind()
        here.loop.settle()


def finish(here: World, scenario: Scenario, pollers: Pollers) -> list[Violation]:
    """Stop faults, let everything come to its end, redeliver it all, and check every promise.

    They are checked before the last redelivery as well: it would hide a message that was lost.
    """
    here.schedules_come_due()
    here.loop.settle()
    here.injector.stop()
    here.loop.settle()
    while here.wake_all_zombies():
        here.loop.settle()
    pollers.hand_in()
    here.loop.settle()
    here.schedules_come_due()
    here.loop.settle()
    violations = check(here, scenario)
    here.log("stream", "", ONCE_MORE)
    here.expire()
    if not violations:
        here.checkpoint(f"the last redelivery, {pollers}")
    here.deliver = here.start_target
    if here.loop.now - here.born < deliveries.STREAM_RETENTION:
        pollers.rewind()
    else:
        for matched in dict.fromkeys(here.matched):
            here.start_target(matched)
    here.loop.settle()
    return violations + [v for v in check(here, scenario) if v not in violations]


def check(here: World, scenario: Scenario) -> list[Violation]:
    """Every invariant that does not hold."""
    return [Violation(name, what) for name, what in books.violations(here, scenario)]


def _read_mail(here: World, approver: Callable[[World, str], None], link: str) -> None:
    here.loop.spawn(lambda: approver(here, link), delay=MAIL_SECONDS, name="the approver")


def _once(here: World, event: Meanwhile) -> Callable[[Invocation], None]:
    def watch(invocation: Invocation) -> None:
        if invocation.step == event.after:
            here.watchers.remove(watch)
            here.log("stream", invocation.order_id, event.what)
            event.do(here)

    return watch


def _repair(here: World, repairs: Iterator[Meanwhile]) -> None:
    """A person who was called does what there is to do."""

    def mend(event: Meanwhile) -> None:
        here.log("stream", "", event.what)
        event.do(here)

    if event := next(repairs, None):
        here.loop.spawn(functools.partial(mend, event), delay=60 * event.minutes, name="a person")


def sites(scenario: str, delivery: str = "once") -> dict[str, int]:
    """The sites that a run without faults reaches, and how often."""
    return run(Schedule(scenario, delivery)).reached
