"""The order workflow's definition: its expressions by themselves, and what it reads, writes and costs.

Its paths are run on two engines, and what holds for every workflow is tested once for all, in tests/workflow.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonata
import pytest

from orders import OpenOrder, Outcome, Reason, errors
from orders.tables import open_order_from, open_order_item
from tests.template.stack import Json, TransformedTemplate, transformed
from tests.workflow.retries import BUSY, policy_of

OPEN_ORDER = open_order_item(OpenOrder("o-1", "2026-01-01T09:00:00+00:00"))


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


# ── Cost ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def happy_path(states: dict[str, Json], start: str) -> Iterator[str]:
    """The states that an execution enters when nothing fails."""
    name: str | None = start
    while name:
        state = states[name]
        assert state["Type"] != "Choice", name
        yield name
        for branch in state.get("Branches", []):
            yield from happy_path(branch["States"], branch["StartAt"])
        name = state.get("Next")


def test_a_confirmed_order_takes_seven_state_transitions(definition: Json) -> None:
    # Each costs 25 USD per million orders, more than everything else in the pipeline.
    entered = list(happy_path(definition["States"], definition["StartAt"]))
    assert entered == ["Validate", "Try", "Reserve", "Authorize", "Confirm", "Capture", "Notify"]


# ── Retries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conflict_is_retried_as_busy_by_every_step_that_writes_stock(
    tasks: dict[str, Json], defaults: TransformedTemplate
) -> None:
    inventory = defaults.arn("InventoryFunction")
    for name, task in tasks.items():
        as_busy = {error for retrier in task["Retry"] if policy_of(retrier) is BUSY for error in retrier["ErrorEquals"]}
        writes_stock = task["Arguments"].get("FunctionName") == inventory
        assert as_busy - BUSY.errors == ({"TransactionConflict"} if writes_stock else set()), name


# ── Personal data ───────────────────────────────────────────────────────────────────────────────────────────────────

# All that expressions read of what surrounds them. None of it holds anything of a customer.
READ = {
    "$states.context.Execution.Id",
    "$states.context.Execution.Input.approved",  # a digest
    "$states.context.Execution.Input.order_id",  # the rule passes the event's detail, which has ids and a time
    "$states.context.Execution.Input.occurred_at",
    "$states.context.Execution.Input.tried_minutes",
    "$states.errorOutput.Cause",  # of OrderInvalid alone, which quotes no value
    "$states.errorOutput.Error",
    "$states.input",  # of Escalate: the step, and the error's name
    "$states.input.error",
    "$states.input.outcome",
    "$states.input.reason",
    "$states.input.step",
    "$states.input.violations",
    "$states.input[",  # the votes
    "$states.result.Attributes.decision.M.decided_at.S",
    "$states.result.Attributes.decision.M.outcome.S",
    "$states.result.Attributes.decision.M.reason.S",
    "$states.result.Payload",  # what a function returns: whether it holds, or what the next steps need of the order
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
    assert tables == {defaults.ref("OrderStatesTable"), defaults.ref("OpenOrdersTable")}


def test_no_catch_hands_on_what_an_error_says(states: dict[str, Json]) -> None:
    for name, state in states.items():
        for catch in state.get("Catch", []):
            if catch["ErrorEquals"] != ["OrderInvalid"]:
                assert "Cause" not in str(catch["Output"]), name


# ── Before anything is tried ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("event", "approved"), [({"approved": "a-digest"}, "a-digest"), ({}, "")])
def test_what_was_approved_is_checked_where_the_event_says_it(
    states: dict[str, Json], event: Json, approved: str
) -> None:
    expression = states["Validate"]["Arguments"]["Payload"]["approved"]
    assert evaluate(expression, states={"context": {"Execution": {"Input": event}}}) == approved


def caught(states: dict[str, Json], error: str) -> Json:
    """What Validate's catch makes of an error."""
    [catch] = [each for each in states["Validate"]["Catch"] if each["ErrorEquals"] == [error]]
    return catch  # type: ignore[no-any-return]


def test_an_order_that_was_decided_elsewhere_is_finished_as_that_stands(states: dict[str, Json]) -> None:
    catch = caught(states, errors.OrderDecided.__name__)
    assert catch["Next"] == "Decline"
    # Decline writes only where nothing stands, and something does. DynamoDB wants a whole decision all the same.
    assert proposed(arguments_of(states["Decline"], catch["Output"])) == {
        "outcome": {"S": Outcome.CANCELLED},
        "reason": {"S": Reason.CANCELLED_BY_CUSTOMER},
    }


