"""Which single faults to try in which scenarios and deliveries, and why others need not be."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from zlib import crc32

from simulation.faults import AWAY, Fault, faults_at, minutes_away
from simulation.scenarios import SCENARIOS
from simulation.schedule import Result, Schedule

ONCE, COSTLY = "once", "twenty times"
INVENTORY = ("reserve", "release")
LATER = (ONCE, "event lost")
MOMENTS = (ONCE, "twice", "at the same time", "execution twice in parallel")

# A quick look (tests/simulation/test_singles.py) tries every fault of every request in one scenario and in these
# deliveries; `make prove` tries all faults in all.
FOREMOST = {
    ONCE: "what one fault does, undisturbed: every retry, catch, sweep and clean-up",
}

COMMON = "away 10"  # how long services are away in deliveries other than the plain one

# Why a schedule need not be run, for people.
TWENTY = "left out: twenty deliveries of a fault that was tried with twenty in another scenario"
ABOUT = "left out: a fault elsewhere than at what the scenario is about, in a quick look or not in the plain delivery"
SHARDS = "left out: a scenario about shards, and a fault that is not inventory's, or a delivery without two executions"
AFTER = "left out: after the sale, a fault that was tried in another of its scenarios, or another delivery"
ELSEWHERE = "left out: a fault that was tried in another scenario, in a quick look"
DURATION = f"left out: a service away for other than {minutes_away(COMMON)} minutes, and not in the plain delivery"


def singles(
    recorded: Iterable[Result],
    every: bool = False,
    not_run: Counter[str] | None = None,
    durations: Collection[str] = AWAY,
    *,
    elsewhere: bool = True,
) -> Iterator[Schedule]:
    """Every kind of fault at every site that these runs reached.

    Unless it has to be `every` one: twenty deliveries cost as much as ten other schedules, and the nineteenth copy does
    what the second does, so each kind at each site is tried with them in one scenario only: the one that has the least
    to do when nothing fails, since some do a hundred times as much as others. And shards are between
    inventory and who asks it at the same moment: in their scenarios, only its requests fail, in these deliveries. Other
    scenarios say what they are about; other requests of theirs fail in the plain delivery only, and there only if
    `elsewhere`. Those after the sale take days and a hundred requests: only what they are about fails, each
    fault in one of them, in two deliveries.
    `not_run` counts what is left out so, by the reason. Services are away for each of these `durations`, in the plain
    delivery; in the others for one that uses up every retry.
    """
    not_run = Counter() if not_run is None else not_run
    tried: set[Fault] = set()
    tried_later: set[tuple[str, Fault]] = set()
    for result in sorted(recorded, key=_turn):
        schedule = result.schedule
        shards = SCENARIOS[schedule.scenario].shards > 1
        about = SCENARIOS[schedule.scenario].about or ("",)
        later = not SCENARIOS[schedule.scenario].without
        for site in result.reached:
            for kind in faults_at(site):
                fault = Fault(site, kind)
                if (
                    kind in AWAY
                    and kind != COMMON
                    and not (schedule.delivery == ONCE and kind in durations)
                    and not every
                ):
                    not_run[DURATION] += 1
                elif later and not every and _is_left_out(schedule.delivery, fault, about, tried_later):
                    not_run[AFTER] += 1
                elif not site.startswith(about) and not (elsewhere and schedule.delivery == ONCE) and not every:
                    not_run[ABOUT] += 1
                elif shards and (site.split("/")[0] not in INVENTORY or schedule.delivery not in MOMENTS) and not every:
                    not_run[SHARDS] += 1
                elif schedule.delivery == COSTLY and fault in tried and not every:
                    not_run[TWENTY] += 1
                else:
                    if schedule.delivery == COSTLY:
                        tried.add(fault)
                    yield replace(schedule, faults=(*schedule.faults, fault))


def spread(schedules: Iterable[Schedule]) -> tuple[list[Schedule], list[Schedule]]:
    """Of the schedules that have a fault in common, one, which is as good as chance: each scenario has its share. And
    all the others.
    """
    by_fault: dict[object, list[Schedule]] = defaultdict(list)
    for schedule in schedules:
        by_fault[schedule.delivery, schedule.faults].append(schedule)
    chosen = [some.pop(crc32(repr(fault).encode()) % len(some)) for fault, some in by_fault.items()]
    return chosen, list(chain.from_iterable(by_fault.values()))


def _turn(result: Result) -> tuple[float, int, str]:
    """Whose turn it is, whichever was run first. Twenty deliveries come first, the shortest of them before the others.
    They take long, and what is run last keeps one process busy and no other.
    """
    schedule = result.schedule
    long = len(result.timeline) if schedule.delivery == COSTLY else math.inf
    return long, list(SCENARIOS).index(schedule.scenario), schedule.delivery


def _is_left_out(delivery: str, fault: Fault, about: tuple[str, ...], tried: set[tuple[str, Fault]]) -> bool:
    """Whether a fault after the sale need not be run; it is remembered as tried if it has to."""
    known = (delivery, fault) in tried
    if fault.site.startswith(about) and delivery in LATER:
        tried.add((delivery, fault))
        return known
    return True
