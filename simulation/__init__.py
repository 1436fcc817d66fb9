"""The proof: every crash, duplicate and delay, through the real template, bus, stream, state machine and handlers.

Read in this order:

    schedule.py    what decides how a run goes, and `run`: the whole simulation in one function
    scenarios.py   what customers do            deliveries.py   how messages arrive
    faults.py      what goes wrong, and where   books.py        what the invariants are held against
    clock.py       time and actors of our own   world.py        tables, executions, invocations, requests
    services.py    AWS as handlers see it       engine.py       what stands in for parts of MiniStack
    poller.py      Lambda's poller              stack.py        the deployment
    explore.py     which schedules to run       checkpoints.py  where a run need not go on
    mutants.py     the code, broken on purpose  report.py       what became of each fault, as a page

Nothing under functions/ or statemachine/ knows of it. A mutant is a context manager given to `run`:
`run(schedule, lambda _: patched([(inventory.app, "release", broken)]))`, or `lambda world: redefined(world, change)`.
"""

import sys
from pathlib import Path

# The domain and the functions are top-level packages, as they are on Lambda.
_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
