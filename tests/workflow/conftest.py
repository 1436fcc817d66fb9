"""Paths of the order workflow, each run on every engine, which have to agree.

A path is what each Task answers. Lambda calls are answered from it; DynamoDB and SNS are MiniStack's, also for moto's
interpreter, so that the decision is a real write and the interpreter is all that differs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from ministack.services import dynamodb, sns, stepfunctions

from tests.workflow.definitions import DEFINITIONS, deployed
from tests.workflow.engines import ENGINES, Run, TaskFailed, ask

(ORDER,) = (path for path in DEFINITIONS if path.name == "order.asl.json")

VALID = {"lines": [{"sku": "TEA", "quantity": 2}], "amount": 1780, "currency": "EUR", "payment_method": "pm_card_visa"}
HELD = {"held": True}


def raises(error: str, message: str = "") -> TaskFailed:
    """A function's exception, as Lambda reports it to the workflow."""
    return TaskFailed(error, json.dumps({"errorMessage": message, "errorType": error}))


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


DEFINITION = json.loads(deployed(ORDER))
TABLE: str = DEFINITION["States"]["Decide"]["Arguments"]["TableName"]


@dataclass
class Script:
    """What each task answers, call by call; the last answer goes on. A task that is not named answers as it should."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    USUAL = {  # noqa: RUF012 - never changed
        "validate": VALID,
        "reserve": HELD,
        "authorize": HELD,
        "capture": {"captured": True},
        "release": {"released": True, "reason": "OUT_OF_STOCK"},
        "void": {"voided": True, "reason": "OUT_OF_STOCK"},
        "notify": {"notified": True},
    }

    def __call__(self, integration: str, arguments: dict[str, Any]) -> Any:
        payload = arguments.get("Payload", arguments)
        function = arguments.get("FunctionName", "").removesuffix("FunctionArn").lower()
        name = SERVICES.get(integration) or payload.get("action", function)
        self.calls.append((name, payload))
        script = self.answers.get(name, [])
        done = sum(called == name for called, _ in self.calls)
        answer = script[min(done, len(script)) - 1] if script else None
        if isinstance(answer, TaskFailed):
            raise answer
        if integration in SERVICES:
            return _ministack(integration, arguments)
        return {"StatusCode": 200, "Payload": self.USUAL[name] if answer is None else answer}


SERVICES = {"dynamodb:updateItem": "decide", "sns:publish": "alert"}


def _ministack(integration: str, arguments: dict[str, Any]) -> Any:
    """The emulator's own service, as its state machines call it."""
    try:
        return _call_service(f"arn:aws:states:::{integration}", arguments)
    except stepfunctions._ExecutionError as failed:
        raise TaskFailed(failed.error, failed.cause) from failed


_call_service = stepfunctions._invoke_resource  # the engine's adapter replaces it while it runs


@dataclass
class Execution:
    """How an execution went, on every engine alike. `calls` are the tasks that it called, with their payloads.

    Calls are in their order, except that those of two branches may come in either.
    """

    run: Run
    calls: list[tuple[str, dict[str, Any]]]
    state: dict[str, Any]  # what became of the order, as DynamoDB writes it

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def error(self) -> str | None:
        return self.run.error

    @property
    def states(self) -> list[str]:
        return [name for name, _ in self.run.entered]

    @property
    def outcome(self) -> tuple[str, str]:
        decision = self.state["decision"]["M"]
        return decision["outcome"]["S"], decision["reason"]["S"]

    def payloads(self, task: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == task]

    def count(self, task: str) -> int:
        return len(self.payloads(task))

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(alert["Message"]) for alert in self.payloads("alert")]

    def compared(self) -> dict[str, Any]:
        """All in which engines have to agree, without what differs in each run: its ARN, and the time."""
        record = {
            "status": self.status,
            "error": self.error,
            "output": self.run.output,
            "entered": self.run.entered,
            "requests": {name: self.payloads(name) for name in sorted({name for name, _ in self.calls})},
            "state": self.state,
        }
        text = json.dumps(record, sort_keys=True).replace(self.run.execution, "(execution)")
        plain: dict[str, Any] = json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "(time)", text))
        return plain


@pytest.fixture(autouse=True, scope="session")
def _services() -> None:
    ask(
        dynamodb._create_table,
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
    )
    create_topic = urlencode({"Action": "CreateTopic", "Name": "alerts"}).encode()
    asyncio.run(sns.handle_request("POST", "/", {}, create_topic, {}))


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def definition() -> str:
    return deployed(ORDER)


@pytest.fixture
def execute(definition: str) -> Callable[..., Execution]:
    """Run one order on every engine: `execute(reserve=[raises("X"), HELD])`, and hold their accounts to be the same.

    `state` are attributes of the order's state before each run, for an order that is decided already.
    """

    def run(state: dict[str, Any] | None = None, **answers: list[Any]) -> Execution:
        order_id = f"order-{next(_numbers)}"
        key = {"order_id": {"S": order_id}}
        detail = {"version": 1, "event_id": f"{order_id}:placed", "order_id": order_id, "occurred_at": "2026-01-01"}
        executions = {}
        for engine in ENGINES:
            ask(dynamodb._delete_item, TableName=TABLE, Key=key)
            if state:
                ask(dynamodb._put_item, TableName=TABLE, Item=key | state)
            script = Script(answers)
            done = engine.run(definition, detail, script)
            now = ask(dynamodb._get_item, TableName=TABLE, Key=key)
            executions[str(engine)] = Execution(run=done, calls=script.calls, state=now.get("Item", {}))
        first, *others = executions
        for other in others:
            assert executions[other].compared() == executions[first].compared(), f"{other} is not as {first}"
        return executions[first]

    return run
