"""What the simulation does in a shorter way comes to what the long way would."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from simulation import ministack, services, shortcuts
from simulation.faults import Fault
from simulation.patching import patched
from simulation.schedule import Schedule, run
from simulation.world import world

SCHEDULES = [
    Schedule("many lines", "twice"),
    Schedule("invalid"),
    Schedule("last unit", "at the same time"),
    Schedule("happy", "once", (Fault("reserve/dynamodb.TransactWriteItems#1", "conflict"),)),
    Schedule("happy", "once", (Fault("capture/gateway.capture#1", "away 10"),)),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_an_expression_comes_to_what_the_engine_makes_of_it(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, seen = shortcuts.evaluate, set()

    def both(original: Any, known: Any, expression: str, *arguments: Any) -> Any:
        before = copy.deepcopy(arguments)
        answer = short(original, known, expression, *arguments)
        assert arguments == before, f"{expression} changed what it was given"
        assert answer == original(expression, *arguments)
        seen.add(expression)
        return answer

    monkeypatch.setattr(shortcuts, "evaluate", both)
    here = world()
    here.leave()  # what is in place was made with the other one
    try:
        assert run(schedule).violations == []
    finally:
        here.leave()
    assert len(seen) > 5


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_refusal_is_read_as_the_sdk_reads_it(schedule: Schedule) -> None:
    short = services.refusal
    here = world()
    read: list[tuple[Any, Any]] = []

    def both(response: Any) -> dict[str, Any]:
        error = short(response)
        client = here.services.client("dynamodb")
        model = client.meta.service_model.operation_model("TransactWriteItems")
        _, parsed = services._parsed(client, model, response)
        # Compared below: what is raised in here is a handler's error, and retried.
        read.extend((error.get(name), parsed.get(name)) for name in ("Error", "CancellationReasons"))
        return error

    with patched([(services, "refusal", both)]):
        assert run(schedule).violations == []
    assert read
    assert [ours for ours, _ in read] == [theirs for _, theirs in read]


def test_a_copy_shares_nothing_that_can_change() -> None:
    original = {"lines": [{"sku": "mug", "quantity": 2}], "note": None}
    duplicate = shortcuts.JsonCopies.deepcopy(original)
    assert duplicate == original
    duplicate["lines"][0]["quantity"] = 3
    assert original["lines"] == [{"sku": "mug", "quantity": 2}]


def test_a_name_is_looked_up_in_the_innermost_frame_that_binds_it() -> None:
    here = world()
    here.leave()  # so that the original is in its place
    frame = ministack.JSONATA.owner.jsonata.Jsonata.Frame
    outer = frame(None)
    inner = frame(outer)
    outer.bind("a", 1)
    outer.bind("b", 2)
    inner.bind("b", 3)
    for name in ("a", "b", "c"):
        assert shortcuts._lookup(inner, name) == frame.lookup(inner, name)