def test_an_order_over_the_limit_that_nobody_approved_is_marked_for_a_person_and_left_to_the_sweep(
    states: dict[str, Json],
) -> None:
    assert caught(states, errors.ReviewNeeded.__name__) == {
        "ErrorEquals": [errors.ReviewNeeded.__name__],
        "Output": {},
        "Next": "Review",
    }
    arguments = states["Review"]["Arguments"]
    assert arguments["UpdateExpression"] == "SET review = :needed"
    assert open_order_from(OPEN_ORDER | {"review": arguments["ExpressionAttributeValues"][":needed"]}).review
    # An order that has come to its end meanwhile is not opened again.
    assert arguments["ConditionExpression"] == "attribute_exists(order_id)"
    assert [states["Review"]["Next"], *(catch["Next"] for catch in states["Review"]["Catch"])] == ["Later", "Later"]


# ── The decision ────────────────────────────────────────────────────────────────────────────────────────────────────

HELD = {"held": True}
STOCK = [HELD, {"held": False, "reason": "OUT_OF_STOCK"}]
FUNDS = [HELD, {"held": False, "reason": "PAYMENT_DECLINED"}]
VOTES = [list(votes) for votes in itertools.product(STOCK, FUNDS)]
FROM_DECLINE: list[Json] = [{"held": False}]  # what its catch hands over: no vote at all
VIOLATIONS = ["lines[0].sku: is not in the catalogue", "total: is not the sum of the lines"]
UNDECIDED_OR_CONFIRMED = "attribute_not_exists(decision) OR decision.outcome = :outcome"
CONFIRMED_ALREADY = "decision.outcome = :outcome"


def rejection(states: dict[str, Json], violations: list[str]) -> Json:
    """What Validate's catch makes of an invalid order."""
    [catch] = [each for each in states["Validate"]["Catch"] if each["ErrorEquals"] == ["OrderInvalid"]]
    cause = json.dumps({"errorMessage": str(errors.OrderInvalid(violations)), "errorType": "OrderInvalid"})
    output: Json = catch["Output"]
    return output | {"violations": evaluate(output["violations"], states={"errorOutput": {"Cause": cause}})}


def arguments_of(state: Json, state_input: Any) -> Json:
    """The arguments of a write, with the expressions in them evaluated."""
    states = {"input": state_input, "context": {"Execution": {"Id": "an-execution"}}}
    return {
        name: evaluate(value, states=states) if isinstance(value, str) and value.startswith("{%") else value
        for name, value in state["Arguments"].items()
    }


