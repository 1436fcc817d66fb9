"""The same event many times: sent as it was on the bus, and what an order has before and after it.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html delivers at least once; here that is made a
habit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched
from typing import Any

from aws.item import plain_item
from console import model
from console.bus import SeenEvent
from console.executions import Executions
from console.place import Place
from invariants.books import LIVE
from notify import email
from orders import ReservationStatus, Status
from orders.events import MAX_ENTRIES, SOURCE
from orders.tables import order_key, reservation_key

COPIES = 20


@dataclass(frozen=True)
class Figures:
    """What one order has. The event has started these `executions`, of which `running` are not at their end."""

    executions: int
    running: int
    status: str
    reserved: str
    taken: str
    emails: int

    def rows(self) -> Iterator[tuple[str, str]]:
        """For people: what it is, and how it stands."""
        yield "Executions of the event", str(self.executions)
        yield "Status", self.status
        yield "Stock that it holds", self.reserved
        yield "Held or taken on its card", self.taken
        yield "Emails to its customer", str(self.emails)


def send(place: Place, event: SeenEvent, copies: int = COPIES) -> None:
    """Put so many copies of it on the bus. Raises what boto3 raises."""
    entry = {
        "EventBusName": place.outputs["EventBusName"],
        "Source": SOURCE,
        "DetailType": event.what,
        "Detail": event.detail,
    }
    for some in batched([entry] * copies, MAX_ENTRIES):
        place.client("events").put_events(Entries=list(some))


def look(place: Place, executions: Executions, event: SeenEvent, emails: int) -> Figures:
    """What an event's order has now. `emails` is how many its customer got. Raises what boto3 raises."""
    order_id = event.order_id
    found = [one for one in executions.of(order_id) if one.event_id == event.event_id]
    state = _item(place, "OrderStatesTableName", order_key(order_id))
    reservation = _item(place, "InventoryTableName", reservation_key(order_id))
    held = reservation.get("status") == ReservationStatus.RESERVED
    lines = reservation.get("lines", []) if held else []
    return Figures(
        executions=len(found),
        running=sum(one.runs for one in found),
        status=str(state.get("status", Status.PLACED)),
        reserved=model.lines_text(lines) if lines else "nothing",
        taken=_taken(place, order_id),
        emails=emails,
    )


def _taken(place: Place, order_id: str) -> str:
    """The provider's own word; the shop's where the provider is a company."""
    if table := place.table("SimulatedGatewayTableName"):
        answer = place.client("dynamodb").query(
            TableName=table,
            IndexName="by-order",
            KeyConditionExpression="order_id = :order",
            ExpressionAttributeValues={":order": {"S": order_id}},
        )
        intents = [plain_item(item) for item in answer["Items"]]
        live = [intent for intent in intents if intent["status"] in LIVE]
        amounts = ", ".join(model.amount(intent["amount"], intent["currency"]) for intent in live)
        return f"{amounts} in {len(live)} payment{'' if len(live) == 1 else 's'}" if live else "nothing"
    payment = _item(place, "PaymentsTableName", order_key(order_id))
    return model.amount(payment.get("amount"), payment.get("currency")) if payment else "nothing"


def is_about(subject: str, order_id: str) -> bool:
    """Whether an email tells the order's customer something of it."""
    return any(subject == email.subject(order_id, status) for status in Status)


def _item(place: Place, output: str, key: dict[str, Any]) -> dict[str, Any]:
    answer = place.client("dynamodb").get_item(TableName=place.outputs[output], Key=key, ConsistentRead=True)
    return plain_item(answer["Item"]) if "Item" in answer else {}
