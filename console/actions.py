"""What people do to an order: the customer, the approver, the carrier. All through the shop's own contracts: the item
in its table, the API with signed requests, the link in the approver's email, the carrier's signed webhooks.

Everything in here waits for answers: call it in a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from console.place import Place
from demo.after_sale import TABLES, Seen, see
from demo.shop import deliver_again
from local.api import Reply
from local.books import emails
from local.stack import Problem
from orders import Status, epoch_seconds, iso_8601
from orders.approval import ApprovalStatus, order_of
from orders.events import PLACED, SOURCE, OrderEvent
from orders.shipping import Parcel, ParcelStatus, ReturnStatus, parcel_reference, return_reference
from webhooks.carrier import DELIVERED, SHIPPED
from webhooks.inbox import Sender
from webhooks.signatures import HEADERS

ATTEMPTS, PAUSE_SECONDS = 4, 1.0  # as a client sends again what could not be answered
LONGEST_WORDS = 500  # of a refusal that are shown
_PYDANTIC = "Value error, "  # how pydantic begins what a validator says
ONLY_LOOKS = "This console only looks. To act on orders: make console PROFILE=… STACK=… WRITE=yes"
_LINK = re.compile(r"https?://\S+(/approvals/\S+)")


@dataclass(frozen=True)
class Action:
    """Something that makes sense now. `run` gets how many units of each SKU, of which there are at most as many as
    `asks` says; where it asks for none, it gets none. It answers a sentence and raises Problem.
    """

    name: str
    label: str
    run: Callable[[Mapping[str, int]], str]
    asks: Mapping[str, int] | None = None


def possible(place: Place, order_id: str, status: str) -> list[Action]:
    """Which of them make sense for an order of this status. It reads tables."""
    if not place.may_write:
        return []
    seen = _see(place, order_id)
    there = partial(_action, place, order_id)
    found: list[Action] = []
    if place.embedded and seen.approval and seen.approval.status == ApprovalStatus.PENDING and not seen.outcome:
        found += [there("approve", "Approve", approve), there("deny", "Deny", deny)]
    if "ApiUrl" in place.outputs and status in (Status.PLACED, Status.CONFIRMED):
        found.append(there("cancel", "Cancel", cancel))
    if _plays_carrier(place):
        parcels = _booked(seen)
        if any(parcel.status == ParcelStatus.PLANNED for parcel in parcels):
            found.append(there("ship", "Carrier collects it", ship))
        if any(parcel.status == ParcelStatus.SHIPPED for parcel in parcels):
            found.append(there("deliver", "Carrier delivers it", deliver))
        if _coming_back(seen):
            found.append(there("bring_back", "Carrier brings it back", bring_back))
    if left := _may_come_back(seen):
        found.append(Action("send_back", "Send back", lambda units: send_back(place, order_id, units), left))
    return found


def _action(place: Place, order_id: str, name: str, label: str, run: Callable[[Place, str], str]) -> Action:
    return Action(name, label, lambda _: run(place, order_id))


# ── The customer ────────────────────────────────────────────────────────────────────────────────────────────────────


def place_order(place: Place, item: Mapping[str, Any]) -> str:
    """Put an order's item into its table, once. Raises Problem when there is one of this id, or it can't be stored."""
    _may_write(place)
    try:
        written = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        place.client("dynamodb").put_item(
            TableName=place.outputs["OrdersTableName"],
            Item=written,
            ConditionExpression="attribute_not_exists(order_id)",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise Problem(f"There is an order {item['order_id']} already.") from None
        raise Problem(f"DynamoDB does not take this order: {error.response['Error']['Message']}") from None
    except BotoCoreError as error:
        raise Problem(f"DynamoDB does not answer: {error}") from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Problem(f"DynamoDB can't store this order: {error}") from None
    return f"{item['order_id']} is placed."


def order_by_api(place: Place, wanted: Mapping[str, Any]) -> str:
    """Order as a shop's client does: `wanted` is the body of `POST /orders`. Answers the new order's id.

    Raises Problem with the API's words when it is refused.
    """
    _may_write(place)
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    reply = _insist(lambda: place.ask("POST", "/orders", json.dumps(dict(wanted)), headers))
    _expect(reply, "The order")
    return str(reply.json["order_id"])


def send_event_again(place: Place, order_id: str, placed_at: str, times: int = 1) -> str:
    """Put an order's first event on the bus again, as the bus itself may at any time."""
    _may_write(place)
    if place.embedded:
        for _ in range(times):
            deliver_again(place.running(), order_id)
        return f"The event of {order_id} is sent again."
    event = OrderEvent(PLACED, order_id, placed_at)
    entry = {"Source": SOURCE, "DetailType": event.detail_type, "Detail": json.dumps(event.detail)}
    place.client("events").put_events(Entries=[entry | {"EventBusName": place.outputs["EventBusName"]}] * times)
    return f"The event of {order_id} is sent again."


