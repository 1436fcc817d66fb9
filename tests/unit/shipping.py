"""Orders that are paid for, what the ship function is asked about them, and what others write meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from aws import clients
from ship import app
from ship.carrier import Booking
from tests import recorder
from tests.unit import approving
from tests.unit.builders import a_line, a_product, a_state, an_open_order, an_order
from tests.unit.faults import SandboxDied, die
from tests.unit.stack import MotoStack
from tests.unit.sweeping import OPENED

HOUR = 60 * 60
DAY = 24 * HOUR
FIRST, SECOND = approving.FIRST, approving.SECOND
POT = a_line(sku="POT", quantity=1, unit_price=2900)
MAIN, NORTH = "order-1/out/main", "order-1/out/north"  # the parcels of `sell`
RETURN = "r-1"
ASKED_AT = "2026-01-03T12:00:00.000+00:00"


def sell(stack: MotoStack, *lines: dict[str, Any], order_id: str = "order-1") -> None:
    """An order is confirmed and paid for. Unless it is of other lines, its TEA lies in the main warehouse and its POT
    in the north.
    """
    lines = lines or (a_line(), POT)
    order = an_order(order_id=order_id, lines=list(lines))
    stack.table("OrdersTable").put_item(Item=order)
    stack.table("OrderStatesTable").put_item(Item=a_state(order_id=order_id))
    stack.table("PaymentsTable").put_item(Item=a_payment(order_id=order_id, amount=order["total"]))
    stack.table("InventoryTable").put_item(Item=a_reservation(*lines, order_id=order_id))
    stack.table("InventoryTable").put_item(Item=a_product("TEA"))
    stack.table("InventoryTable").put_item(Item=a_product("POT", warehouse="north"))
    stack.table("OpenShipmentsTable").put_item(Item=an_open_order(order_id=order_id, what="OrderConfirmed"))


def a_payment(**changes: Any) -> dict[str, Any]:
    """A payment's item, captured."""
    return {
        "order_id": "order-1",
        "status": "CAPTURED",
        "amount": 3800,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "provider_reference": "pi_1",
    } | changes


def a_reservation(*lines: dict[str, Any], order_id: str = "order-1", status: str = "RESERVED") -> dict[str, Any]:
    return {"pk": f"ORDER#{order_id}", "sk": "RESERVATION", "status": status, "lines": list(lines)}


def a_return(**changes: Any) -> dict[str, Any]:
    """A return of one TEA, as its order's item has it."""
    return {
        "status": "REQUESTED",
        "units": {"TEA": 1},
        "amount": 450,
        "requested_at": ASKED_AT,
        "expires_at": OPENED + 30 * DAY,
    } | changes


def put_returns(stack: MotoStack, *, left: dict[str, int] | None = None, **changes: Any) -> None:
    """What may come back of order-1, written as it stands after some of it did."""
    returns: dict[str, Any] = changes.pop("returns", {})
    under_way = [one for one in returns.values() if one["status"] in ("REQUESTED", "ARRIVED")]
    item = {
        "order_id": "order-1",
        "left": {"TEA": 2, "POT": 1} if left is None else left,
        "prices": {"TEA": 450, "POT": 2900},
        "open": len(under_way),
        "until": "2026-01-15T09:00:01.000+00:00",
        "returns": returns,
    }
    stack.table("ReturnsTable").put_item(Item=item | changes)


def book(order_id: str = "order-1") -> dict[str, str]:
    return app.handler({"action": "book", "order_id": order_id}, None)


def deliver() -> dict[str, str]:
    return app.handler({"action": "deliver", "order_id": "order-1"}, None)


def archive() -> dict[str, str]:
    return app.handler({"action": "archive", "order_id": "order-1"}, None)


def label(return_id: str = RETURN) -> dict[str, str]:
    return app.handler({"action": "label", "order_id": "order-1", "return_id": return_id}, None)


