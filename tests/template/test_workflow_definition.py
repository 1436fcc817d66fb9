"""What the workflow's definition promises for every state, and its expressions by themselves.

The paths through it are run on the embedded engine (tests/workflow). What that engine ignores, such as the machine's
timeout, the cap of delays, jitter and redriving, is held here.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonata
import pytest

from orders import errors
from tests.template.stack import Json, Stack

# Errors of attempts that count as failed at once: the function was not started, or had nothing to wait for. Of
# Lambda.Unknown this is an assumption: it also stands for functions that ran out of time or memory, and a run of these
# can exceed the budget. The machine's own timeout ends it, and that has an alarm.
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
IMMEDIATE = {"Lambda.TooManyRequestsException", "Lambda.Unknown", "TransactionConflict", "NoticeInProgress"}


@pytest.fixture(scope="module")
def definition(defaults: Stack) -> Json:
    return defaults.definition


@pytest.fixture(scope="module")
def states(defaults: Stack) -> dict[str, Json]:
    return defaults.states


@pytest.fixture(scope="module")
def tasks(defaults: Stack) -> dict[str, Json]:
    return defaults.tasks


def expressions(value: Any) -> Iterator[str]:
    """Every JSONata expression in a part of the definition, without its marks."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from expressions(item)
    elif isinstance(value, str) and value.startswith("{%"):
        yield value.removeprefix("{%").removesuffix("%}").strip()


def evaluate(expression: str, **variables: Any) -> Any:
    """What Step Functions would make of an expression, given `$states` and other variables."""
    [bare] = expressions(expression)
    parsed = jsonata.Jsonata(bare)
    # Step Functions' own: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
    parsed.register_lambda("parse", json.loads)
    return parsed.evaluate(None, variables)


# ── Every state ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_task_has_a_timeout(tasks: dict[str, Json]) -> None:
    # Without one, a Task waits as long as the machine may run.
    # https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
    assert [name for name, task in tasks.items() if not isinstance(task.get("TimeoutSeconds"), int)] == []


def test_retries_are_jittered_capped_and_bounded(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        for retrier in task["Retry"]:
            if retrier["MaxAttempts"] == 0:
                continue
            # The wait for a lease has to last; that of one order's notice meets nobody else's.
            waits_for_a_lease = retrier["ErrorEquals"] == ["NoticeInProgress"]
            assert retrier["JitterStrategy"] == ("NONE" if waits_for_a_lease else "FULL"), name
            assert 1 <= retrier["MaxAttempts"] <= 10, name
            assert retrier["IntervalSeconds"] <= retrier["MaxDelaySeconds"] <= 8, name


def test_a_notice_is_waited_for_until_the_lease_of_a_dead_sandbox_is_over(
    tasks: dict[str, Json], defaults: Stack
) -> None:
    [waiting] = [r for r in tasks["Notify"]["Retry"] if r["ErrorEquals"] == ["NoticeInProgress"]]
    assert waiting["IntervalSeconds"] > defaults.functions["notify"].properties["Timeout"]


def test_every_task_retries_whatever_it_does_not_know(tasks: dict[str, Json]) -> None:
    assert {name for name, task in tasks.items() if task["Retry"][-1]["ErrorEquals"] == ["States.ALL"]} == tasks.keys()


def test_every_task_catches_everything(tasks: dict[str, Json]) -> None:
    assert {name for name, task in tasks.items() if task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]} == tasks.keys()