def cancel(place: Place, order_id: str) -> str:
    """Ask for the order's end. Raises Problem when it is too late."""
    _may_write(place)
    reply = _insist(lambda: place.ask("POST", f"{_path(order_id)}/cancel"))
    _expect(reply, "The cancellation")
    return f"{order_id} is cancelled."


def send_back(place: Place, order_id: str, units: Mapping[str, int]) -> str:
    """Ask to send so many units of each SKU back. Raises Problem when nothing is chosen, or it is refused."""
    _may_write(place)
    chosen = {sku: count for sku, count in units.items() if count}
    if not chosen:
        raise Problem("Choose what is sent back: one unit at least.")
    body = json.dumps({"lines": [{"sku": sku, "quantity": count} for sku, count in chosen.items()]})
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    reply = _insist(lambda: place.ask("POST", f"{_path(order_id)}/returns", body, headers))
    _expect(reply, "The return")
    return f"{reply.json['return_id']} is asked for. The carrier makes a label, and then it can be brought back."


# ── The approver ────────────────────────────────────────────────────────────────────────────────────────────────────


def approve(place: Place, order_id: str) -> str:
    """Follow the newest link in the approver's emails and press Approve. Raises Problem when there is none yet."""
    return _decide(place, order_id, "approve", "approved")


def deny(place: Place, order_id: str) -> str:
    """The same, and press Deny."""
    return _decide(place, order_id, "deny", "denied")


def _decide(place: Place, order_id: str, choice: str, done: str) -> str:
    _may_write(place)
    links = list(_links(order_id, (email.text for email in emails(place.running()))))
    if not links:
        raise Problem(f"The approver has no email about {order_id} yet. It comes within seconds: try again.")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = _insist(lambda: place.ask("POST", links[-1], f"decision={choice}", form, signed=False))
    if reply.status == 409:
        raise Problem(f"Somebody has answered about {order_id} already, and the first answer stands.")
    if reply.status != 200:
        raise Problem(f"The approval page answered with {reply.status}: it is too late, or the order has changed.")
    return f"{order_id} is {done}."


def _links(order_id: str, texts: Iterable[str]) -> Iterable[str]:
    """The paths of the links about an order in these emails, oldest first."""
    for path in (found[1] for text in texts if (found := _LINK.search(text))):
        try:
            about, _ = order_of(path.removeprefix("/approvals/"))
        except ValueError:
            continue
        if about == order_id:
            yield path


# ── The carrier ─────────────────────────────────────────────────────────────────────────────────────────────────────


def ship(place: Place, order_id: str) -> str:
    """Tell that every parcel that is booked is on its way. Raises Problem when none is booked yet."""
    parcels = _parcels(place, order_id, ParcelStatus.PLANNED)
    for parcel in parcels:
        _tell(place, SHIPPED, parcel_reference(order_id, parcel.warehouse), parcel.tracking)
    return f"{_how_many(parcels)} of {order_id} {'is' if len(parcels) == 1 else 'are'} on the way."


def deliver(place: Place, order_id: str) -> str:
    """Tell that every parcel that is on its way has arrived. Raises Problem when none is."""
    parcels = _parcels(place, order_id, ParcelStatus.SHIPPED)
    for parcel in parcels:
        _tell(place, DELIVERED, parcel_reference(order_id, parcel.warehouse), parcel.tracking)
    return f"{_how_many(parcels)} of {order_id} {'has' if len(parcels) == 1 else 'have'} arrived."


