"""Take what customers send back: ask for it (http.py), wait for its parcel, and bring it to its end.

Pattern: the refund's bracket. Money and stock go back between two writes, each of them guarded. Inspect reads what is
to be given back, and that never changes once it is there. Finish says that it was given, and takes the return off the
number of those under way, in one write. Whatever dies in between is repeated with the same keys.

A parcel that never comes expires: then its units are the customer's again, who may return them until the time is over.
"""

from __future__ import annotations

import time
from typing import Any

from aws import logger, open_orders, returns, waiting
from aws.waiting import Task, task_of
from orders import Status, iso_8601
from orders.errors import NothingToReturn, StillOnItsWay, Unrecoverable
from orders.shipping import Return, Returns, ReturnStatus, returns_from
from returns import http

ENDED = (Status.ARCHIVED, Status.RETURNED)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A request of API Gateway's, or a step of the return's workflow: `{"action", "order_id", "return_id"}`.

    `arrive` also gets `task_token`, of the `execution` whose task waits then, and which `attempt` at the task this is.
    `inspect` answers `{"lines": [{"sku", "quantity"}], "amount", "requested_at"}`, in minor units and ISO 8601;
    `finish` answers `{"refunded_at"}`.

    Raises NothingToReturn, StillOnItsWay (inspect); Unrecoverable; what AWS raises.
    """
    if "rawPath" in event:
        return http.handler(event, context)
    order_id, return_id = event["order_id"], event["return_id"]
    match event["action"]:
        case "arrive":
            wait(order_id, return_id, task_of(event))
            return {}
        case "inspect":
            return inspect(order_id, return_id)
        case "finish":
            return finish(order_id, return_id)
        case action:
            raise ValueError(f"unknown action {action}")


def wait(order_id: str, return_id: str, task: Task) -> None:
    """Let the task wait for the return's parcel, unless another one does. It goes on at once if there is news, or no
    such return; that the parcel is not to be expected any more is news as well.
    """
    now = time.time()
    item = waiting.register("RETURNS_TABLE", order_id, task, return_id)
    standing = returns_from(item) if item else None
    one = _return(standing, return_id)
    if standing and one and one.status == ReturnStatus.REQUESTED:
        if one.expires_at <= now:
            standing = _expire(standing, one)
        else:
            open_orders.look_again_at(one.expires_at, order_id, return_id)
            standing = returns.read(order_id)
            if _has_news(_return(standing, return_id)):  # that came in between: its nearer time is overwritten
                open_orders.look_soon(order_id, return_id)
        one = _return(standing, return_id)
    waiting.settle(order_id, task, one.waiter if one else "", one.task_token if one else "", news=_has_news(one))


def _return(standing: Returns | None, return_id: str) -> Return | None:
    return standing.returns.get(return_id) if standing else None


def _has_news(one: Return | None) -> bool:
    return one is not None and one.status != ReturnStatus.REQUESTED


def _expire(standing: Returns, one: Return) -> Returns | None:
    """Give the customer back the units whose parcel has not come, unless it just has; answers what stands."""
    given_back, terms = returns.give_back(one.units)
    after, ours = returns.write(
        standing.order_id,
        f"#returns.#return.#status = :expired, #open = #open - :one, {given_back}",
        "#returns.#return.#status = :requested",
        {
            **terms,
            ":expired": {"S": ReturnStatus.EXPIRED},
            ":requested": {"S": ReturnStatus.REQUESTED},
            ":one": {"N": "1"},
            "#open": "open",
            "#return": one.return_id,
            "#returns": "returns",
            "#status": "status",
        },
    )
    if ours:
        logger.info("return expired", order_id=standing.order_id, return_id=one.return_id)
    if after:
        _end(after)
    return after


def inspect(order_id: str, return_id: str) -> dict[str, Any]:
    """What is to be given back for a return that has arrived, the same whenever it is asked.

    Raises StillOnItsWay; NothingToReturn for one that was never written down, or has expired.
    """
    one = _return(returns.read(order_id), return_id)
    if one is None or one.status == ReturnStatus.EXPIRED:
        open_orders.close(order_id, return_id)
        raise NothingToReturn
    if one.status == ReturnStatus.REQUESTED:
        raise StillOnItsWay
    return {
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in sorted(one.units.items())],
        "amount": one.amount,
        "requested_at": one.requested_at,
    }


def finish(order_id: str, return_id: str) -> dict[str, Any]:
    """Note that a return is back in stock and paid back; the order's end, if nothing more can come of it.

    Raises Unrecoverable for a return that has not arrived.
    """
    standing, ours = returns.write(
        order_id,
        "#returns.#return.#status = :refunded, #returns.#return.refunded_at = :now, #open = #open - :one",
        "#returns.#return.#status = :arrived",
        {
            ":refunded": {"S": ReturnStatus.REFUNDED},
            ":arrived": {"S": ReturnStatus.ARRIVED},
            ":now": {"S": iso_8601(time.time())},
            ":one": {"N": "1"},
            "#open": "open",
            "#return": return_id,
            "#returns": "returns",
            "#status": "status",
        },
    )
    one = _return(standing, return_id)
    if standing is None or one is None or one.status != ReturnStatus.REFUNDED:
        raise Unrecoverable(f"cannot finish a return that is {one.status if one else 'missing'}")
    if ours:
        logger.info("return finished", order_id=order_id, return_id=return_id)
    else:
        logger.debug("return was finished already", order_id=order_id, return_id=return_id)
    _end(standing)
    return {"refunded_at": one.refunded_at}


def _end(standing: Returns) -> None:
    """End the order as well once nothing more can come of it. It stays on the list: its own workflow takes it off, when
    its customer has been told of everything. That waits until the time to ask is over, or ended when it found this
    return under way.
    """
    in_time = standing.until > iso_8601(time.time())
    over = standing.everything_came_back or not in_time
    if over and standing.open == 0 and returns.close(standing) in ENDED and not in_time:
        open_orders.look_soon(standing.order_id)
