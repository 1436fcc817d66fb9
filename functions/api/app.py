"""The shop's HTTP API: place an order, follow it, list them, cancel one.

Pattern: an idempotency key at the edge. The order's id is made of who asks and of the key that they send, so the same
request is the same order however often it comes, and the one write has the condition that there is none yet. What it
answers is read from the item that stands and from nothing else.

- Twice: the second write fails, and the answer is made of what the first one wrote. Prices that are others by now, or a
  SKU that is gone, make no difference; another content does, and is refused.
- Twice at the same time: one of the writes is first, and both answer what it wrote.
- The process dies after the write: the client has no answer, so it sends the request again, with the same key.

A cancellation needs no key: it is a decision, and of those the first one stands (aws/decisions.py). That of an order
which is confirmed is a step of its way, and races the one to the carrier (aws/statuses.py); those who look after the
sale give back what was paid and reserved. Whoever asks for a cancellation again is told the same.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from api import listing, shown
from api.requests import list_request
from aws import clients, decisions, logger, problems, requests, statuses
from aws.catalogue import read_catalogue
from aws.item import plain_item, read_items, read_order
from aws.problems import AlreadyDecided, AlreadyShipped, Forbidden, KeyReused, MethodNotAllowed, NotFound, respond
from orders import Outcome, Reason, Status, rules
from orders import order_id as ids
from orders.errors import OrderInvalid, Unrecoverable
from orders.model import NewLine, NewOrder
from orders.rules import Product
from orders.tables import order_item

http = APIGatewayHttpResolver()
http.exception_handler(Exception)(problems.answer)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway. Whatever comes is answered; nothing is raised."""
    return requests.resolve(http, event, context)


@http.post("/orders")
def place() -> Response[str]:
    """Place an order, or answer the one that was placed under this key."""
    customer = requests.caller(http.current_event)
    key = requests.idempotency_key(http.current_event)
    wanted = requests.json_object(http.current_event, "order")
    customer_id = requests.customer_id(wanted.get("customer"))
    if customer is not None and customer_id not in (None, customer):
        raise Forbidden("Customers order for themselves.")
    order_id = ids.for_key(customer_id or "", key)
    item, replayed = _place(order_id, wanted)
    if not rules.is_what_was_asked_for(item, wanted):
        raise KeyReused("Another order was placed under this key. A new order needs a new one.")
    if replayed:
        logger.debug("order was placed already", order_id=order_id)
    else:
        logger.info("order placed", order_id=order_id)
    location = {"Location": f"/orders/{quote(order_id, safe='')}"}
    return respond(201, shown.order(item), location | ({"Idempotent-Replayed": "true"} if replayed else {}))


def _place(order_id: str, wanted: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The order's item as it stands, and whether it was there before. Raises OrderInvalid where none can be placed, and
    none was: one that was accepted stays so, whatever the catalogue has become.
    """
    try:
        catalogue = read_catalogue(rules.skus_of(wanted, NewLine))
        order = rules.accept_new(wanted, catalogue)
    except (OrderInvalid, Unrecoverable):
        if placed := read_order(order_id):
            return placed, True
        raise
    return _write(order_id, order, catalogue)


def _write(order_id: str, order: NewOrder, catalogue: dict[str, Product]) -> tuple[dict[str, Any], bool]:
    """Write the order unless there is one; answers what stands, and whether it stood before."""
    prices = {sku: product.unit_price for sku, product in catalogue.items()}
    placed_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    item = order_item(order_id, order, prices, rules.total_of(order, catalogue), placed_at)
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["ORDERS_TABLE"],
            Item=item,
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return plain_item(stands.response["Item"]), True  # type: ignore[typeddict-item]
    return plain_item(item), False


@http.get("/orders")
def orders_of() -> Response[str]:
    """A customer's orders, the newest first."""
    customer = requests.caller(http.current_event)
    wanted = list_request(http.current_event)
    if customer not in (None, wanted.customer_id):
        return respond(200, {"orders": [], "cursor": None})
    return respond(200, listing.read(wanted))


@http.get("/orders/<order_id>")
def follow(order_id: str) -> Response[str]:
    """An order, and what has become of it so far."""
    return respond(200, shown.order(*_read(order_id)))


@http.post("/orders/<order_id>/cancel")
def cancel(order_id: str) -> Response[str]:
    """Cancel an order, unless it is decided; where somebody looks after the sale, unless it is shipped."""
    order, before, approval = _read(order_id)
    stands = _cancel(order["order_id"])
    if before is None or before.get("status") != stands.get("status"):
        logger.info("order cancelled", order_id=order["order_id"])
    else:
        logger.debug("order was cancelled already", order_id=order["order_id"])
    return respond(200, shown.order(order, stands, approval))


def _cancel(order_id: str) -> dict[str, Any]:
    """Cancel; answers what became of the order. Raises AlreadyDecided or AlreadyShipped for what stands instead."""
    stands = plain_item(decisions.cancel(order_id, Reason.CANCELLED_BY_CUSTOMER))
    decision = shown.decision(stands) or {}
    if (decision.get("outcome"), decision.get("reason")) == (Outcome.CANCELLED, Reason.CANCELLED_BY_CUSTOMER):
        return stands
    if decision.get("outcome") != Outcome.CONFIRMED or os.environ["AFTER_SALE"] != "yes":
        raise AlreadyDecided("What was decided stands.", decision=decision)
    cancelled = Reason.CANCELLED_BEFORE_SHIPPING
    stands = plain_item(statuses.advance(order_id, Status.CONFIRMED, Status.CANCELLED, cancelled))
    if stands["status"] != Status.CANCELLED:
        raise AlreadyShipped("It cannot be cancelled any more.", order_status=stands["status"])
    return stands


@http.get("/openapi.json")
def document() -> Response[str]:
    """The API's document."""
    # Here, because the generator's models would take longer to import than the whole function.
    from api.document import document as written

    return respond(200, written())


@http.not_found
def elsewhere(_: Exception) -> Response[str]:
    """Everything that there is not."""
    if allowed := _methods(http.current_event.path):
        return problems.answer(MethodNotAllowed(f"It takes {allowed}.", headers={"Allow": allowed}))
    return problems.answer(NotFound("See /openapi.json for what there is."))


def _methods(path: str) -> str:
    """The methods that a path takes; none if there is no such path."""
    match path.split("/"):
        case ["", "orders"]:
            return "GET, POST"
        case ["", "openapi.json"]:
            return "GET"
        case ["", "orders", order_id] if order_id:
            return "GET"
        case ["", "orders", order_id, "cancel"] if order_id:
            return "POST"
        case ["", "orders", order_id, "returns"] if order_id and os.environ["AFTER_SALE"] == "yes":
            return "POST"  # which another function answers
        case _:
            return ""


def _read(quoted: str) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
    """An order, what became of it, and its approval. Raises NotFound, also for another customer's."""
    customer = requests.caller(http.current_event)
    order_id = requests.order_id(quoted)
    items = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "APPROVALS_TABLE")
    order, state, approval = (plain_item(item) if item else None for item in items)
    if order is None or customer not in (None, requests.customer_id(order.get("customer"))):
        raise requests.unknown_order()
    return order, state, approval
