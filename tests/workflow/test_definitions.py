"""What every workflow's definition promises, whichever workflow it is.

The embedded engine ignores the machine's timeout, the cap of delays and jitter, so these are held here.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.retries import (
    CONTENDED,
    IN_PROGRESS,
    OUR_ERRORS,
    POLICIES,
    STANDARD_STEP,
    THROTTLED,
    TRANSIENT,
    Json,
    Policy,
    every_state,
    is_never,
    longest_path,
    policy_of,
    worst_case,
)

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
EXPRESS_SECONDS = 300


@pytest.fixture(params=DEFINITIONS, ids=lambda path: path.name.partition(".")[0])
def definition(request: pytest.FixtureRequest) -> Json:
    """Each definition in turn."""
    parsed: Json = json.loads(deployed(request.param))
    return parsed


@pytest.fixture
def states(definition: Json) -> dict[str, Json]:
    found = list(every_state(definition["States"]))
    assert len(dict(found)) == len(found), "two states have one name"
    return dict(found)


@pytest.fixture
def tasks(states: dict[str, Json]) -> dict[str, Json]:
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


# ── Every Task ──────────────────────────────────────────────────────────────────────────────────────────────────────


def calls_a_function(task: Json) -> bool:
    return ":lambda:invoke" in task["Resource"]


def policies(task: Json) -> list[Policy | None]:
    """The policies of a Task's retriers in their order, None for one that is no policy."""
    return [policy_of(retrier) for retrier in task["Retry"] if not is_never(retrier)]


def test_every_task_has_a_timeout(tasks: dict[str, Json]) -> None:
    # Without one, a Task waits as long as the machine may run.
    # https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
    assert [name for name, task in tasks.items() if not isinstance(task.get("TimeoutSeconds"), int)] == []


def test_every_retrier_of_every_task_is_one_of_the_policies(tasks: dict[str, Json]) -> None:
    function = [[THROTTLED, TRANSIENT], [CONTENDED, TRANSIENT]]
    function += [[first, IN_PROGRESS, last] for first, last in function]
    for name, task in tasks.items():
        allowed = function if calls_a_function(task) else [[TRANSIENT]]
        assert policies(task) in allowed, (name, [policy and policy.name for policy in policies(task)])


def test_what_a_person_has_to_look_at_is_not_retried(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        if calls_a_function(task):
            assert is_never(task["Retry"][0]), name
            assert "Unrecoverable" in task["Retry"][0]["ErrorEquals"], name


def test_every_task_catches_everything(tasks: dict[str, Json]) -> None:
    caught = {name: [catch["ErrorEquals"] for catch in task.get("Catch", [])][-1:] for name, task in tasks.items()}
    assert caught == {name: [["States.ALL"]] for name in tasks}


def test_no_catch_hands_on_an_error_as_it_came(states: dict[str, Json]) -> None:
    # Without an Output of its own, a Catch passes the error's text and stack trace to the next state.
    catches = [(name, catch) for name, state in states.items() for catch in state.get("Catch", [])]
    assert [name for name, catch in catches if "Output" not in catch] == []


def test_the_errors_that_it_names_are_those_that_functions_raise(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        handlers = (*task["Retry"], *task["Catch"])
        named = set(itertools.chain(*(handler["ErrorEquals"] for handler in handlers)))
        # States.ALL, Lambda.Unknown are the services' own.
        assert {error for error in named if "." not in error} <= OUR_ERRORS, name


def test_every_error_of_ours_is_named_by_a_workflow() -> None:
    texts = "".join(path.read_text("utf-8") for path in DEFINITIONS)
    assert [error for error in sorted(OUR_ERRORS) if f'"{error}"' not in texts] == []


# ── Every Parallel ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_parallel_uses_a_field_that_the_embedded_engine_ignores(states: dict[str, Json]) -> None:
    # It would work on AWS and silently do nothing in every test here.
    for name, state in states.items():
        if state["Type"] == "Parallel":
            assert state.keys() & {"Arguments", "Output", "Assign"} == set(), name


def test_a_branch_fails_only_where_a_person_has_to_look(states: dict[str, Json]) -> None:
    # A branch that fails cuts the other one off while its function is still at work.
    for name, state in states.items():
        inner = {inner: each for branch in state.get("Branches", []) for inner, each in branch["States"].items()}
        failing = {inner for inner, each in inner.items() if each["Type"] == "Fail"}
        for task in (each for each in inner.values() if each["Type"] == "Task"):
            assert task["Catch"][-1]["Next"] not in failing, name
            caught = [catch["ErrorEquals"] for catch in task["Catch"] if catch["Next"] in failing]
            assert caught in ([], [["Unrecoverable"]]), name
        if failing:
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_policy_is_capped_bounded_and_says_why(policy: Policy) -> None:
    assert policy.errors
    assert 1 <= policy.attempts <= 10
    assert policy.interval <= policy.cap <= 8
    assert len(policy.why) > 40


def test_the_worst_case_of_a_task_is_every_attempt_and_every_delay() -> None:
    never = {"ErrorEquals": ["Unrecoverable"], "MaxAttempts": 0}
    throttled, transient = 7 + (1 + 6 * 2), (1 + 6) + (2 + 6)
    task = STANDARD_STEP | {"TimeoutSeconds": 6, "Retry": [never, *STANDARD_STEP["Retry"]]}
    assert worst_case(task) == 6 + throttled + transient


def test_the_policies_that_wait_for_others_wait_no_longer_than_a_step_beside_them() -> None:
    contended = [{"ErrorEquals": sorted(policy.errors)} | policy.timing for policy in (CONTENDED, TRANSIENT)]
    assert worst_case({"Type": "Task", "TimeoutSeconds": 6, "Retry": contended}) <= worst_case(STANDARD_STEP)


def test_a_loop_has_to_say_how_long_it_takes() -> None:
    states: dict[str, Json] = {
        "Again": {"Type": "Pass", "Next": "Ask"},
        "Ask": {"Type": "Choice", "Choices": [], "Default": "Again"},
    }
    with pytest.raises(ValueError, match="Again, Ask, Again"):
        longest_path(states, "Again")


def test_the_longest_path_fits_what_an_express_execution_gets(definition: Json) -> None:
    states = definition["States"]
    seconds, path = longest_path(states, definition["StartAt"])
    steps = " + ".join(f"{name} {worst_case(states[name]):g}" for name in path if worst_case(states[name]))
    print(f"{steps} = {seconds:g} s")  # noqa: T201
    assert seconds <= definition["TimeoutSeconds"] <= EXPRESS_SECONDS


# ── The tests notice ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "field", ["IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts", "JitterStrategy"]
)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_retrier_that_is_slightly_different_is_no_policy(policy: Policy, field: str) -> None:
    retrier: dict[str, Any] = {"ErrorEquals": sorted(policy.errors)} | policy.timing
    assert policy_of(retrier) is policy
    assert policy_of(retrier | {field: "x" if field == "JitterStrategy" else 99}) is None
    assert policy_of({key: value for key, value in retrier.items() if key != field}) is None
