"""The emulator does as AWS does: retries wait, a task that waits for its token ends, and an API is where it is said to
be.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.services import apigateway, eventbridge, stepfunctions
from ministack.services.cloudformation import provisioners

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
    put_back(monkeypatch, engine.RETRIER, engine.SLEEP)
    engine.wait_as_aws(stepfunctions, longest)

    assert run(kind)["status"] == "FAILED"
    assert [round(seconds, 2) for seconds in slept if seconds >= 1] == [7, 2, 4, 8, 16, 30, 30]


def put_back(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave the engine at the end as it was."""
    for name in names:
        monkeypatch.setattr(stepfunctions, name, getattr(stepfunctions, name))


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
    return wait_for(start(definition))


def start(definition: dict[str, Any]) -> str:
    machine = answer(
        stepfunctions._create_state_machine,
        name=uuid.uuid4().hex,
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::000000000000:role/workflow",
    )["stateMachineArn"]
    execution: str = answer(stepfunctions._start_execution, stateMachineArn=machine, name=uuid.uuid4().hex, input="{}")[
        "executionArn"
    ]
    return execution


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


class Asked:
    """The function of a task that waits: it remembers its tokens, and does with each what it is told to."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.does: Callable[[str], None] = lambda token: None

    def __call__(self, function: str, event: dict[str, str]) -> None:
        self.tokens.append(event["token"])
        self.does(event["token"])

    def token(self, number: int) -> str:
        """The token of an attempt, once it is made."""
        for _ in range(10_000):
            if len(self.tokens) > number:
                return self.tokens[number]
            asyncio.run(asyncio.sleep(0.01))
        raise AssertionError("it is never asked")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    function = Asked()
    monkeypatch.setattr(stepfunctions, engine.CALL, function)
    monkeypatch.setattr(stepfunctions, "_resolve_lambda_function_ref", lambda name, **_: name)
    put_back(monkeypatch, engine.ARGUMENTS, engine.CALLBACK, engine.SUCCEED, engine.FAIL)
    engine.answer_as_aws(stepfunctions)
    return function


def ask(**state: Any) -> str:
    """Start a task that waits for its token; anything but an answer takes it to where it says what went wrong."""
    task: dict[str, Any] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}},
        "TimeoutSeconds": 20,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}],
        "End": True,
    }
    states = {"Ask": task | state, "Caught": {"Type": "Succeed"}}
    return start({"QueryLanguage": "JSONata", "StartAt": "Ask", "States": states})


def succeed(token: str, output: str = '"yes"') -> tuple[int, str]:
    """SendTaskSuccess: the answer's status, and the error's name."""
    status, _, body = stepfunctions._send_task_success({"taskToken": token, "output": output})
    return status, json.loads(body).get("__type", "")


def fail(token: str) -> None:
    raise stepfunctions._ExecutionError("Refused", f"not {token}")


def output(execution: str) -> Any:
    return json.loads(wait_for(execution)["output"])


def test_a_function_that_raises_fails_the_task_that_waits_for_its_token(asked: Asked) -> None:
    asked.does = fail
    assert output(ask()) == {"Error": "Refused", "Cause": f"not {asked.token(0)}"}


def test_such_a_task_is_tried_again_with_a_token_of_its_own(asked: Asked) -> None:
    asked.does = lambda token: fail(token) if len(asked.tokens) == 1 else None
    execution = ask(Retry=[{"ErrorEquals": ["Refused"], "IntervalSeconds": 0, "MaxAttempts": 1}])
    first, second = asked.token(0), asked.token(1)
    assert first != second
    assert succeed(first) == (400, "TaskTimedOut")
    assert succeed(second) == (200, "")
    assert output(execution) == "yes"


@pytest.mark.parametrize("after", [lambda token: None, fail], ids=["returns", "raises"])
def test_a_function_may_answer_its_own_token_whatever_becomes_of_it_afterwards(
    asked: Asked, after: Callable[[str], None]
) -> None:
    def answer_and(token: str) -> None:
        assert succeed(token) == (200, "")
        after(token)

    asked.does = answer_and
    assert output(ask()) == "yes"


def test_the_first_answer_stands_and_the_second_is_told_so(asked: Asked) -> None:
    seconds: list[tuple[int, str]] = []

    def answer_twice(token: str) -> None:
        succeed(token)
        seconds.append(succeed(token, '"no"'))
        stepfunctions._send_task_failure({"taskToken": token, "error": "No"})

    asked.does = answer_twice
    execution = ask()
    assert output(execution) == "yes"
    assert [*seconds, succeed(asked.token(0))] == [(400, "TaskTimedOut")] * 2


def test_a_function_that_no_task_waits_for_fails_as_ever(asked: Asked) -> None:
    asked.does = fail
    execution = ask(
        Resource="arn:aws:states:::lambda:invoke", Arguments={"FunctionName": "ask", "Payload": {"token": "none"}}
    )
    assert output(execution) == {"Error": "Refused", "Cause": "not none"}


@pytest.mark.parametrize(
    ("properties", "known"),
    [({"Name": "shop"}, "shop"), ({"Name": "shop", "Tags": {engine.ID_TAG: "other", "team": "tea"}}, "other")],
)
def test_an_api_is_found_by_its_name_unless_its_template_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any], known: str
) -> None:
    handlers = provisioners._RESOURCE_HANDLERS[engine.API]
    monkeypatch.setitem(handlers, "create", handlers["create"])
    engine.name_apis(provisioners)

    created, attributes = handlers["create"]("Api", properties | {"ProtocolType": "HTTP"}, "any")
    try:
        assert (created, attributes["ApiId"]) == (known, known)
        assert apigateway.find_api_scope(known)
    finally:
        handlers["delete"](created, properties)


def test_an_api_without_a_name_gets_an_id_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = provisioners._RESOURCE_HANDLERS[engine.API]
    monkeypatch.setitem(handlers, "create", handlers["create"])
    engine.name_apis(provisioners)
    created, _ = handlers["create"]("Api", {}, "any")
    handlers["delete"](created, {})
    assert len(created) == 8


@pytest.mark.parametrize("mend", [engine.wait_as_aws, engine.answer_as_aws, engine.name_apis])
def test_a_version_that_has_renamed_what_is_replaced_is_refused_by_name(mend: Callable[[Any], None]) -> None:
    with pytest.raises(AttributeError, match="has no attribute '_"):
        mend(SimpleNamespace())


@pytest.mark.parametrize(("refused", "calls"), [(0, 1), (3, 4)])
def test_a_request_waits_until_there_is_room_for_its_function(refused: int, calls: int) -> None:
    answers = iter([{"throttle": True}] * refused + [{"body": "done"}])
    called: list[str] = []

    async def run(function: str, **_: Any) -> Any:
        called.append(function)
        return next(answers)

    gateway = SimpleNamespace(run_reentrant=run)
    engine.wait_for_room(gateway, pause=0)
    assert asyncio.run(gateway.run_reentrant("api", thread_name="x")) == {"body": "done"}
    assert called == ["api"] * calls


def test_a_request_that_never_finds_room_is_refused_in_the_end() -> None:
    async def run(*_: Any, **__: Any) -> Any:
        return {"throttle": True}

    gateway = SimpleNamespace(run_reentrant=run)
    engine.wait_for_room(gateway, seconds=0)
    assert asyncio.run(gateway.run_reentrant("api")) == {"throttle": True}


def test_the_emulators_gateway_has_what_is_replaced() -> None:
    assert callable(getattr(apigateway, engine.RUN))


def test_a_schedules_input_says_when_it_was_started() -> None:
    started: list[dict[str, Any]] = []
    events = SimpleNamespace(_invoke_target=lambda target, *_: started.append(target))
    engine.say_when(events)

    said = {"Arn": "workflow", "Input": f'{{"scheduled_at": "{engine.WHEN}"}}'}
    for target in (said, {"Arn": "workflow", "Input": "{}"}, {"Arn": "workflow"}):
        events._invoke_target(target, {"Time": 1767236400.25}, {})

    assert [target.get("Input") for target in started] == ['{"scheduled_at": "2026-01-01T03:00:00Z"}', "{}", None]
    assert engine.WHEN in said["Input"]


def test_the_emulators_scheduler_has_what_is_replaced() -> None:
    assert callable(getattr(eventbridge, engine.INVOKE))
