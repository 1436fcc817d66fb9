"""Paths of the order workflow, each run on every engine, which have to agree.

A path is what each Task answers. Lambda calls are answered from it; DynamoDB is MiniStack's, also for moto's
interpreter, so that decisions and open orders are real writes and the interpreter is all that differs.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ministack.services import dynamodb, stepfunctions

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
# The tables, as `deployed` names them.
STATES, OPEN, SHIPMENTS = "OrderStatesTable", "OpenOrdersTable", "OpenShipmentsTable"


@dataclass
class Script:
    """What each task answers, call by call; the last answer goes on. A task that is not named answers as it should.

    An answer that is a function is called first, for what happens at that moment elsewhere; the task then answers as
    it should.
    """

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
        name = task_of(integration, arguments)
        self.calls.append((name, arguments.get("Payload", arguments)))
        script = self.answers.get(name, [])
        done = sum(called == name for called, _ in self.calls)
        answer = script[min(done, len(script)) - 1] if script else None
        if isinstance(answer, TaskFailed):
            raise answer
        if callable(answer):
            answer = answer(arguments)
        if integration == "dynamodb:updateItem":
            return through_ministack(integration, arguments)
        return {"StatusCode": 200, "Payload": self.USUAL[name] if answer is None else answer}


def task_of(integration: str, arguments: dict[str, Any]) -> str:
    """The name that a script gives a task: the state's, or a function's action, in small letters."""
    if integration == "lambda:invoke":
        function = arguments["FunctionName"].removesuffix("FunctionArn").lower()
        return str(arguments["Payload"].get("action", function))
    if arguments["TableName"] == OPEN:
        return "escalate" if ":stuck" in arguments["ExpressionAttributeValues"] else "review"
    return "decline" if ":confirmed" in arguments["ExpressionAttributeValues"] else "confirm"


def through_ministack(integration: str, arguments: dict[str, Any]) -> Any:
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
    state: dict[str, Any]  # what became of the order, as DynamoDB writes it; empty if nothing was decided
    open_order: dict[str, Any]  # the open order, in the same way; empty if it is closed

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
    def stuck(self) -> dict[str, str]:
        """What the open order is marked with for a person; empty if it is not."""
        marked = self.open_order.get("stuck", {"M": {}})["M"]
        return {name: value["S"] for name, value in marked.items()}

    def compared(self) -> dict[str, Any]:
        """All in which engines have to agree, without what differs in each run: its ARN, and the time."""
        record = {
            "status": self.status,
            "error": self.error,
            "output": self.run.output,
            "entered": self.run.entered,
            "requests": {name: self.payloads(name) for name in sorted({name for name, _ in self.calls})},
            "state": self.state,
            "open_order": self.open_order,
        }
        text = json.dumps(record, sort_keys=True).replace(self.run.execution, "(execution)")
        plain: dict[str, Any] = json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=\")\d{10}(?=\")", "(time)", text))
        return plain


@pytest.fixture(autouse=True, scope="session")
def _services() -> None:
    for table in (STATES, OPEN, SHIPMENTS):
        ask(
            dynamodb._create_table,
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )


_numbers = itertools.count(1)
PLACED_AT = "2026-01-01T09:00:00+00:00"
AS_PUBLISHED = {"occurred_at": {"S": PLACED_AT}, "sweeps": {"N": "3"}, "sweep_at": {"N": "1767258060"}}
"""An open order, swept a few times."""


@pytest.fixture(scope="session")
def definition() -> str:
    return deployed(ORDER)


@pytest.fixture
def execute(definition: str) -> Callable[..., Execution]:
    """Run one order on every engine: `execute(reserve=[raises("X"), HELD])`, and hold their accounts to be the same.

    `state` are attributes of the order's state before each run, for an order that is decided already; `open_order`
    those of the open order, None for one that was closed meanwhile. `tried_minutes` and `approved` are what the event
    says of it.
    """

    def run(
        state: dict[str, Any] | None = None,
        *,
        open_order: dict[str, Any] | None = AS_PUBLISHED,
        tried_minutes: int | None = None,
        approved: str = "",
        **answers: list[Any],
    ) -> Execution:
        order_id = f"order-{next(_numbers)}"
        detail: dict[str, Any] = {
            "version": 1,
            "event_id": f"{order_id}:placed",
            "order_id": order_id,
            "occurred_at": PLACED_AT,
        }
        if tried_minutes is not None:
            detail["tried_minutes"] = tried_minutes
        if approved:
            detail["approved"] = approved
        executions = {}
        for engine in ENGINES:
            put(STATES, order_id, state)
            put(OPEN, order_id, open_order)
            script = Script(answers)
            done = engine.run(definition, detail, script)
            executions[str(engine)] = Execution(done, script.calls, get(STATES, order_id), get(OPEN, order_id))
        first, *others = executions
        for other in others:
            assert executions[other].compared() == executions[first].compared(), f"{other} is not as {first}"
        return executions[first]

    return run


def put(table: str, order_id: str, attributes: dict[str, Any] | None) -> None:
    """Make an order's item in a table what is given, or None."""
    key = {"order_id": {"S": order_id}}
    ask(dynamodb._delete_item, TableName=table, Key=key)
    if attributes:
        ask(dynamodb._put_item, TableName=table, Item=key | attributes)


def get(table: str, order_id: str) -> dict[str, Any]:
    """An order's item in a table; empty if there is none."""
    item: dict[str, Any] = ask(dynamodb._get_item, TableName=table, Key={"order_id": {"S": order_id}}).get("Item", {})
    return item