class Tasks(approving.Tasks):
    """Step Functions, and the executions whose tasks wait there for the carrier."""

    def wait(self, execution: str = FIRST, *, attempt: int = 0, order_id: str = "order-1") -> None:
        """An attempt of an execution at its task; one that fails waits no more."""
        token = approving.token_of(execution, attempt)
        self.waiting.append(token)
        event = {
            "action": "await",
            "order_id": order_id,
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


def arrive(stack: MotoStack, *warehouses: str, status: str = "DELIVERED", soon: bool = False) -> None:
    """What the carrier's news writes of order-1's parcels, of both unless it is said of which; with `soon`, also when
    the sweep is to look.
    """
    for warehouse in warehouses or ("main", "north"):
        stack.table("ShipmentsTable").update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET parcels.#warehouse.#status = :status",
            ExpressionAttributeNames={"#warehouse": warehouse, "#status": "status"},
            ExpressionAttributeValues={":status": status},
        )
    if soon:
        stack.table("OpenShipmentsTable").update_item(
            Key={"order_id": "order-1"},
            UpdateExpression="SET sweep_at = :soon",
            ExpressionAttributeValues={":soon": SOON},
        )


SOON = OPENED + 5 * 60  # whichever time the news has set


def cancel(stack: MotoStack) -> None:
    """What the API writes when order-1's customer cancels it in time."""
    stack.table("OrderStatesTable").update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #status = :cancelled, reason = :reason",
        ConditionExpression="#status = :confirmed",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":cancelled": "CANCELLED",
            ":confirmed": "CONFIRMED",
            ":reason": "CANCELLED_BEFORE_SHIPPING",
        },
    )


def read(stack: MotoStack, table: str, order_id: str = "order-1") -> Any:
    """An order's item in one of the tables, None if there is none."""
    return stack.table(table).get_item(Key={"order_id": order_id}).get("Item")


def status(stack: MotoStack) -> str:
    return str(read(stack, "OrderStatesTable")["status"])


def sweep_at(stack: MotoStack, key: str = "order-1") -> int | None:
    """When the sweep comes to an order or a return; None when it is off the list."""
    item = read(stack, "OpenShipmentsTable", key)
    return None if item is None else int(item["sweep_at"])


def bookings(stack: MotoStack) -> dict[str, str]:
    """The carrier's own books: the tracking number of each reference. No reference is in them twice."""
    items = stack.table("SimulatedCarrierTable").scan()["Items"]
    booked = {item["reference"]: item["id"] for item in items}
    assert len(booked) == len(items)
    return booked


def carrier_asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the carrier is asked from now on, in order: a reference that it looks for, or a key and what to carry."""
    carrier = app.carrier()
    asked: list[Any] = []
    find, carry = carrier.find, carrier.book

    def finding(reference: str) -> str | None:
        asked.append(reference)
        return find(reference)

    def carrying(key: str, wanted: Booking) -> str:
        asked.append((key, wanted))
        return carry(key, wanted)

    monkeypatch.setattr(carrier, "find", finding)
    monkeypatch.setattr(carrier, "book", carrying)
    return asked


TABLES = ("OrderStatesTable", "ShipmentsTable", "ReturnsTable", "OpenShipmentsTable", "SimulatedCarrierTable")


def everything(stack: MotoStack) -> dict[str, Any]:
    """All that the ship function writes."""
    return {
        table: sorted(stack.table(table).scan()["Items"], key=lambda item: str(item.get("order_id", item.get("id"))))
        for table in TABLES
    }


@contextmanager
def at_request(number: int, happens: Callable[[], Any], *, after: bool = False) -> Iterator[list[str]]:
    """Something happens right before the handler's request to AWS of this number, from 1, or right after it. There has
    to be such a request in here. Yields the requests as they are made.
    """
    handlers: list[Any] = [clients.dynamodb(), clients.keys(), clients.workflows()]
    base: Any = BaseClient
    original = base._make_api_call
    made: list[str] = []

    def call(client: Any, operation: str, parameters: Any) -> Any:
        if client not in handlers:  # the tests' own
            return original(client, operation, parameters)
        made.append(operation)
        here = len(made) == number
        if here and not after:
            _elsewhere(happens)
        answer = original(client, operation, parameters)
        if here and after:
            _elsewhere(happens)
        return answer

    with patch.object(base, "_make_api_call", call):
        yield made
        assert len(made) >= number, f"there were {len(made)} requests"


def _elsewhere(happens: Callable[[], Any]) -> None:
    with recorder.aside():
        happens()


@contextmanager
def dies_at(number: int, *, after: bool) -> Iterator[None]:
    """What runs in here dies right before a request, or when it has had its effect."""
    with pytest.raises(SandboxDied), at_request(number, die, after=after):
        yield


def requests_of(attempt: Callable[[], Any]) -> list[str]:
    """The requests to AWS that it makes."""
    with at_request(0, die) as made:
        attempt()
    return made
