"""What every workflow's definition promises, whichever workflow it is.

Neither engine of the tests knows the machine's timeout, a cap of delays or jitter, so these are held here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.retries import (
    AGAIN,
    BUSY,
    CONDITION_FAILED,
    LASTS_AS_LONG_AS,
    LOOPS,
    OUR_ERRORS,
    PATIENT,
    POLICIES,
    QUEUED,
    TRANSIENT,
    Json,
    Policy,
    every_state,
    is_never,
    longest_path,
    longest_wait,
    policy_of,
    successors,
    worst_case,
)

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
EXPRESS_SECONDS = 300
A_DAY = 24 * 60 * 60
A_MONTH, A_YEAR = 30 * A_DAY, 365 * A_DAY


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


def waits_for_a_token(state: Json) -> bool:
    return str(state.get("Resource")).endswith(".waitForTaskToken")


def runs_a_job(task: Json) -> bool:
    return ":batch:submitJob" in task["Resource"]


def is_of_orders(tasks: dict[str, Json]) -> bool:
    """Whether a workflow is about an order, which is on a list: giving up costs nothing. One that runs jobs is not."""
    return not any(map(runs_a_job, tasks.values()))


def policies(task: Json) -> list[Policy | None]:
    """The policies of a Task's retriers in their order, None for one that is no policy."""
    return [policy_of(retrier) for retrier in task["Retry"] if not is_never(retrier)]


def test_every_task_has_a_timeout(tasks: dict[str, Json]) -> None:
    # Without one, a Task waits as long as the machine may run.
    # https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
    assert [name for name, task in tasks.items() if not isinstance(task.get("TimeoutSeconds"), int)] == []