def bring_back(place: Place, order_id: str) -> str:
    """Tell that what the customer sends back has arrived. Raises Problem when nothing has a label."""
    _may_write(place)
    coming = _coming_back(_see(place, order_id))
    if not coming:
        raise Problem(f"Nothing of {order_id} is on its way back.")
    for return_id, tracking in coming.items():
        for kind in (SHIPPED, DELIVERED):
            _tell(place, kind, return_reference(order_id, return_id), tracking)
    return f"What was sent back of {order_id} has arrived."


def _parcels(place: Place, order_id: str, status: ParcelStatus) -> list[Parcel]:
    _may_write(place)
    found = [parcel for parcel in _booked(_see(place, order_id)) if parcel.status == status]
    if not found:
        what = "is booked and waits to be shipped" if status == ParcelStatus.PLANNED else "is on its way"
        raise Problem(f"No parcel of {order_id} {what}.")
    return found


def _tell(place: Place, kind: str, reference: str, tracking: str) -> None:
    """Send a webhook as the carrier does, with its key."""
    now = time.time()
    news = {"id": f"{kind}:{reference}", "kind": kind, "reference": reference, "tracking": tracking}
    body = json.dumps(news | {"occurred_at": iso_8601(now)})
    key = place.client("secretsmanager").get_secret_value(SecretId=place.outputs["CarrierSecretArn"])["SecretString"]
    digest = hmac.new(key.encode(), f"{int(now)}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", HEADERS[Sender.CARRIER]: f"t={int(now)},v1={digest}"}
    reply = _insist(lambda: place.ask("POST", "/webhooks/carrier", body, headers, signed=False))
    _expect(reply, "The carrier's news")


def _plays_carrier(place: Place) -> bool:
    """Whether the carrier is simulated, so that somebody has to play it."""
    return {"SimulatedCarrierTableName", "CarrierSecretArn", "ApiUrl"} <= place.outputs.keys()


def _how_many(parcels: list[Parcel]) -> str:
    return "One parcel" if len(parcels) == 1 else f"{len(parcels)} parcels"


# ── What there is of an order ───────────────────────────────────────────────────────────────────────────────────────


def _see(place: Place, order_id: str) -> Seen:
    tables = {name: table for name in TABLES if (table := place.table(f"{name}TableName"))}
    try:
        return see(place.client("dynamodb"), tables, order_id)
    except (ClientError, BotoCoreError) as error:
        raise Problem(f"{order_id} can't be looked at: {error}") from None


def _booked(seen: Seen) -> list[Parcel]:
    return [parcel for parcel in seen.shipment.parcels if parcel.tracking] if seen.shipment else []


def _coming_back(seen: Seen) -> dict[str, str]:
    """The tracking numbers of the returns that have a label and have not arrived."""
    returns = seen.returns.returns if seen.returns else {}
    return {
        return_id: one.tracking
        for return_id, one in returns.items()
        if one.status == ReturnStatus.REQUESTED and one.tracking
    }


def _may_come_back(seen: Seen) -> dict[str, int]:
    """How many units of each SKU the customer may still send back now."""
    if not seen.returns or seen.returns.closed or epoch_seconds(seen.returns.until) <= time.time():
        return {}
    return {sku: count for sku, count in seen.returns.left.items() if count > 0}


def _path(order_id: str) -> str:
    return f"/orders/{quote(order_id, safe='')}"


def _may_write(place: Place) -> None:
    if not place.may_write:
        raise Problem(ONLY_LOOKS)


def _insist(request: Callable[[], Reply]) -> Reply:
    """Send the same again a few times while nobody can say what became of it; answers the last word."""
    for _ in range(ATTEMPTS - 1):
        reply = request()
        if reply.status < 500:
            return reply
        time.sleep(PAUSE_SECONDS)
    return request()


def _expect(reply: Reply, what: str) -> None:
    """Raise Problem with the API's own words, unless it did what it was asked."""
    if reply.status < 300:
        return
    raise Problem(f"{what} was refused ({reply.status}): {_words(reply)[:LONGEST_WORDS]}")


def _words(reply: Reply) -> str:
    """What a refusal says: problem details, a gateway's message, or just a text."""
    try:
        said = reply.json
    except ValueError:
        return reply.text
    match said:
        case {"violations": [*violations]} if violations:
            return "; ".join(str(one).replace(_PYDANTIC, "") for one in violations)
        case {"detail": str(words)} | {"title": str(words)} | {"message": str(words)}:
            return words
    return reply.text
