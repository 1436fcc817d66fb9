"""Which schedules to run, and running many of them on all cores."""

from __future__ import annotations

import functools
import gc
import itertools
import multiprocessing
import os
import random
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from simulation.checkpoints import Checkpoints
from simulation.deliveries import DELIVERIES
from simulation.faults import AWAY, Fault, faults_at
from simulation.scenarios import SCENARIOS
from simulation.schedule import Result, Schedule, Settled, run
from simulation.singles import COMMON, ELSEWHERE, ONCE, singles, spread

CHUNK = 16
TWIN = "inferred: a delivery that is step by step another one of this scenario, under the same fault"
STATE = "inferred: the rest of a delivery, run from the same state after another fault"


@dataclass
class Summary:
    """What many schedules came to. `exercised` counts the faults that found their site, by site and kind."""

    schedules: int = 0
    seconds: float = 0.0
    met: int = 0  # of the schedules, those that ended where they met another
    failures: list[Result] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    exercised: Counter[tuple[str, str]] = field(default_factory=Counter)
    witness: dict[tuple[str, str], Schedule] = field(default_factory=dict)  # (scenario, site) → who reached it first

    def add(self, result: Result) -> None:
        """Count one more."""
        self.schedules += 1
        self.met += result.met
        self.reached.update(result.reached)
        self.exercised.update((fault.site, fault.kind) for fault in result.fired)
        for site in result.reached:
            self.witness.setdefault((result.schedule.scenario, site), result.schedule)
        if result.violations:
            self.failures.append(result)

    @property
    def rate(self) -> float:
        """Schedules a second."""
        return self.schedules / self.seconds if self.seconds else 0.0

    def unexercised(self) -> list[tuple[str, str]]:
        """Sites and kinds of fault that no schedule has tried."""
        return sorted(
            (site, kind) for site in self.reached for kind in faults_at(site) if not self.exercised[site, kind]
        )


def fault_free(names: Iterable[str] = DELIVERIES) -> Iterator[Schedule]:
    """Every scenario with each of these deliveries, and nothing goes wrong."""
    for scenario, delivery in itertools.product(SCENARIOS, names):
        yield Schedule(scenario, delivery)


def on_the_way_back(summary: Summary, known: set[tuple[str, str]], *, elsewhere: bool = True) -> Iterator[Schedule]:
    """Every kind of fault at the sites that are only reached when something went wrong before: retries, clean-ups,
    sweeps. What is away then is so for one duration.
    """
    for (scenario, site), first in summary.witness.items():
        if (scenario, site) not in known:
            elsewhere_too = elsewhere and SCENARIOS[scenario].without
            if not (elsewhere_too or site.startswith(SCENARIOS[scenario].about or ("",))):
                continue
            for kind in faults_at(site):
                if kind in AWAY and kind != COMMON:
                    continue
                yield replace(first, faults=(*first.faults, Fault(site, kind)))


def walk(seed: int) -> Iterator[Result]:
    """The schedules of a seed: no fault, then one, then up to three, each at a request that the run before made.

    So pairs also hit what is only reached when something went wrong, and a failure comes with its smallest prefix.
    """
    choose = random.Random(seed)
    schedule = Schedule(choose.choice(list(SCENARIOS)), choose.choice(list(DELIVERIES)), (), seed)
    result = run(schedule)
    yield result
    for _ in range(choose.choice((1, 2, 2, 3))):
        if result.violations:
            return
        site = choose.choice(list(result.reached))
        fault = Fault(site, choose.choice(faults_at(site)), choose.randrange(min(4, result.reached[site])))
        schedule = replace(schedule, faults=(*schedule.faults, fault))
        result = run(schedule)
        yield result


def shrink(schedule: Schedule, broken: Callable[[Schedule], bool]) -> Schedule:
    """The smallest schedule that still breaks a promise: fewer faults, simpler delivery, earlier occurrence."""
    simpler = True
    while simpler:
        simpler = False
        for candidate in _simpler(schedule):
            if broken(candidate):
                schedule, simpler = candidate, True
                break
    return schedule


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    faults = schedule.faults
    for n in range(len(faults)):
        yield Schedule(schedule.scenario, schedule.delivery, faults[:n] + faults[n + 1 :], schedule.seed)
    if schedule.delivery != "once":
        yield Schedule(schedule.scenario, "once", faults, schedule.seed)
    if schedule.scenario != "happy":
        yield Schedule("happy", schedule.delivery, faults, schedule.seed)
    if schedule.seed:
        yield Schedule(schedule.scenario, schedule.delivery, faults, 0)