def test_what_a_person_has_to_look_at_is_not_retried(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        if task["Resource"].endswith(":lambda:invoke"):
            never = [retrier["ErrorEquals"] for retrier in task["Retry"] if retrier["MaxAttempts"] == 0]
            assert "Unrecoverable" in itertools.chain(*never), name


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
            assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
            assert task["Catch"][-1]["Next"] not in failing, name
            caught = [catch["ErrorEquals"] for catch in task["Catch"] if catch["Next"] in failing]
            assert caught in ([], [["Unrecoverable"]]), name
        if failing:
            assert state["Catch"][-1]["Next"] == "Escalate", name


def test_the_errors_that_it_names_are_the_classes_that_the_functions_raise(tasks: dict[str, Json]) -> None:
    named = {
        error
        for task in tasks.values()
        for handler in (*task["Retry"], *task["Catch"])
        for error in handler["ErrorEquals"]
    }
    ours = {error for error in named if "." not in error}  # States.ALL, Lambda.Unknown are the services' own
    assert ours == {name for name, _ in inspect.getmembers(errors, inspect.isclass)}


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def worst_case(state: Json) -> float:
    """The longest that a state can take, with every attempt of every retrier used up, in seconds."""
    if state["Type"] == "Parallel":
        return max(longest_path(branch["States"], branch["StartAt"])[0] for branch in state["Branches"])
    if state["Type"] != "Task":
        return 0
    seconds = float(state["TimeoutSeconds"])  # the first attempt
    for retrier in state["Retry"]:
        attempt = 1 if set(retrier["ErrorEquals"]) <= IMMEDIATE else state["TimeoutSeconds"]
        for number in range(retrier["MaxAttempts"]):
            # Full jitter waits for anything up to this.
            delay = min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number, retrier["MaxDelaySeconds"])
            seconds += delay + attempt
    return seconds


def delays(first: int, most: int) -> Json:
    return {"IntervalSeconds": first, "BackoffRate": 2, "MaxDelaySeconds": most}


def test_the_worst_case_of_a_task_is_every_attempt_and_every_delay() -> None:
    state = {
        "Type": "Task",
        "TimeoutSeconds": 6,
        "Retry": [
            {"ErrorEquals": ["Unrecoverable"], "MaxAttempts": 0},
            {"ErrorEquals": ["Lambda.Unknown"], **delays(1, 4), "MaxAttempts": 4},
            {"ErrorEquals": ["States.ALL"], **delays(2, 8), "MaxAttempts": 2},
        ],
    }
    assert worst_case(state) == 6 + (1 + 1) + (2 + 1) + (4 + 1) + (4 + 1) + (2 + 6) + (4 + 6)


def successors(state: Json) -> set[str]:
    handlers = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {handler[key] for handler in handlers for key in ("Next", "Default") if key in handler}


