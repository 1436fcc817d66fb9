"""Customers who send something back, and the workflow of a return."""

from __future__ import annotations

import json
from typing import Any

from orders.order_id import return_for_key
from returns import app
from tests.unit import approving
from tests.unit.builders import a_line, a_state, an_open_order, an_order
from tests.unit.calling import Answer, an_event, call
from tests.unit.shipping import FIRST, POT, put_returns, read
from tests.unit.stack import MotoStack

KEY = "return-key-1"
RETURN = return_for_key("order-1", KEY)
TEA = {"sku": "TEA", "quantity": 1}


def deliver(stack: MotoStack, **changes: Any) -> None:
    """Two TEA and a POT have come to their customer, who may send them back; `changes` is what is otherwise."""
    stack.run_as("ReturnsFunction")
    stack.table("OrdersTable").put_item(Item=an_order(lines=[a_line(), POT]))
    stack.table("OrderStatesTable").put_item(Item=a_state(status="DELIVERED"))
    stack.table("OpenShipmentsTable").put_item(Item=an_open_order(what="OrderConfirmed"))
    put_returns(stack, **changes)


def ask(
    *lines: dict[str, Any], key: str | None = KEY, order_id: str = "order-1", customer: str | None = None
) -> Answer:
    """Ask to send something back: one TEA, unless it is said what."""
    return send(json.dumps({"lines": lines or [TEA]}), key=key, order_id=order_id, customer=customer)


def send(
    text: str | None,
    *,
    key: str | None = KEY,
    order_id: str = "order-1",
    customer: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """The same with a body, whatever it is."""
    named = {} if key is None else {"idempotency-key": key}
    said = {"content-type": "application/json"} | named | (headers or {})
    return call(an_event("POST", f"/orders/{order_id}/returns", text, headers=said, customer=customer), app.handler)


def step(action: str, return_id: str = RETURN) -> dict[str, Any]:
    """A step of the workflow."""
    return app.handler({"action": action, "order_id": "order-1", "return_id": return_id}, None)


def arrive(stack: MotoStack, return_id: str = RETURN) -> None:
    """What the carrier's news writes."""
    stack.table("ReturnsTable").update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #returns.#return.#status = :arrived",
        ExpressionAttributeNames={"#returns": "returns", "#return": return_id, "#status": "status"},
        ExpressionAttributeValues={":arrived": "ARRIVED"},
    )


def stands(stack: MotoStack) -> Any:
    """What may come back of order-1."""
    return read(stack, "ReturnsTable")


def one(stack: MotoStack, return_id: str = RETURN) -> Any:
    """A return of order-1; None if there is no such return."""
    return stands(stack)["returns"].get(return_id)


def left(stack: MotoStack) -> dict[str, int]:
    return {sku: int(count) for sku, count in stands(stack)["left"].items()}


def on_the_list(stack: MotoStack, return_id: str = RETURN) -> Any:
    """The return's place on the list of what is to do."""
    return read(stack, "OpenShipmentsTable", f"order-1/{return_id}")


class Tasks(approving.Tasks):
    """Step Functions, and the executions whose tasks wait there for a parcel that comes back."""

    def wait(self, execution: str = FIRST, *, attempt: int = 0, return_id: str = RETURN) -> None:
        """An attempt of an execution at its task; one that fails waits no more."""
        token = approving.token_of(execution, attempt)
        self.waiting.append(token)
        event = {
            "action": "arrive",
            "order_id": "order-1",
            "return_id": return_id,
            "task_token": token,
            "execution": execution,
            "attempt": attempt,
        }
        try:
            app.handler(event, None)
        except BaseException:
            if token in self.waiting:
                self.waiting.remove(token)
            raise
