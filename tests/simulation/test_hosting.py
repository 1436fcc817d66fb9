"""The simulation runs handlers that are not the pipeline's: the lessons'."""

from __future__ import annotations

from typing import Any

import pytest

from aws import clients
from simulation.faults import Fault, Injector
from simulation.world import World, world


def touch(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A handler of one request."""
    clients.dynamodb().put_item(TableName=event["table"], Item={"order_id": {"S": "O1"}})
    return {"touched": True}


def invoke(here: World, *faults: Fault) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    here.begin(0, Injector(faults))
    answers: list[dict[str, Any]] = []
    event = {"table": here.stack.tables["PaymentsTable"]}
    with here.hosting("touch", touch, timeout=3.0):
        here.loop.spawn(lambda: answers.append(here.invoke("touch", event)))
        here.loop.settle()
    here.loop.close()
    return answers[0], here.items("PaymentsTable")


def test_a_hosted_handler_makes_its_requests_in_the_simulation() -> None:
    answer, items = invoke(world())
    assert answer == {"body": {"touched": True}}
    assert items == [{"order_id": "O1"}]


@pytest.mark.parametrize(("kind", "items"), [("crash_before", 0), ("crash_after", 1)])
def test_a_fault_finds_the_hosted_handler_by_its_name(kind: str, items: int) -> None:
    answer, written = invoke(world(), Fault("touch/dynamodb.PutItem#1", kind))
    assert answer["body"]["errorType"] == "Runtime.ExitError"
    assert len(written) == items


def test_a_hosted_handler_has_a_timeout() -> None:
    here = world()
    answer, _ = invoke(here, Fault("touch/dynamodb.PutItem#1", "slow"))
    assert answer["body"]["errorType"] == "Sandbox.Timedout"
    assert here.loop.now - here.born == pytest.approx(3.0)


def test_a_function_of_the_template_is_itself_again_afterwards() -> None:
    here = world()
    function = next(name for name, handler in here.stack.handlers.items() if handler.startswith("notify."))
    before = (here.handlers[function], here.stack.timeouts[function], set(here.handlers))
    with here.hosting(function, touch, timeout=99):
        assert here.handlers[function] is touch
        assert here.stack.timeouts[function] == before[1]
    with here.hosting("touch", touch):
        pass
    assert (here.handlers[function], here.stack.timeouts[function], set(here.handlers)) == before