def test_every_retrier_of_every_task_is_one_of_the_policies(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        allowed = [[BUSY, TRANSIENT], [BUSY, PATIENT]] if calls_a_function(task) else [[TRANSIENT], [PATIENT]]
        if not is_of_orders(tasks):
            allowed = [[QUEUED, AGAIN]] if runs_a_job(task) else [[AGAIN]]
        assert policies(task) in allowed, (name, [policy and policy.name for policy in policies(task)])


def test_what_no_retry_mends_is_not_retried(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        never = {error for retrier in task["Retry"][:1] if is_never(retrier) for error in retrier["ErrorEquals"]}
        if calls_a_function(task):
            assert "Unrecoverable" in never, name
        else:
            assert never == ({CONDITION_FAILED} if "ConditionExpression" in task["Arguments"] else set()), name


def test_a_task_waits_for_its_token_longer_than_what_it_waits_for_may_take(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        if waits_for_a_token(task):
            assert task["TimeoutSeconds"] > longest_wait(name), name


# ── What becomes of an error ────────────────────────────────────────────────────────────────────────────────────────


def top_level_tasks(definition: Json) -> Iterator[tuple[Json, list[Json]]]:
    """Every Task, with the states that an error of its meets on its way up: itself, then the Parallel around it."""
    for state in definition["States"].values():
        if state["Type"] == "Task":
            yield state, [state]
        for branch in state.get("Branches", []):
            yield from ((task, [task, state]) for task in branch["States"].values() if task["Type"] == "Task")


def caught_by(state: Json, error: str) -> Json | None:
    """The first catch of a state that takes an error."""
    catches = state.get("Catch", [])
    return next((catch for catch in catches if {error, "States.ALL"} & set(catch["ErrorEquals"])), None)


def follows(definition: Json, error: str) -> Iterator[str | None]:
    """For each Task that calls a function, the state that follows when it gives up with `error`; None for a failure of
    the execution. What a branch's Fail says is the Parallel's error.
    """
    fails = {name: state for name, state in every_state(definition["States"]) if state["Type"] == "Fail"}
    for task, ways in top_level_tasks(definition):
        if not calls_a_function(task):
            continue
        said = error
        for state in ways:
            catch = caught_by(state, said)
            if catch and catch["Next"] in fails:
                fail = fails[catch["Next"]]["Error"]
                said = catch["Output"]["error"] if fail == "{% $states.input.error %}" else fail
            elif catch:
                yield catch["Next"]
                break
        else:
            yield None


def test_everything_is_caught_by_each_task_or_by_the_parallel_around_it(
    definition: Json, tasks: dict[str, Json]
) -> None:
    for task, ways in top_level_tasks(definition) if is_of_orders(tasks) else ():
        catches = [catch["ErrorEquals"] for state in ways for catch in state.get("Catch", [])]
        assert catches[-1:] == [["States.ALL"]], task


def test_what_is_on_no_list_fails_where_it_gives_up(definition: Json, tasks: dict[str, Json]) -> None:
    # Nobody would take it up again, and a catch would only hide it from the alarm (tests/template/test_books.py).
    if not is_of_orders(tasks):
        assert [name for name, state in every_state(definition["States"]) if "Catch" in state] == []


def test_what_only_a_person_can_repair_goes_to_escalate_from_everywhere(
    definition: Json, tasks: dict[str, Json]
) -> None:
    assert set(follows(definition, "Unrecoverable")) == ({"Escalate"} if is_of_orders(tasks) else set())


def test_what_may_pass_by_itself_calls_nobody(definition: Json) -> None:
    assert set(follows(definition, "States.Timeout")) & {"Escalate", None} == set()


def test_no_execution_is_made_to_fail(definition: Json) -> None:
    # By a Fail at the top level, or a Choice that matches nothing. Nobody would redrive it.
    for name, state in definition["States"].items():
        assert state["Type"] != "Fail", name
        assert state["Type"] != "Choice" or "Default" in state, name


def test_no_state_only_passes(states: dict[str, Json]) -> None:
    # Each transition of a Standard workflow is paid for.
    assert [name for name, state in states.items() if state["Type"] == "Pass"] == []


def test_no_catch_hands_on_an_error_as_it_came(states: dict[str, Json]) -> None:
    # Without an Output of its own, a Catch passes the error's text and stack trace to the next state.
    catches = [(name, catch) for name, state in states.items() for catch in state.get("Catch", [])]
    assert [name for name, catch in catches if "Output" not in catch] == []


def test_the_errors_that_it_names_are_those_that_functions_raise(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        handlers = (*task["Retry"], *task.get("Catch", []))
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


def test_a_branch_that_fails_is_caught_by_the_parallel_around_it(
    states: dict[str, Json], tasks: dict[str, Json]
) -> None:
    # In AWS that stops the other one while its function is still at work. What it does is found by the next execution.
    for name, state in states.items() if is_of_orders(tasks) else ():
        if state["Type"] == "Parallel":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_policy_is_capped_bounded_jittered_and_says_why(policy: Policy) -> None:
    assert policy.errors
    assert 1 <= policy.attempts <= 10 or policy is PATIENT
    assert policy.interval <= policy.cap <= {PATIENT: 900, AGAIN: 300}.get(policy, 30)
    assert policy.jitter == "FULL"
    assert len(policy.why) > 40


def retrier_of(policy: Policy) -> Json:
    return {"ErrorEquals": sorted(policy.errors)} | policy.timing


def test_the_worst_case_of_a_task_is_every_attempt_and_every_delay_that_has_to_fit() -> None:
    never = {"ErrorEquals": ["Unrecoverable"], "MaxAttempts": 0}
    task = {"Type": "Task", "TimeoutSeconds": 6, "Retry": [never, *map(retrier_of, POLICIES)]}
    assert worst_case("Any", task) == 6 + (1 + 6) + (2 + 6)


def test_the_worst_case_of_a_wait_is_the_longest_that_may_be_asked_for() -> None:
    keep: Json = {"Type": "Wait", "Timestamp": "{% $until %}"}
    assert worst_case("Keep", keep) == 180 * 24 * 60 * 60
    with pytest.raises(KeyError):
        worst_case("Doze", keep)


def test_every_state_that_is_said_to_wait_for_long_does() -> None:
    found = set()
    for path in DEFINITIONS:
        for name, state in every_state(json.loads(deployed(path))["States"]):
            if (state["Type"] == "Wait" and "Timestamp" in state) or waits_for_a_token(state):
                found.add(name)
    assert found == LASTS_AS_LONG_AS.keys()


def test_a_step_that_is_busy_to_the_last_leaves_half_of_the_time_to_the_others() -> None:
    # More of them may end in the machine's timeout. The order stays open then, as it does after Later.
    waits = sum(min(BUSY.interval * BUSY.backoff**number, BUSY.cap) for number in range(BUSY.attempts))
    assert waits <= EXPRESS_SECONDS / 2


def test_a_loop_has_to_say_how_long_it_takes() -> None:
    states: dict[str, Json] = {
        "Again": {"Type": "Pass", "Next": "Ask"},
        "Ask": {"Type": "Choice", "Choices": [], "Default": "Again"},
    }
    with pytest.raises(ValueError, match="Again, Ask, Again"):
        longest_path(states, "Again")


def test_a_loop_that_is_explained_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wait: Json = {"Type": "Wait", "Seconds": 5}
    states: dict[str, Json] = {
        "Again": wait | {"Catch": [{"Next": "Ask"}], "Next": "Done"},
        "Ask": wait | {"Catch": [{"Next": "Again"}], "Next": "Done"},
        "Done": {"Type": "Succeed"},
    }
    monkeypatch.setitem(LOOPS, "Again", "It does not fail a second time.")
    assert longest_path(states, "Again") == (15, ["Again", "Ask", "Again", "Done"])


def test_every_loop_that_is_explained_exists() -> None:
    explained = set()
    for path in DEFINITIONS:
        states = json.loads(deployed(path))["States"]
        explained |= {name for name in LOOPS if name in states and name in reachable(states, name)}
    assert explained == LOOPS.keys()


def reachable(states: dict[str, Json], start: str) -> set[str]:
    """The states that may come after one, whether or not it is among them."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = successors(states[waiting.pop()]) - found
        found |= new
        waiting.extend(new)
    return found


def test_the_longest_path_fits_what_an_express_execution_gets(definition: Json, tasks: dict[str, Json]) -> None:
    if any(waits_for_a_token(task) for task in tasks.values()):
        # Express workflows have no such tasks: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
        assert A_YEAR >= definition["TimeoutSeconds"] >= longest_path(definition["States"], definition["StartAt"])[0]
        return
    if any(PATIENT in policies(task) for task in tasks.values()):
        assert definition["TimeoutSeconds"] >= A_MONTH
        return
    if not is_of_orders(tasks):
        # Each of its jobs can use up all of its attempts, if no other does; and one night is over before the next.
        assert max(task["TimeoutSeconds"] for task in tasks.values()) < definition["TimeoutSeconds"] < A_DAY
        return
    states = definition["States"]
    seconds, path = longest_path(states, definition["StartAt"])
    steps = " + ".join(f"{name} {worst_case(name, states[name]):g}" for name in path if worst_case(name, states[name]))
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
