"""Of publish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.faults import Fault
from simulation.mutants.ways import Mutant, replaced
from simulation.schedule import Schedule


def _all_acknowledged(original: Any) -> Any:
    def put_events(batch: Any) -> Iterator[str]:
        list(original(batch))
        yield from ()

    return put_events


def _understands_nothing(original: Any) -> Any:
    def event_from(record: Any) -> Any:
        raise KeyError("what is this?")

    return event_from


MUTANTS = [
    Mutant(
        "publish: acknowledge a failed record",
        replaced("publish.app", "put_events", _all_acknowledged),
        "everything_is_decided",
        Schedule("happy", "once", (Fault("publish/events.PutEvents#1", "partial"),)),
    ),
    Mutant(
        "publish: understand nothing",
        replaced("publish.app", "event_from", _understands_nothing),
        "nothing_waits",
        Schedule("happy", "once"),
    ),
]
