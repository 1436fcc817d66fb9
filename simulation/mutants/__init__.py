"""The simulation is itself proved: small changes that break the pipeline, each of which has to be noticed.

Each module in here has a list of them.

What is *not* here, because the pipeline is right without it, and why it is there all the same:

- `attribute_exists(available)` on a release. Without it DynamoDB refuses the addition to a missing counter as a
  ValidationError, which is for a person as well; the condition lets the message say that the SKU is gone.
- The condition on capture's outcome. A payment is captured or voided by one decision, never both, so nothing else can
  be found there; the condition guards against the protocol itself being broken.
- The condition of the simulated provider's capture and cancel, for the same reason; a contract test holds it.
- The condition on void's outcome. What it could overwrite is DECLINED, which means the same, or CAPTURED: see above.
- An authorize that another call overtook gives its hold back. A void has completed the attempt and cancelled it under
  the same key, so there is none, unless the key was forgotten or the provider refused the void's attempt.
- Asking the provider (`find`) before authorizing again, and since when. A repeated key is answered as before for 24
  hours, and the simulated provider never forgets one: with Stripe this protects an order that was stuck for longer.
- A void that the provider refuses settles. The redrive begins with authorize, which is refused and settles as well.
- Keys of the intent for capture and cancel. No order has two holds here; a test of Stripe's adapter holds it.
- Consistent reads. The emulator has one replica.
- That an order meets the same shard again. Wherever it goes, the stock is the same; the units that an earlier attempt
  fetched would lie elsewhere, and a unit test holds it.
- That the number of shards which shard 0 knows never falls. It takes three deployments during one invocation.
- That publish marks what has to be approved. Validate finds it as well, a sweep later.
- That validate looks whether an order is decided. What it would hold for a cancelled one is given back.
- That the click wakes who waits. The next sweep does; it is a matter of minutes.
- The page's look whether the order was changed since. Validate refuses what was approved otherwise.
- That a parcel's news puts its order near on the list before it wakes anybody. Who waits may be gone; then the order is
  looked at when its parcel would be overdue, which is late and not wrong. A unit test holds it.
- That a booking, and a refund, is looked up before it is repeated. The simulated ones never forget a key.
- The inbox's own condition. What it would apply twice is applied by writes that go one way.
- The condition of a refund's outcome. What it could overwrite is FAILED, which a sender tells days later.
- The condition under which an approval expires. An answer can only come in between that was given in time and written
  after it; a unit test holds it.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from simulation.explore import fault_free, shrink, walk
from simulation.mutants.ways import Mutant
from simulation.schedule import Result, Schedule, run
from simulation.singles import singles

SEARCH_SECONDS = 60.0
WALKS = range(2_000)

MUTANTS: list[Mutant] = [
    mutant
    for module in pkgutil.iter_modules(__path__)
    if module.name != "__main__"
    for mutant in getattr(importlib.import_module(f"{__name__}.{module.name}"), "MUTANTS", ())
]


@dataclass
class Verdict:
    """How a mutant fared. `invariants` are the promises that broke; none, if it survived."""

    mutant: Mutant
    invariants: list[str]
    schedule: Schedule | None
    tried: int
    seconds: float


def kill(mutant: Mutant, schedules: Iterable[Schedule]) -> Verdict:
    """Try schedule after schedule until a promise breaks that holds under the same schedule without the mutant."""
    begun, tried = time.perf_counter(), 0
    for schedule in schedules:
        tried += 1
        broken = broken_by(mutant, schedule)
        if broken:
            return Verdict(mutant, broken, schedule, tried, time.perf_counter() - begun)
    return Verdict(mutant, [], None, tried, time.perf_counter() - begun)


def broken_by(mutant: Mutant, schedule: Schedule) -> list[str]:
    """The promises that break under a schedule because of the mutant."""
    violations = run(schedule, mutant.mutation).violations
    if not violations or run(schedule).violations:
        return []
    return list(dict.fromkeys(violation.invariant for violation in violations))


def search(mutant: Mutant, seconds: float = SEARCH_SECONDS) -> Iterator[Schedule]:
    """Simple schedules first: no fault, single faults (those in the mutant's own step before others), then walks."""
    step = f"{mutant.name.split(':')[0]}/"
    one_fault = list(singles(recorded()))
    deadline = time.monotonic() + seconds
    random.Random(0).shuffle(one_fault)
    one_fault.sort(key=lambda schedule: not schedule.faults[0].site.startswith(step))
    every = itertools.chain(fault_free(), one_fault, walks())
    return itertools.takewhile(lambda _: time.monotonic() < deadline, every)


@cache
def recorded() -> tuple[Result, ...]:
    """What the pipeline as it is does when nothing goes wrong."""
    return tuple(run(schedule) for schedule in fault_free())


def walks() -> Iterator[Schedule]:
    """The schedules of seed after seed."""
    return (result.schedule for seed in WALKS for result in walk(seed))


def smallest(verdict: Verdict) -> Schedule:
    """The smallest schedule under which the mutant breaks the same promise."""
    if not verdict.schedule:
        raise ValueError(f"{verdict.mutant} survived")
    return shrink(verdict.schedule, lambda candidate: verdict.invariants[0] in broken_by(verdict.mutant, candidate))
