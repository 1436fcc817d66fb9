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


def _written_down(original: Any) -> Any:
    """Announce what could not be written down as well."""

    def write_down(placed: Any) -> set[str]:
        original(placed)
        return set()

    return write_down


MUTANTS = [
    Mutant(
        "publish: announce without writing down",
        replaced("publish.app", "write_down", lambda original: lambda _: set()),
        "everything_is_decided",
        Schedule("happy", "event lost"),
    ),
    Mutant(
        "publish: announce what could not be written down",
        replaced("publish.app", "write_down", _written_down),
        "everything_is_decided",
        Schedule("happy", "event lost", (Fault("publish/dynamodb.BatchWriteItem#1", "partial"),)),
    ),
    Mutant(
        "publish: acknowledge a failed record",
        replaced("publish.app", "put_events", _all_acknowledged),
        "every_change_is_announced",
        Schedule("happy", "once", (Fault("publish/events.PutEvents#1", "partial", 1),)),
    ),
    Mutant(
        "publish: understand nothing",
        replaced("publish.app", "event_from", _understands_nothing),
        "nothing_waits",
        Schedule("happy", "once"),
    ),
]
