"""An execution's history on the emulator says as much as on AWS."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import Any

import pytest
from ministack.services import stepfunctions

from local import histories

ARN = "arn:aws:states:us-east-1:123456789012:execution:try:1"
BRANCHES = {
    "Type": "Parallel",
    "Branches": [
        {"StartAt": "One", "States": {"One": {"Type": "Pass", "Next": "Two"}, "Two": {"Type": "Pass", "End": True}}},
        {"StartAt": "Other", "States": {"Other": {"Type": "Pass", "End": True}}},
    ],
    "End": True,
}


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An execution that has begun, on an engine that links its events and is given back afterwards."""
    for name in (histories.ADD, histories.INSIDE):
        monkeypatch.setattr(stepfunctions, name, getattr(stepfunctions, name))
    histories.link_as_aws(stepfunctions)
    return {"executionArn": ARN, "events": [{"id": 1, "type": "ExecutionStarted"}]}


def run(execution: dict[str, Any], state: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a Parallel as the engine does, in a thread with a context of its own; answers the history."""

    def enter_and_run() -> None:
        stepfunctions._add_event(execution, "ParallelStateEntered", {"stateEnteredEventDetails": {"name": "Both"}})
        stepfunctions._execute_parallel(state, {}, execution, {"State": {"Name": "Both"}, "variables": {}})

    thread = threading.Thread(target=copy_context().run, args=(enter_and_run,))
    thread.start()
    thread.join()
    events: list[dict[str, Any]] = execution["events"]
    return events


def named(events: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    details = f"state{kind.removeprefix('PassState')}EventDetails"
    return next(event for event in events if event["type"] == kind and event[details]["name"] == name)


def test_what_is_within_a_parallel_is_entered_and_exited(execution: dict[str, Any]) -> None:
    events = run(execution, BRANCHES)
    for name in ("One", "Two", "Other"):
        assert named(events, "PassStateEntered", name)["id"] < named(events, "PassStateExited", name)["id"]


def test_an_event_says_which_one_it_follows_in_its_branch(execution: dict[str, Any]) -> None:
    events = run(execution, BRANCHES)
    entered = next(event for event in events if event["type"] == "ParallelStateEntered")
    assert entered["previousEventId"] == 0
    assert named(events, "PassStateEntered", "One")["previousEventId"] == entered["id"]
    assert named(events, "PassStateEntered", "Other")["previousEventId"] == entered["id"]
    left = named(events, "PassStateExited", "One")
    assert named(events, "PassStateEntered", "Two")["previousEventId"] == left["id"]


def test_no_two_events_of_a_history_have_one_id(execution: dict[str, Any]) -> None:
    many = BRANCHES | {"Branches": BRANCHES["Branches"] * 10}  # type: ignore[operator]
    ids = [event["id"] for event in run(execution, many)]
    assert ids == list(range(1, len(ids) + 1))


def test_what_fails_within_a_parallel_is_not_exited(execution: dict[str, Any]) -> None:
    failing = {"StartAt": "Fails", "States": {"Fails": {"Type": "Fail", "Error": "Broken"}}}
    state = {"Type": "Parallel", "Branches": [failing], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Later"}]}
    kinds = [event["type"] for event in run(execution, state)]
    assert kinds == ["ExecutionStarted", "ParallelStateEntered", "FailStateEntered"]


def test_an_engine_without_what_is_replaced_is_refused_by_name() -> None:
    with pytest.raises(AttributeError, match=histories.ADD):
        histories.link_as_aws(object())
