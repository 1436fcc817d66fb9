"""The embedded workflow engine's retries wait as AWS's do."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.services import stepfunctions

from local import engine

RETRIER = {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 30, "MaxAttempts": 6}
FULL = RETRIER | {"JitterStrategy": "FULL"}


def longest(_: float, most: float) -> float:
    """The jitter at its worst."""
    return most


@pytest.mark.parametrize(("retries", "seconds"), [(0, 2), (1, 4), (3, 16), (4, 30), (9, 30)])
def test_a_wait_doubles_until_its_cap(retries: int, seconds: float) -> None:
    assert engine.wait_seconds(RETRIER, retries, longest) == seconds
    assert engine.wait_seconds(FULL, retries, longest) == seconds


def test_full_jitter_is_anything_up_to_the_wait_and_without_jitter_it_is_the_wait() -> None:
    asked: list[tuple[float, float]] = []

    def half(least: float, most: float) -> float:
        asked.append((least, most))
        return most / 2

    assert engine.wait_seconds(FULL, 2, half) == 4
    assert engine.wait_seconds(RETRIER, 2, half) == 8
    assert asked == [(0, 8)]


def test_defaults_are_those_of_the_language() -> None:
    assert engine.wait_seconds({"ErrorEquals": ["Busy"]}, 3, longest) == 8


@pytest.mark.parametrize("kind", ["Task", "Parallel"])
def test_the_engine_waits_so_between_attempts_and_as_long_as_it_is_told_elsewhere(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def fail(*_: Any) -> Any:
        raise stepfunctions._ExecutionError("Busy", "")

    monkeypatch.setattr(stepfunctions, "time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(stepfunctions, "_invoke_resource", fail)
    for name in (engine.RETRIER, engine.SLEEP):
        monkeypatch.setattr(stepfunctions, name, getattr(stepfunctions, name))  # put back at the end
    engine.wait_as_aws(stepfunctions, longest)

    assert run(kind)["status"] == "FAILED"
    assert [round(seconds, 2) for seconds in slept if seconds >= 1] == [7, 2, 4, 8, 16, 30, 30]


def run(kind: str) -> dict[str, Any]:
    """A definition that waits for seven seconds, and then fails as often as it may."""
    task: dict[str, Any] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {},
        "TimeoutSeconds": 9,
    }
    states = {
        "Task": task | {"Retry": [RETRIER], "End": True},
        "Parallel": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Inner", "States": {"Inner": task | {"End": True}}}],
            "Retry": [RETRIER],
            "End": True,
        },
    }
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 7, "Next": kind}, kind: states[kind]},
    }
    machine = answer(
        stepfunctions._create_state_machine,
        name=f"engine-{kind}",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::000000000000:role/workflow",
    )["stateMachineArn"]
    started = answer(stepfunctions._start_execution, stateMachineArn=machine, name="run", input="{}")["executionArn"]
    return wait_for(started)


def wait_for(execution: str) -> dict[str, Any]:
    for _ in range(10_000):
        described: dict[str, Any] = answer(stepfunctions._describe_execution, executionArn=execution)
        if described["status"] != "RUNNING":
            return described
        asyncio.run(asyncio.sleep(0.01))
    raise AssertionError("it never ends")


def answer(action: Any, **request: Any) -> Any:
    status, _, body = action(request)
    assert status == 200, body
    return json.loads(body)