def smallest(result: Result) -> Result:
    """The smallest schedule that breaks a promise that this one broke."""
    broken = {violation.invariant for violation in result.violations}

    def still(candidate: Schedule) -> bool:
        return any(violation.invariant in broken for violation in run(candidate).violations)

    return run(shrink(result.schedule, still))


def explain(result: Result, small: Result | None = None) -> str:
    """A failure for people: what broke, the seed, and the smallest schedule that shows it."""
    small = small or smallest(result)
    first = {violation.invariant: violation.what for violation in reversed(result.violations)}
    lines = [f"{invariant}: {textwrap.shorten(what, 300)}" for invariant, what in first.items()]
    if more := len(result.violations) - len(first):
        lines.append(f"  and {more} more of these")
    return "\n".join(
        [
            *lines,
            f"  seed {result.schedule.seed}: {result.schedule}",
            f"  smallest: {small.schedule}",
            f"  {small.schedule.to_json()}",
        ]
    )


@dataclass
class Exhaustive:
    """Three rounds: nothing fails; one request fails; and a request fails that was made because one had failed.

    `singles` counts the single faults, and `not_run` those of them that were not run, by the reason.
    """

    quiet: list[Result]
    singles: int
    not_run: Counter[str]
    summary: Summary


def exhaust(
    names: Iterable[str] = DELIVERIES,
    every: bool = False,
    progress: Callable[[Summary, int], None] = lambda *_: None,
    durations: Collection[str] = AWAY,
    *,
    elsewhere: bool = True,
    everywhere: bool = True,
) -> Exhaustive:
    """Try every single fault in every scenario with these deliveries; with `every`, leave none out and infer none.
    `durations` are for how long services are away; `elsewhere` is whether requests fail that a scenario is not about.
    Unless `everywhere`, each fault is tried until it has found its site in one of the scenarios.

    Most deliveries only add something when everything has settled. Such a run is that of the same fault delivered once,
    up to there, and from there on it depends on the state only. When another fault led to the same state, and the rest
    of this delivery has been run from there, the run is known. So is that of a delivery which, when nothing fails, is
    step by step that of another: two executions, whether or not they have the same name.

    `progress` is told how many schedules there are to run, as far as is known.
    """
    quiet: list[Result] = []
    not_run = Counter[str]()
    summary = Summary()

    def run_these(schedules: Iterable[Schedule], then: int = 0, **how: Any) -> None:
        schedules = list(schedules)
        total = summary.schedules + len(schedules) + then

        def never(so_far: Summary) -> bool:
            progress(so_far, total)
            return False

        run_all(schedules, summary, never, **how)

    run_these(fault_free(names), keep=quiet.append, timelines=True)
    known = {(result.schedule.scenario, site) for result in quiet for site in result.reached}
    todo = list(singles(quiet, every, not_run, durations, elsewhere=elsewhere))
    todo, left = (todo, []) if everywhere else spread(todo)
    number = len(todo) + len(left) + not_run.total()
    if every:
        run_these(todo)
        run_these(on_the_way_back(summary, known, elsewhere=elsewhere))
        return Exhaustive(quiet, number, not_run, summary)
    settled: dict[tuple[str, tuple[Fault, ...]], Settled] = {}

    def settle(result: Result) -> None:
        if result.settled and not result.violations:
            settled[result.schedule.scenario, result.schedule.faults] = result.settled

    once = [schedule for schedule in todo if schedule.delivery == ONCE]
    run_these(once, then=len(todo) - len(once), keep=settle, meet=True)
    # Not in each scenario does a fault find what it is about.
    again = [schedule for schedule in left if not summary.exercised[_fault(schedule)]]
    not_run[ELSEWHERE] += len(left) - len(again)
    run_these(again, then=len(todo) - len(once), meet=True)
    twin_of = twins(quiet)
    groups: dict[object, list[Schedule]] = defaultdict(list)  # of which one has to be run
    for schedule in todo:
        if schedule.delivery == ONCE:
            continue
        if twin := twin_of.get((schedule.scenario, schedule.delivery)):
            groups[replace(schedule, delivery=twin)].append(schedule)
            continue
        at = settled.get((schedule.scenario, schedule.faults))
        if at and DELIVERIES[schedule.delivery].begins_as_once(at.at, at.largest_batch):
            groups[schedule.scenario, schedule.delivery, at.state].append(schedule)
        else:
            groups[schedule].append(schedule)
    broken: set[Schedule] = set()

    def note(result: Result) -> None:
        if result.violations:
            broken.add(result.schedule)

    run_these([first for first, *_ in groups.values()], keep=note, meet=True)
    run_these((s for first, *rest in groups.values() if first in broken for s in rest), meet=True)
    for first, *rest in groups.values():
        if first not in broken:
            not_run.update(TWIN if (s.scenario, s.delivery) in twin_of else STATE for s in rest)
    run_these(on_the_way_back(summary, known, elsewhere=elsewhere), meet=True)
    if not everywhere:
        run_these(list(at_last(summary)), meet=True)
    return Exhaustive(quiet, number, not_run, summary)


