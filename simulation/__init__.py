"""The proof: every crash, duplicate and delay, through the real templates, bus, streams, workflows and handlers.

Read in this order:

    schedule.py    what decides how a run goes, and `run`: the whole simulation in one function
    scenarios/     what customers do            deliveries.py   how messages arrive
    faults.py      what goes wrong, and where   books.py        what the invariants are held against
    clock.py       time and actors of our own   world.py        tables, executions, what was seen
    sandboxes.py   invocations and requests     services.py     AWS as handlers see it
    open_orders.py when the sweep is due        burst.py        many orders at once
    engine.py      what stands in for parts of MiniStack, whose private names are in ministack.py
    poller.py      Lambda's pollers             stack.py        the deployment
    explore.py     which schedules to run       checkpoints.py  where a run need not go on
    mutants/       the code, broken on purpose  report.py       what became of each fault, as a page

Nothing under functions/ or statemachine/ knows of it. A mutant is a context manager given to `run`:
`run(schedule, lambda _: patched([(inventory.app, "release", broken)]))`, or `lambda world: redefined(world, change)`.

What others use is here; the rest is between the modules.
"""

import invariants  # noqa: F401 - puts the functions on the path, where they are top-level packages as on Lambda
from simulation.deliveries import DELIVERIES, install
from simulation.faults import Fault, Injector
from simulation.patching import patched
from simulation.sandboxes import Entry, Invocation
from simulation.scenarios.world import PRICE, Scenario, order, stock_item
from simulation.schedule import Schedule, run
from simulation.world import Matched, World, redefined, world

__all__ = [
    "DELIVERIES",
    "PRICE",
    "Entry",
    "Fault",
    "Injector",
    "Invocation",
    "Matched",
    "Scenario",
    "Schedule",
    "World",
    "install",
    "order",
    "patched",
    "redefined",
    "run",
    "stock_item",
    "world",
]
