"""The simulation runs what is not the pipeline's: the lessons' handlers, and jobs in containers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws import clients
from simulation.faults import Fault, Injector
from simulation.world import Matched, World, redefined, world


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


def summarize(event: dict[str, Any], context: object) -> None:
    """A job of two writes: what it has made is put in place, then it says so."""
    for order_id in ("sum", "done"):
        clients.dynamodb().put_item(TableName=event["table"], Item={"order_id": {"S": order_id}})


@pytest.mark.parametrize("kind", ["crash_before", "crash_after", "lost", "slow", "zombie"])
@pytest.mark.parametrize("request_number", [1, 2])
def test_a_job_that_dies_anywhere_is_run_again_by_its_workflow(kind: str, request_number: int) -> None:
    here = world()
    job = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Arguments": {"JobName": "nightly", "JobDefinition": "summarize", "Parameters": "{% $states.input %}"},
        "TimeoutSeconds": 3600,
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}],
        "End": True,
    }

    def nightly(definition: dict[str, Any]) -> None:
        definition |= {"StartAt": "Summarize", "States": {"Summarize": job}}

    here.begin(0, Injector([Fault(f"summarize/dynamodb.PutItem#{request_number}", kind)]))
    with here.hosting("summarize", summarize, timeout=1800), redefined(here, nightly):
        payload = json.dumps({"table": here.stack.tables["PaymentsTable"]})
        here.start_target(Matched(here.stack.workflows["OrderWorkflow"], payload))
        here.loop.settle()
        here.wake_all_zombies()
        here.loop.settle()
    here.loop.close()

    assert {item["order_id"] for item in here.items("PaymentsTable")} == {"sum", "done"}
    assert [execution["status"] for execution in here.executions()] == ["SUCCEEDED"]
    assert len(here.invocations) == 2