def at_last(summary: Summary) -> Iterator[Schedule]:
    """What no schedule has exercised so far, wherever its site was reached."""
    missing = set(summary.unexercised())
    for (_, site), first in summary.witness.items():
        for kind in faults_at(site):
            if (site, kind) in missing and (kind == COMMON or kind not in AWAY):
                yield replace(first, faults=(*first.faults, Fault(site, kind)))


def _fault(schedule: Schedule) -> tuple[str, str]:
    """The site and the kind of a single fault."""
    [fault] = schedule.faults
    return fault.site, fault.kind


def steps(result: Result) -> tuple[object, ...]:
    """What a run did, without the names under which it did it."""
    return tuple((e.at, e.order, e.label) for e in result.timeline if e.lane in ("invocation", "request"))


def twins(quiet: Iterable[Result]) -> dict[tuple[str, str], str]:
    """The deliveries, by scenario, whose run has the same invocations and requests at the same moments as that of an
    earlier one.
    """
    first: dict[tuple[str, int], str] = {}
    found = {}
    for result in sorted(quiet, key=lambda result: list(DELIVERIES).index(result.schedule.delivery)):
        scenario, delivery = result.schedule.scenario, result.schedule.delivery
        if (twin := first.setdefault((scenario, hash(steps(result))), delivery)) != delivery:
            found[scenario, delivery] = twin
    return found


def run_all(
    work: Iterable[Schedule | int],
    summary: Summary | None = None,
    enough: Callable[[Summary], bool] = lambda _: False,
    keep: Callable[[Result], None] = lambda _: None,
    *,
    workers: int | None = None,
    timelines: bool = False,
    meet: bool = False,
) -> Summary:
    """Run schedules, or the walks of seeds, on all cores: one process for each, with a world of its own.

    `enough` is asked after each chunk and ends the run; `keep` sees every result, its timeline only if it is broken
    or `timelines` are wanted. With `meet`, a run ends where it meets another one.
    """
    summary = summary or Summary()
    begun, before = time.monotonic(), summary.seconds
    chunks = itertools.batched(work, CHUNK)
    workers = workers or os.cpu_count() or 1
    pool = _pool(workers)
    waiting = {pool.submit(_run_chunk, chunk, timelines, meet) for chunk in itertools.islice(chunks, workers * 2)}
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            for result in future.result():
                summary.add(result)
                keep(result)
        summary.seconds = before + time.monotonic() - begun
        if not enough(summary):
            waiting |= {
                pool.submit(_run_chunk, chunk, timelines, meet) for chunk in itertools.islice(chunks, len(done))
            }
    return summary


@functools.cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that stay: each deploys a world of its own, which takes as long as a hundred schedules. Not forked: a
    world has threads.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


_CHECKPOINTS = Checkpoints()  # this process's


def _run_chunk(chunk: tuple[Schedule | int, ...], timelines: bool, meet: bool) -> list[Result]:
    results = []
    gc.disable()  # schedules leave little behind, and looking for it in each of them takes 3 % of the time
    checkpoints = _CHECKPOINTS if meet else None
    for item in chunk:
        for result in walk(item) if isinstance(item, int) else [run(item, checkpoints=checkpoints)]:
            if not (result.violations or timelines):
                result.timeline = []
            results.append(result)
    gc.collect()
    _keep_what_is_loaded()
    return results


@functools.cache
def _keep_what_is_loaded() -> None:
    """After a process's first chunk: clients, modules and parsed expressions stay, and looking through them after each
    chunk would take a fifth of the time.
    """
    gc.freeze()