def longest_path(states: dict[str, Json], start: str) -> tuple[float, list[str]]:
    """The most seconds from `start` to an end, and the states on the way.

    A redrive starts the clock anew: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    state = states[start]
    onwards = set() if start == "AwaitRedrive" else successors(state)
    seconds, path = max((longest_path(states, name) for name in onwards), default=(0.0, []))
    return worst_case(state) + seconds, [start, *path]


def test_the_retries_of_the_longest_path_fit_the_machines_timeout(definition: Json) -> None:
    states = definition["States"]
    seconds, path = longest_path(states, definition["StartAt"])
    steps = " + ".join(f"{name} {worst_case(states[name]):g}" for name in path if worst_case(states[name]))
    print(f"{steps} = {seconds:g} s of {definition['TimeoutSeconds']} s")  # noqa: T201
    assert seconds < definition["TimeoutSeconds"]


def test_an_express_execution_may_take_as_long(definition: Json) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    assert definition["TimeoutSeconds"] <= 300


# ── Cost ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def happy_path(states: dict[str, Json], start: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """The states that an execution enters when nothing fails."""
    name: str | None = start
    while name:
        state = states[name]
        yield name
        for branch in state.get("Branches", []):
            yield from happy_path(branch["States"], branch["StartAt"], variables)
        chosen = (choice for choice in state.get("Choices", []) if evaluate(choice["Condition"], **variables))
        name = next(chosen, state).get("Next", state.get("Default"))


def test_a_confirmed_order_takes_eight_state_transitions(definition: Json) -> None:
    # Each costs 25 USD per million orders, more than everything else in the pipeline.
    entered = list(happy_path(definition["States"], definition["StartAt"], {"decision": {"outcome": "CONFIRMED"}}))
    assert entered == ["Validate", "Try", "Reserve", "Authorize", "Decide", "Follow", "Capture", "Notify"]


# ── Personal data ───────────────────────────────────────────────────────────────────────────────────────────────────

# All that expressions read of what surrounds them. None of it holds anything of a customer.
READ = {
    "$states.context.Execution.Id",
    "$states.context.Execution.Input.order_id",  # the rule passes the event's detail, which has ids and a time
    "$states.context.Execution.RedriveCount",
    "$states.errorOutput.Cause",  # of OrderInvalid alone, which quotes no value
    "$states.errorOutput.Error",
    "$states.input.redrives",
    "$states.input.stuck",
    "$states.input[",  # one of the votes
    "$states.result.Attributes.decision.M.decided_at.S",
    "$states.result.Attributes.decision.M.outcome.S",
    "$states.result.Attributes.decision.M.reason.S",
    "$states.result.Payload",  # what a function returns: a vote, or what the next steps need of the order
}


def test_expressions_read_nothing_that_holds_personal_data(definition: Json) -> None:
    read = {
        match.rstrip(".")
        for expression in expressions(definition)
        for match in re.findall(r"\$states[\w.]*\[?", expression)
    }
    assert read == READ


def test_the_workflow_itself_touches_no_item_that_holds_personal_data(defaults: Stack, tasks: dict[str, Json]) -> None:
    # What a write answers is in the execution history.
    tables = {task["Arguments"]["TableName"] for task in tasks.values() if ":dynamodb:" in task["Resource"]}
    assert tables == {defaults.ref("OrderStatesTable")}


def test_no_catch_hands_on_an_error_as_it_came(tasks: dict[str, Json]) -> None:
    # Without an Output of its own, a Catch passes the error's text and stack trace to the next state.
    for name, task in tasks.items():
        for catch in task["Catch"]:
            assert "Output" in catch, name
            if catch["ErrorEquals"] != ["OrderInvalid"]:
                assert "Cause" not in str(catch["Output"]), name


# ── Redrive ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("execution", "redrives", "starts_over"),
    [
        ({}, 0, False),  # RedriveCount is absent until there has been a redrive
        ({"RedriveCount": 0}, 0, False),
        ({"RedriveCount": 1}, 0, True),
        ({"RedriveCount": 1}, 1, False),  # redriven, and stuck again
        ({"RedriveCount": 2}, 1, True),
    ],
)
def test_a_stuck_execution_fails_until_it_is_redriven(
    states: dict[str, Json], execution: Json, redrives: int, starts_over: bool
) -> None:
    [choice] = states["AwaitRedrive"]["Choices"]
    states_now = {"context": {"Execution": execution}, "input": {"redrives": redrives}}
    found = evaluate(choice["Condition"], states=states_now)
    assert found is starts_over
    assert choice["Next"] == "Validate"
    assert "Default" not in states["AwaitRedrive"]


@pytest.mark.parametrize(("execution", "redrives"), [({}, 0), ({"RedriveCount": 0}, 0), ({"RedriveCount": 3}, 3)])
def test_escalating_remembers_how_often_the_execution_was_redriven(
    states: dict[str, Json], execution: Json, redrives: int
) -> None:
    # In the output and not in a variable: a redriven state gets its input again.
    for output in (states["Escalate"]["Output"], states["Escalate"]["Catch"][0]["Output"]):
        assert evaluate(output["redrives"], states={"context": {"Execution": execution}}) == redrives


# ── The decision ────────────────────────────────────────────────────────────────────────────────────────────────────

HELD = {"held": True}
STOCK = [HELD, {"held": False, "reason": "OUT_OF_STOCK"}, {"held": False, "reason": "INVENTORY_UNAVAILABLE"}]
FUNDS = [HELD, {"held": False, "reason": "PAYMENT_DECLINED"}, {"held": False, "reason": "PAYMENT_UNAVAILABLE"}]
VIOLATIONS = ["lines[0].sku: is not in the catalogue", "total: is not the sum of the lines"]


def decide(states: dict[str, Json], votes: list[Json]) -> Json:
    """The decision that this execution proposes, without its time."""
    context = {"Execution": {"Id": "an-execution"}}
    values = evaluate(
        states["Decide"]["Arguments"]["ExpressionAttributeValues"], states={"input": votes, "context": context}
    )
    decision: Json = values[":decision"]["M"]
    at = decision.pop("decided_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at["S"])
    assert values.keys() == {":decision", ":history", ":outcome"}
    assert values[":outcome"] == decision["outcome"]
    assert values[":history"] == {"M": {decision["outcome"]["S"]: at}}
    assert decision.pop("execution") == {"S": "an-execution"}
    return decision


def rejection(states: dict[str, Json], violations: list[str]) -> Json:
    """What Validate's catch makes of an invalid order."""
    [catch] = [each for each in states["Validate"]["Catch"] if each["ErrorEquals"] == ["OrderInvalid"]]
    cause = json.dumps({"errorMessage": str(errors.OrderInvalid(violations)), "errorType": "OrderInvalid"})
    [vote] = catch["Output"]
    proposed: Json = vote | {"violations": evaluate(vote["violations"], states={"errorOutput": {"Cause": cause}})}
    return proposed


