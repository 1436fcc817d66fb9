"""The real definition on the embedded engine, inside the test's process.

Lambda calls are answered from a script; DynamoDB and SNS are the emulator's own, so that the decision is a real write.
"""

from __future__ import annotations

import asyncio
import json
import string
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ministack.services import dynamodb, sns, stepfunctions

DEFINITION = Path(__file__).parents[2] / "statemachine" / "order.asl.json"
TABLE = "orders"
TOPIC = "arn:aws:sns:us-east-1:000000000000:alerts"
PLANTED = "ada.planted@example.com"

VALID = {"lines": [{"sku": "TEA", "quantity": 2}], "amount": 1780, "currency": "EUR", "payment_method": "pm_card_visa"}
HELD = {"held": True}


class Fails(Exception):
    """What a scripted call raises: the error's name, and its message as Lambda reports it."""

    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = json.dumps({"errorMessage": message, "errorType": error})


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


@dataclass
class Execution:
    """How an execution went. `calls` are the tasks that it called with their payloads, in order."""

    status: str
    error: str | None
    states: list[str]
    calls: list[tuple[str, dict[str, Any]]]
    order: dict[str, Any]
    alerts: list[dict[str, Any]]
    history: str

    def count(self, task: str) -> int:
        return sum(name == task for name, _ in self.calls)

    def payloads(self, task: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == task]

    @property
    def outcome(self) -> tuple[str, str]:
        decision = self.order["decision"]["M"]
        return decision["outcome"]["S"], decision["reason"]["S"]


@dataclass
class Script:
    """What each task answers, call by call; the last answer goes on. A task that is not named answers as it should."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    real: Callable[[str, dict[str, Any]], Any] = field(default=stepfunctions._invoke_resource)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    USUAL = {  # noqa: RUF012 - never changed
        "validate": VALID,
        "reserve": HELD,
        "authorize": HELD,
        "capture": HELD,
        "release": refused("released"),
        "void": refused("voided"),
        "notify": {"notified": True},
    }

    def __call__(self, resource: str, arguments: dict[str, Any]) -> Any:
        payload = arguments.get("Payload", arguments)
        name = {"dynamodb:updateItem": "decide", "sns:publish": "alert"}.get(resource.rsplit(":::", 1)[1])
        name = name or payload.get("action", arguments.get("FunctionName"))
        self.calls.append((name, payload))
        script = self.answers.get(name, [])
        done = sum(called == name for called, _ in self.calls)
        answer = script[min(done, len(script)) - 1] if script else None
        if isinstance(answer, Fails):
            raise stepfunctions._ExecutionError(answer.error, answer.cause)
        if name == "alert":
            self.alerts.append(json.loads(arguments["Message"]))
        if name in ("decide", "alert"):
            return self.real(resource, arguments)
        return {"StatusCode": 200, "Payload": self.USUAL[name] if answer is None else answer}


@pytest.fixture(scope="session")
def definition() -> str:
    return string.Template(DEFINITION.read_text()).safe_substitute(
        ValidateFunctionArn="validate",
        InventoryFunctionArn="inventory",
        PaymentFunctionArn="payment",
        NotifyFunctionArn="notify",
        OrdersTable=TABLE,
        AlertTopicArn=TOPIC,
    )


@pytest.fixture(autouse=True, scope="session")
def _engine() -> None:
    stepfunctions._SFN_WAIT_SCALE = 0  # retries wait no time
    dynamodb._create_table(
        {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
        }
    )
    create_topic = urlencode({"Action": "CreateTopic", "Name": "alerts"}).encode()
    asyncio.run(sns.handle_request("POST", "/", {}, create_topic, {}))


@pytest.fixture(params=["STANDARD", "EXPRESS"])
def workflow_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch, definition: str, workflow_type: str) -> Callable[..., Execution]:
    """Run one order: `execute(reserve=[Fails("X"), HELD])`. `order` are attributes of its item; None, no item."""
    machine = _ask(
        stepfunctions._create_state_machine,
        name=f"order-{time.monotonic_ns()}",
        definition=definition,
        roleArn="arn:aws:iam::000000000000:role/workflow",
        type=workflow_type,
    )["stateMachineArn"]
    numbers: dict[str, int] = defaultdict(int)

    def run(order: dict[str, Any] | None = None, *, exists: bool = True, **answers: list[Any]) -> Execution:
        numbers["order"] += 1
        order_id = f"{machine.rsplit(':', 1)[1]}-{numbers['order']}"
        item = {"order_id": {"S": order_id}, "customer": {"M": {"email": {"S": PLANTED}}}} | (order or {})
        if exists:
            _ask(dynamodb._put_item, TableName=TABLE, Item=item)
        script = Script(answers)
        monkeypatch.setattr(stepfunctions, "_invoke_resource", script)
        detail = {"version": 1, "event_id": f"{order_id}:placed", "order_id": order_id, "occurred_at": "2026-01-01"}
        arn = _ask(stepfunctions._start_execution, stateMachineArn=machine, input=json.dumps(detail))["executionArn"]
        while (execution := _ask(stepfunctions._describe_execution, executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.002)
        events = _ask(stepfunctions._get_execution_history, executionArn=arn, maxResults=1000)["events"]
        now = _ask(dynamodb._get_item, TableName=TABLE, Key={"order_id": {"S": order_id}})
        return Execution(
            status=execution["status"],
            error=execution.get("error"),
            states=[
                event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
            ],
            calls=script.calls,
            order=now.get("Item", {}),
            alerts=script.alerts,
            history=json.dumps(events) + json.dumps(execution),
        )

    return run


def _ask(operation: Callable[[dict[str, Any]], Any], **arguments: Any) -> Any:
    status, _, body = operation(arguments)
    assert status == 200, body
    return json.loads(body)
