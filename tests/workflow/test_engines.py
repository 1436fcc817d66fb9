"""The two engines themselves: that both read every definition, and that they differ where `DIFFERENCES` says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ministack.services import stepfunctions
from moto.stepfunctions.parser.api import InvalidDefinition
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from tests.workflow.conftest import Execution
from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.engines import ACCOUNT, DIFFERENCES, ENGINES, REGION, ROLE, Engine, Run, TaskFailed, ask

MINISTACK, _, MOTO = ENGINES
PASS = {"Type": "Pass", "End": True}


def definition(**states: dict[str, Any]) -> str:
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})


def never(integration: str, arguments: dict[str, Any]) -> Any:
    raise ValueError(f"{integration} is not for these tests to call: {arguments}")


def parallel(**properties: Any) -> str:
    branches = [{"StartAt": name, "States": {name: PASS}} for name in ("Left", "Right")]
    return definition(Both={"Type": "Parallel", "Branches": branches, "End": True, **properties})


def invoke(**properties: Any) -> dict[str, Any]:
    """A Task that calls a function."""
    arguments = {"FunctionName": "f", "Payload": {"n": "{% $states.input.n %}"}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": arguments,
        "TimeoutSeconds": 5,
        "End": True,
        **properties,
    }


NOTHING_MATCHES = definition(
    Ask={"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Done"}]}, Done={"Type": "Succeed"}
)


@pytest.fixture
def both() -> Callable[[str], tuple[Run, Run]]:
    """Run a definition that calls nothing on MiniStack's engine and on moto's."""
    return lambda text: (MINISTACK.run(text, {}, never), MOTO.run(text, {}, never))


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_both_engines_read_every_definition(path: Path) -> None:
    text = deployed(path)
    ask(stepfunctions._create_state_machine, name=path.stem, definition=text, roleArn=ROLE)
    StepFunctionsParserBackend(REGION, ACCOUNT).create_state_machine(path.stem, text, ROLE)


@pytest.mark.parametrize(
    "state",
    [{"Type": "Pass", "Ende": True}, {"Type": "Task", "End": True}, {"Type": "Pas", "End": True}],
    ids=["property", "resource", "type"],
)
def test_a_definition_that_is_no_states_language_is_refused_by_the_second_engine(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition):
        MOTO.run(definition(Only=state), {}, never)


def branches_still_differ(both: Callable[[str], tuple[Run, Run]]) -> bool:
    ministack, moto = both(parallel())
    return ministack.inside == [] and sorted(moto.inside) == ["Left", "Right"]


def parallel_still_differs(both: Callable[[str], tuple[Run, Run]]) -> bool:
    ministack, moto = both(parallel(Output={"branches": "{% $count($states.result) %}"}))
    return (ministack.output, moto.output) == ([{}, {}], {"branches": 2})


def choice_still_differs(both: Callable[[str], tuple[Run, Run]]) -> bool:
    ministack, moto = both(NOTHING_MATCHES)
    assert ministack.error == moto.error == "States.NoChoiceMatched"
    return "States.Runtime" in moto.history and "States.Runtime" not in ministack.history


def cause_still_differs(both: Callable[[str], tuple[Run, Run]]) -> bool:
    ministack, moto = both(NOTHING_MATCHES)
    return ministack.cause != moto.cause


def a_failing_job(integration: str, arguments: dict[str, Any]) -> Any:
    """MiniStack waits for a job in one call; moto submits it, and asks what became of it."""
    if integration.endswith(".sync"):
        raise TaskFailed("States.TaskFailed", "{}")
    return {"JobId": "1", "jobs": [{"jobId": "1", "status": "FAILED"}]}


def branch_still_differs(_: Callable[[str], tuple[Run, Run]]) -> bool:
    job = {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}
    task = invoke(Resource="arn:aws:states:::batch:submitJob.sync", Arguments=job)
    text = definition(
        Both={"Type": "Parallel", "Branches": [{"StartAt": "Only", "States": {"Only": task}}], "End": True}
    )
    ministack, moto = (engine.run(text, {}, a_failing_job) for engine in (MINISTACK, MOTO))
    assert ministack.error == moto.error == "States.TaskFailed"
    return "Custom Error Names" in moto.history and "Custom Error Names" not in ministack.history


def dollar_still_differs(both: Callable[[str], tuple[Run, Run]]) -> bool:
    ministack, moto = both(definition(Only={**PASS, "Output": "{% [[1, 2].($ + 1)] %}"}))
    return (ministack.output, moto.error) == ([2, 3], "States.Runtime")


CHECKS = {
    "branch": branch_still_differs,
    "dollar": dollar_still_differs,
    "branches": branches_still_differ,
    "parallel": parallel_still_differs,
    "choice": choice_still_differs,
    "cause": cause_still_differs,
}


@pytest.mark.parametrize("difference", sorted({*DIFFERENCES, *CHECKS}))
def test_a_listed_difference_is_still_one(difference: str, both: Callable[[str], tuple[Run, Run]]) -> None:
    assert CHECKS[difference](both), f"gone, so its line can go: {DIFFERENCES[difference]}"


def forgets_a_state(*arguments: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    execution, events = MOTO.execute(*arguments)
    return execution, [event for event in events if event.get("stateEnteredEventDetails", {}).get("name") != "Confirm"]


def test_a_path_on_which_the_engines_disagree_fails(execute: Callable[..., Execution]) -> None:
    forgetful = Engine("forgetful", "STANDARD", forgets_a_state)
    ENGINES.append(forgetful)
    try:
        with pytest.raises(AssertionError, match="forgetful, STANDARD is not as MiniStack, STANDARD"):
            execute()
    finally:
        ENGINES.remove(forgetful)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_run_waits_no_time_and_leaves_no_thread(engine: Engine) -> None:
    before = set(threading.enumerate())
    retrier = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 86400, "MaxAttempts": 2}
    answers = iter([TaskFailed("Busy", "{}"), TaskFailed("Lambda.Unknown", ""), {"Payload": {"n": 2}}])

    def call(integration: str, arguments: dict[str, Any]) -> Any:
        answer = next(answers)
        if isinstance(answer, TaskFailed):
            raise answer
        return answer

    text = definition(
        Wait={"Type": "Wait", "Seconds": 86400, "Next": "Call"},
        Call=invoke(Retry=[retrier], Output="{% $states.result.Payload %}"),
    )
    run = engine.run(text, {"n": 1}, call)
    assert (run.status, run.output) == ("SUCCEEDED", {"n": 2})
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_failing_branch_lets_the_other_finish_on_every_engine(engine: Engine) -> None:
    called = []

    def call(integration: str, arguments: dict[str, Any]) -> Any:
        called.append(arguments["Payload"]["n"])
        if arguments["Payload"]["n"] == "fails":
            raise TaskFailed("Broken", json.dumps({"errorType": "Broken"}))
        return {"Payload": {}}

    def branch(*payloads: str) -> dict[str, Any]:
        names = [f"{payload}-{n}" for n, payload in enumerate(payloads)]
        followers: list[dict[str, Any]] = [*[{"Next": name} for name in names[1:]], {"End": True}]
        states = {}
        for name, payload, follows in zip(names, payloads, followers, strict=True):
            task = invoke(Arguments={"FunctionName": "f", "Payload": {"n": payload}})
            del task["End"]
            states[name] = task | follows
        return {"StartAt": names[0], "States": states}

    text = definition(
        Both={
            "Type": "Parallel",
            "Branches": [branch("fails"), branch("a", "b", "c")],
            "Catch": [{"ErrorEquals": ["Broken"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}],
            "End": True,
        },
        Caught=PASS,
    )
    run = engine.run(text, {}, call)
    assert (run.status, run.output) == ("SUCCEEDED", "Broken")
    assert sorted(called) == ["a", "b", "c", "fails"]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_of_two_branches_that_fail_the_first_in_order_is_caught_on_every_engine(engine: Engine) -> None:
    def fails(error: str) -> dict[str, Any]:
        return {"StartAt": error, "States": {error: {"Type": "Fail", "Error": error}}}

    text = definition(
        Both={
            "Type": "Parallel",
            "Branches": [fails("Left"), fails("Right")],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}],
            "End": True,
        },
        Caught=PASS,
    )
    assert {engine.run(text, {}, never).output for _ in range(5)} == {"Left"}
