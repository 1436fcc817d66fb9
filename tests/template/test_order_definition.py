"""The order workflow's definition: its expressions by themselves, and what it reads, writes and costs.

Its paths are run on two engines, and what holds for every workflow is tested once for all, in tests/workflow.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonata
import pytest

from orders import errors
from tests.template.stack import Json, TransformedTemplate
from tests.workflow.retries import STANDARD_STEP, longest_path, worst_case


@pytest.fixture(scope="module")
def definition(defaults: TransformedTemplate) -> Json:
    return defaults.workflows["OrderWorkflow"].definition


@pytest.fixture(scope="module")
def states(defaults: TransformedTemplate) -> dict[str, Json]:
    return defaults.workflows["OrderWorkflow"].states


@pytest.fixture(scope="module")
def tasks(defaults: TransformedTemplate) -> dict[str, Json]:
    return defaults.workflows["OrderWorkflow"].tasks


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


# ── Waiting for others ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_notice_is_waited_for_until_the_lease_of_a_dead_sandbox_is_over(
    tasks: dict[str, Json], defaults: TransformedTemplate
) -> None:
    [waiting] = [r for r in tasks["Notify"]["Retry"] if r["ErrorEquals"] == ["NoticeInProgress"]]
    assert waiting["IntervalSeconds"] > defaults.functions["notify"].properties["Timeout"]


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


def test_one_more_step_would_fit_the_time_of_the_workflow(definition: Json) -> None:
    seconds, _ = longest_path(definition["States"], definition["StartAt"])
    assert seconds + worst_case(STANDARD_STEP) <= definition["TimeoutSeconds"]


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


def test_the_workflow_itself_touches_no_item_that_holds_personal_data(
    defaults: TransformedTemplate, tasks: dict[str, Json]
) -> None:
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