@pytest.mark.parametrize(("stock", "funds"), [*itertools.product(STOCK, FUNDS)])
def test_an_order_is_confirmed_only_if_stock_and_funds_are_held(
    states: dict[str, Json], stock: Json, funds: Json
) -> None:
    refusals = [vote["reason"] for vote in (stock, funds) if not vote["held"]]
    # With two refusals, the stock's is the reason: branches answer in the order in which they are written.
    outcome, reason = ("CANCELLED", refusals[0]) if refusals else ("CONFIRMED", "ACCEPTED")
    assert decide(states, [stock, funds]) == {"outcome": {"S": outcome}, "reason": {"S": reason}}


@pytest.mark.parametrize("violations", [VIOLATIONS[:1], VIOLATIONS], ids=["one", "two"])
def test_an_invalid_order_is_rejected_with_a_code_and_a_list_of_its_violations(
    states: dict[str, Json], violations: list[str]
) -> None:
    assert decide(states, [rejection(states, violations)]) == {
        "outcome": {"S": "REJECTED"},
        "reason": {"S": "ORDER_INVALID"},
        "violations": {"L": [{"S": violation} for violation in violations]},
    }


def test_the_first_decision_stands(states: dict[str, Json]) -> None:
    arguments = states["Decide"]["Arguments"]
    assert arguments["UpdateExpression"] == (
        "SET decision = if_not_exists(decision, :decision), #status = if_not_exists(#status, :outcome),"
        " history = if_not_exists(history, :history)"
    )


@pytest.mark.parametrize(
    ("outcome", "next_state"), [("CONFIRMED", "Capture"), ("CANCELLED", "Cancel"), ("REJECTED", "Cancel")]
)
def test_every_copy_follows_the_decision_that_stands(states: dict[str, Json], outcome: str, next_state: str) -> None:
    follow = states["Follow"]
    chosen = [each["Next"] for each in follow["Choices"] if evaluate(each["Condition"], decision={"outcome": outcome})]
    assert [*chosen, follow["Default"]][0] == next_state


@pytest.mark.parametrize("branch", ["Release", "Void"])
def test_what_is_undone_carries_the_decisions_reason(states: dict[str, Json], branch: str) -> None:
    decision = {"outcome": "CANCELLED", "reason": "OUT_OF_STOCK"}
    assert evaluate(states[branch]["Arguments"]["Payload"]["reason"], decision=decision) == "OUT_OF_STOCK"


@pytest.mark.parametrize(
    ("branches", "next_state"),
    [
        ([{}, {}], "Notify"),
        ([{"stuck": {"step": "Release", "error": "States.Timeout"}}, {}], "Escalate"),
        ([{}, {"stuck": {"step": "Void", "error": "States.Timeout"}}], "Escalate"),
    ],
)
def test_a_cancellation_that_could_not_finish_is_escalated(
    states: dict[str, Json], branches: list[Json], next_state: str
) -> None:
    undone = states["Undone"]
    chosen = [each["Next"] for each in undone["Choices"] if evaluate(each["Condition"], states={"input": branches})]
    assert [*chosen, undone["Default"]][0] == next_state
