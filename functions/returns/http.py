"""A customer asks to send something back: `POST /orders/{order_id}/returns`.

Pattern: a running sum under a condition. What is left of an order is a number for each SKU, in one item with all of the
order's returns. One write takes a return's units off these numbers and adds the return, if there are so many, the time
to ask is not over, and the return is not there yet. The return's id is made of the order and of the idempotency key.

- Twice, also at the same time: the second write finds the return, which is answered as it stands by then.
- Two that race for the last unit: each has the condition that it is left, so one of them is refused.
- The order is archived meanwhile: that closes the item in a write of its own, so either the return is first, and the
  order is not archived, or it is refused.
- The process dies: the return was put on the list of what is to do before it was written, so the sweep finds it. What
  was put there and never written is taken off again by the workflow, which finds nothing to return.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from aws import clients, logger, open_orders, problems, requests, returns
from aws.item import plain_item, read_items
from aws.problems import InvalidReturn, KeyReused, NotDelivered, NotFound, ReturnsClosed, respond
from orders import OpenOrder, Status, backoff, iso_8601, rules
from orders import order_id as ids
from orders.errors import OrderInvalid
from orders.events import RETURN_REQUESTED, OrderEvent
from orders.shipping import Return, Returns, ReturnStatus, return_item, returns_from

DAY = 24 * 60 * 60
# All returns of an order are in one item, of which DynamoDB takes 400 KB. One of 50 SKUs is 7 KB with its task's token.
# A few more, from requests at the same time, do no harm.
MAX_RETURNS = 50

http = APIGatewayHttpResolver()
http.exception_handler(Exception)(problems.answer)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway. Whatever comes is answered; nothing is raised."""
    return requests.resolve(http, event, context)


@http.post("/orders/<order_id>/returns")
def take_back(order_id: str) -> Response[str]:
    """Take a return, or answer the one that was taken under this key."""
    customer = requests.caller(http.current_event)
    order_id = requests.order_id(order_id)
    key = requests.idempotency_key(http.current_event)
    units = _units(http.current_event)
    there, state, item = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "RETURNS_TABLE")
    order = plain_item(there or {})
    if not order or customer not in (None, requests.customer_id(order.get("customer"))):
        raise requests.unknown_order()
    if item is None:
        status = (state or {}).get("status", {"S": Status.PLACED})["S"]
        raise NotDelivered("What has arrived can be returned.", order_status=status)
    one, replayed = _request(returns_from(item), ids.return_for_key(order_id, key), units)
    if one.units != units:
        raise KeyReused("Another return was requested under this key. A new return needs a new one.")
    return respond(201, _shown(one, order.get("currency")), {"Idempotent-Replayed": "true"} if replayed else None)


@http.not_found
def elsewhere(_: Exception) -> Response[str]:
    """Everything that there is not: API Gateway brings nothing else here."""
    return problems.answer(NotFound("See /openapi.json for what there is."))


def _units(event: Any) -> dict[str, int]:
    try:
        return rules.accept_return(requests.json_object(event, "return"))
    except OrderInvalid as invalid:
        raise _invalid(invalid.violations) from None


def _invalid(violations: list[str]) -> InvalidReturn:
    return InvalidReturn("Nothing was stored. Each violation says where.", violations=violations)


def _shown(one: Return, currency: object) -> dict[str, Any]:
    """A return as a client sees it. The currency is the order's."""
    return {
        "return_id": one.return_id,
        "status": one.status,
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in sorted(one.units.items())],
        "amount": one.amount,
        "currency": currency if isinstance(currency, str) else None,
        "requested_at": one.requested_at,
    }


def _request(standing: Returns, return_id: str, units: Mapping[str, int]) -> tuple[Return, bool]:
    """The return as it stands, and whether it stood before. Raises ReturnsClosed or InvalidReturn."""
    now = time.time()
    if return_id in standing.returns:
        return _again(standing, return_id), True
    _refuse_what_cannot_come_back(standing, units, now)
    if len(standing.returns) >= MAX_RETURNS:
        raise ReturnsClosed("The order has as many returns as it may have.")
    one = Return(
        return_id,
        ReturnStatus.REQUESTED,
        units,
        sum(standing.prices[sku] * count for sku, count in units.items()),
        iso_8601(now),
        int(now + float(os.environ["RETURN_EXPIRY_DAYS"]) * DAY),
    )
    if not _enlist(standing.order_id, one):
        # By an earlier attempt that has died. The sweep may be about to come, and would find nothing to return.
        open_orders.look_soon(standing.order_id, return_id)
    written, ours = _write(standing.order_id, one)
    if ours:
        logger.info("return requested", order_id=standing.order_id, return_id=return_id)
        _announce(standing.order_id, one)
        return one, False
    if return_id in written.returns:
        return _again(written, return_id), True
    _refuse_what_cannot_come_back(written, units, now)
    raise TimeoutError("the return was refused for nothing that stands")


def _again(standing: Returns, return_id: str) -> Return:
    """A return that was requested before. Nobody may know of it yet, if all of that was just now."""
    one = standing.returns[return_id]
    logger.debug("return was requested already", order_id=standing.order_id, return_id=return_id)
    if one.status == ReturnStatus.REQUESTED and not one.tracking:
        _enlist(standing.order_id, one)
    return one


def _refuse_what_cannot_come_back(standing: Returns, units: Mapping[str, int], now: float) -> None:
    if standing.closed or standing.until <= iso_8601(now):
        raise ReturnsClosed(f"It could be returned until {standing.closed or standing.until}.")
    if violations := rules.too_many(units, standing.left):
        raise _invalid(violations)


def _enlist(order_id: str, one: Return) -> bool:
    """Put the return on the list of what is to do. The sweep comes to it later than this invocation can last."""
    return open_orders.enlist(
        OpenOrder(
            order_id,
            one.requested_at,
            sweep_at=int(time.time()) + backoff.wait_seconds(0),
            what=RETURN_REQUESTED,
            return_id=one.return_id,
        )
    )


def _write(order_id: str, one: Return) -> tuple[Returns, bool]:
    """The write that decides; answers what stands, and whether this return is in it by this write."""
    taken, enough, terms = returns.take(one.units)
    standing, ours = returns.write(
        order_id,
        f"{taken}, #open = #open + :one, #returns.#return = :return",
        f"{enough} AND #until > :now AND attribute_not_exists(closed) AND attribute_not_exists(#returns.#return)",
        {
            **terms,
            ":now": {"S": one.requested_at},
            ":one": {"N": "1"},
            ":return": return_item(one),
            "#open": "open",
            "#return": one.return_id,
            "#returns": "returns",
            "#until": "until",
        },
    )
    if standing is None:
        raise TimeoutError("what may come back has just been deleted")
    return standing, ours


def _announce(order_id: str, one: Return) -> None:
    """Tell the bus. What it does not take is sent by the sweep, and the customer's return stands all the same."""
    event = OrderEvent(RETURN_REQUESTED, order_id, one.requested_at, return_id=one.return_id)
    try:
        [result] = clients.events().put_events(Entries=[event.entry(os.environ["EVENT_BUS_NAME"])])["Entries"]
    except (ClientError, BotoCoreError) as error:
        result = {"ErrorCode": type(error).__name__}
    if refusal := result.get("ErrorCode"):
        logger.warning("return not announced", order_id=order_id, return_id=one.return_id, error=refusal)
