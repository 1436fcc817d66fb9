"""Of sweep, and of the list of open orders."""

from __future__ import annotations

from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Mutant, replaced, unconditional
from simulation.schedule import Schedule


def _whoever_has_the_order(original: Any) -> Any:
    """A run that did not get an order calls for it all the same."""

    def claim(order: Any, seen: Any) -> bool:
        got = bool(original(order, seen))
        if not got and order.stuck:
            seen.needing_a_person.append(order)
        return got

    return claim


def _three_times(original: Any) -> Any:
    return lambda order, seen: order.sweeps < 3 and original(order, seen)


def _until_soon(original: Any) -> Any:
    return lambda order_id, at: original(order_id, at - 24 * 60 * 60)


MUTANTS = [
    Mutant(
        "sweep: drop the claim's condition",
        unconditional("sweep", "UpdateItem", "sweep_at = :seen"),
        "a_sweep_is_taken_on_once",
        Schedule("happy", "event lost"),
    ),
    Mutant(
        "sweep: write down a finished order's next call",
        unconditional("sweep", "UpdateItem", "attribute_exists(order_id)"),
        "every_order_ends",
        Schedule("a price that is no number", "once", (Fault("sweep/sns.Publish#1", "zombie_late"),)),
    ),
    Mutant(
        "sweep: give up after three sweeps",
        replaced("sweep.app", "claim", _three_times),
        "everything_is_decided",
        Schedule("happy", "once", (Fault("validate/dynamodb.BatchGetItem#1", "away 10"),)),
    ),
    Mutant(
        "sweep: call whoever has the order",
        replaced("sweep.app", "claim", _whoever_has_the_order),
        "a_person_is_called_once_a_day",
        Schedule("a price that is no number", "once"),
    ),
    Mutant(
        "sweep: forget who was called",
        replaced("sweep.app", "_next_call", _until_soon),
        "a_person_is_called_once_a_day",
        Schedule("a price that is no number", "once"),
    ),
    Mutant(
        "sweep: call nobody",
        replaced("sweep.app", "call_a_person", lambda original: lambda *_: 0),
        "a_person_is_called_for_what_needs_one",
        Schedule("a price that is no number", "once"),
    ),
]
