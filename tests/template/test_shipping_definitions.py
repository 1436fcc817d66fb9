"""The definitions of what comes after the sale: what their expressions read and make.

Their paths are run on two engines, and what holds for every workflow is tested once for all, in tests/workflow.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

import pytest

from orders import OpenOrder, Reason, Status
from orders.shipping import CANCELLATION
from orders.tables import open_order_from, open_order_item, open_order_key
from tests.template.stack import Json, TransformedTemplate, transformed
from tests.template.test_order_definition import evaluate, expressions

# All that expressions read. None of it holds anything of a customer; a token goes to the function that keeps it.
READ = {
    "$states.context.Execution.Id",
    "$states.context.Execution.Input.order_id",
    "$states.context.State.RetryCount",
    "$states.context.Task.Token",
    "$states.errorOutput.Error",
    "$states.input",  # of Escalate: the step, and the error's name
    "$states.input.error",
    "$states.input.step",
    "$states.result.Payload",
}
READ_BY = {
    "ShippingWorkflow": {
        "$states.input.shipped_at",
        "$states.input.delivered_at",
        "$states.input.keep_until",
        "$states.input.at",  # of the refund
    },
    "ReturnWorkflow": {
        "$states.context.Execution.Input.return_id",
        "$states.input.refunded_at",
        "$returned.lines",
        "$returned.amount",
    },
}
WAITING = {"ShippingWorkflow": "Await", "ReturnWorkflow": "Arrive"}
each_workflow = pytest.mark.parametrize("workflow", WAITING)


def definition_of(workflow: str) -> Json:
    return TransformedTemplate(transformed("shipping"), "shipping").workflows[workflow].definition


def states_of(workflow: str) -> dict[str, Json]:
    return TransformedTemplate(transformed("shipping"), "shipping").workflows[workflow].states


@each_workflow
def test_expressions_read_nothing_that_holds_personal_data(workflow: str) -> None:
    read = {
        re.sub(r"\[\d\]", "", match)
        for expression in expressions(definition_of(workflow))
        for match in re.findall(r"\$(?:states|returned)(?:\.\w+|\[\d\])*", expression)
    }
    assert read == READ | READ_BY[workflow]


@each_workflow
def test_the_token_is_handed_to_the_function_that_keeps_it_and_to_nobody_else(workflow: str) -> None:
    holding = [name for name, state in states_of(workflow).items() if "Task.Token" in json.dumps(state)]
    assert holding == [WAITING[workflow]]
    assert states_of(workflow)[WAITING[workflow]]["Output"] == {}


@pytest.mark.parametrize(
    ("workflow", "detail", "key"),
    [
        ("ShippingWorkflow", {"order_id": "o-1"}, open_order_key("o-1")),
        ("ReturnWorkflow", {"order_id": "o-1", "return_id": "r-1"}, open_order_key("o-1", "r-1")),
    ],
)
def test_what_needs_a_person_is_marked_as_the_sweep_reads_it(workflow: str, detail: Json, key: Json) -> None:
    arguments = states_of(workflow)["Escalate"]["Arguments"]
    context = {"context": {"Execution": {"Input": detail}}}
    assert {"order_id": {"S": evaluate(arguments["Key"]["order_id"]["S"], states=context)}} == key
    assert arguments["UpdateExpression"] == "SET stuck = :stuck"
    assert arguments["ConditionExpression"] == "attribute_exists(order_id)"
    stuck = {name: {"S": name} for name in arguments["ExpressionAttributeValues"][":stuck"]["M"]}
    opened = open_order_item(OpenOrder("o-1", "2026-01-01T09:00:00+00:00"))
    assert open_order_from(opened | {"stuck": {"M": stuck}}).stuck == "step: error"


def test_a_cancelled_order_goes_back_as_the_functions_know_it() -> None:
    states = states_of("ShippingWorkflow")
    for name in ("Restock", "Refund"):
        assert states[name]["Arguments"]["Payload"]["return_id"] == CANCELLATION
    told = {name: state["Arguments"]["Payload"] for name, state in states.items() if name.startswith("Tell")}
    assert {name: (payload["outcome"], payload["reason"], payload["close"]) for name, payload in told.items()} == {
        "TellShipped": (Status.SHIPPING, "", False),
        "TellDelivered": (Status.DELIVERED, "", False),
        "TellCancelled": (Status.CANCELLED, Reason.CANCELLED_BEFORE_SHIPPING, True),
    }


@pytest.mark.parametrize("until", ["2026-01-18T09:00:00.000+00:00", "2026-01-18T09:00:00.999+00:00"])
def test_nobody_archives_an_order_before_its_time_is_over(until: str) -> None:
    expression = states_of("ShippingWorkflow")["Keep"]["Timestamp"]
    timestamp = evaluate(expression, states={"input": {"keep_until": until}})
    # Step Functions takes it with a Z, and cuts off its milliseconds.
    # https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", timestamp)
    waits_until = datetime.fromisoformat(timestamp).replace(microsecond=0)
    assert 0 <= (waits_until - datetime.fromisoformat(until)).total_seconds() <= 1