def proposed(arguments: Json) -> Json:
    """The decision that a write proposes, without its time; its status and history have to say the same."""
    values = arguments["ExpressionAttributeValues"]
    decision: Json = values[":decision"]["M"]
    at = decision.pop("decided_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at["S"])
    assert values[":outcome"] == decision["outcome"]
    assert values[":history"] == {"M": {decision["outcome"]["S"]: at}}
    assert decision.pop("execution") == {"S": "an-execution"}
    return decision


@pytest.mark.parametrize("votes", [*VOTES, FROM_DECLINE], ids=str)
def test_an_order_is_confirmed_only_if_stock_and_funds_are_held_or_if_it_is_already(
    states: dict[str, Json], votes: list[Json]
) -> None:
    arguments = arguments_of(states["Confirm"], votes)
    condition = UNDECIDED_OR_CONFIRMED if votes == [HELD, HELD] else CONFIRMED_ALREADY
    assert arguments["ConditionExpression"] == condition
    assert proposed(arguments) == {"outcome": {"S": "CONFIRMED"}, "reason": {"S": "ACCEPTED"}}


@pytest.mark.parametrize("votes", VOTES[1:], ids=str)
def test_an_order_that_is_refused_is_declined_for_the_first_refusal(states: dict[str, Json], votes: list[Json]) -> None:
    # With two refusals, the stock's is the reason: branches answer in the order in which they are written.
    refusals = [vote["reason"] for vote in votes if not vote["held"]]
    assert handed_to_decline(states, votes) == {"outcome": "CANCELLED", "reason": refusals[0]}


def test_where_both_hold_an_order_was_declined_already_and_no_reason_is_written(states: dict[str, Json]) -> None:
    handed = handed_to_decline(states, [HELD, HELD])
    assert handed["outcome"] == "CANCELLED"
    assert isinstance(handed["reason"], str)  # DynamoDB takes no other type, whether or not it writes it


def handed_to_decline(states: dict[str, Json], votes: list[Json]) -> Json:
    """What Confirm's catch makes of the votes."""
    [catch] = [each for each in states["Confirm"]["Catch"] if each["Next"] == "Decline"]
    output: Json = catch["Output"]
    return output | {"reason": evaluate(output["reason"], states={"input": votes})}


@pytest.mark.parametrize("reason", ["OUT_OF_STOCK", "PAYMENT_UNAVAILABLE"])
def test_a_declined_order_is_cancelled_for_its_reason_and_has_no_violations(
    states: dict[str, Json], reason: str
) -> None:
    arguments = arguments_of(states["Decline"], {"outcome": "CANCELLED", "reason": reason})
    assert proposed(arguments) == {"outcome": {"S": "CANCELLED"}, "reason": {"S": reason}}


@pytest.mark.parametrize("violations", [VIOLATIONS[:1], VIOLATIONS], ids=["one", "two"])
def test_an_invalid_order_is_rejected_with_a_code_and_a_list_of_its_violations(
    states: dict[str, Json], violations: list[str]
) -> None:
    arguments = arguments_of(states["Decline"], rejection(states, violations))
    assert proposed(arguments) == {
        "outcome": {"S": "REJECTED"},
        "reason": {"S": "ORDER_INVALID"},
        "violations": {"L": [{"S": violation} for violation in violations]},
    }


def test_an_order_is_declined_unless_it_is_confirmed(states: dict[str, Json]) -> None:
    arguments = arguments_of(states["Decline"], {"outcome": "CANCELLED", "reason": "OUT_OF_STOCK"})
    assert arguments["ConditionExpression"] == "attribute_not_exists(decision) OR decision.outcome <> :confirmed"
    assert arguments["ExpressionAttributeValues"][":confirmed"] == {"S": Outcome.CONFIRMED}


@pytest.mark.parametrize("decision", ["Confirm", "Decline"])
def test_the_first_decision_stands(states: dict[str, Json], decision: str) -> None:
    assert states[decision]["Arguments"]["UpdateExpression"] == (
        "SET decision = if_not_exists(decision, :decision), #status = if_not_exists(#status, :outcome),"
        " history = if_not_exists(history, :history)"
    )
    # What the next steps follow is what stands, and not what was proposed.
    assert states[decision]["Arguments"]["ReturnValues"] == "ALL_NEW"


def writes(states: dict[str, Json]) -> Iterator[Json]:
    """The arguments of every write that the workflow makes itself, in each of their variants."""
    for votes in (*VOTES, FROM_DECLINE):
        yield arguments_of(states["Confirm"], votes)
    yield arguments_of(states["Decline"], {"outcome": "CANCELLED", "reason": "OUT_OF_STOCK"})
    yield arguments_of(states["Decline"], rejection(states, VIOLATIONS))
    yield states["Escalate"]["Arguments"]
    yield states["Review"]["Arguments"]


def test_every_value_and_every_name_of_an_expression_is_used_and_given(states: dict[str, Json]) -> None:
    """DynamoDB refuses those that are not used in any of a request's expressions, and those that it does not know.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeValues.html
    """
    seen = 0
    for arguments in writes(states):
        used = set(
            re.findall(r"[:#]\w+", f"{arguments['UpdateExpression']} {arguments.get('ConditionExpression', '')}")
        )
        given = arguments["ExpressionAttributeValues"].keys() | arguments.get("ExpressionAttributeNames", {}).keys()
        assert used == given
        seen += 1
    assert seen > sum(":dynamodb:" in state.get("Resource", "") for state in states.values())


@pytest.mark.parametrize("branch", ["Release", "Void"])
def test_what_is_undone_carries_the_decisions_reason(states: dict[str, Json], branch: str) -> None:
    decided = {"outcome": "CANCELLED", "reason": "OUT_OF_STOCK"}
    assert evaluate(states[branch]["Arguments"]["Payload"]["reason"], decision=decided) == "OUT_OF_STOCK"


# ── Patience ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("minutes", [1, 60, 10080])
def test_an_order_is_declined_for_a_hold_that_cannot_be_had_only_after_so_many_minutes(minutes: int) -> None:
    workflow = TransformedTemplate(transformed(), PatienceMinutes=minutes).workflows["OrderWorkflow"]
    [choice] = workflow.states["Patience"]["Choices"]
    assert (choice["Next"], workflow.states["Patience"]["Default"]) == ("Decline", "Later")

    def declined(**event: int) -> Any:
        return evaluate(choice["Condition"], states={"context": {"Execution": {"Input": event}}})

    assert [declined(tried_minutes=tried) for tried in (minutes - 1, minutes, minutes + 1)] == [False, True, True]
    assert declined() is False  # the first event of an order says nothing of it


def test_what_patience_waits_for_are_the_holds_that_cannot_be_had(states: dict[str, Json]) -> None:
    [catch] = [each for each in states["Try"]["Catch"] if each["Next"] == "Patience"]
    assert catch["ErrorEquals"] == [Reason.INVENTORY_UNAVAILABLE, Reason.PAYMENT_UNAVAILABLE]
    assert catch["Output"]["outcome"] == Outcome.CANCELLED
