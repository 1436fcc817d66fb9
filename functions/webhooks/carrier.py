"""What the carrier tells of parcels, and what that changes.

A parcel's status only goes up: the condition of each write names the statuses below it, so `delivered` stands when a
late `shipped` comes. Whoever waits for the parcel has its name in the same item (aws/waiting.py). First the list of
what is to do says that it is due, then the waiter is woken: should nobody wake it, the sweep does in a minute.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic_core import from_json

from aws import callback, guarded, open_orders, returns
from orders import OpenOrder, backoff, epoch_seconds
from orders.events import RETURN_REQUESTED
from orders.order_id import is_order_id
from orders.shipping import ParcelStatus, Return, Returns, ReturnStatus, read_reference, shipment_from
from webhooks import person
from webhooks.inbox import Malformed, News, NotOurs, NotYet, Sender, is_short

SHIPPED, DELIVERED = "parcel.shipped", "parcel.delivered"
STATUSES = {SHIPPED: ParcelStatus.SHIPPED, DELIVERED: ParcelStatus.DELIVERED}
_BELOW = {
    ParcelStatus.SHIPPED: (ParcelStatus.PLANNED,),
    ParcelStatus.DELIVERED: (ParcelStatus.PLANNED, ParcelStatus.SHIPPED),
}


def read(body: bytes) -> News | None:
    """The news in a body, `{"id", "kind", "reference", "tracking", "occurred_at"}`; None for a kind that says nothing
    to us. Raises Malformed.
    """
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Malformed("not JSON") from None
    match content:
        case {"kind": str(kind)} if kind not in STATUSES:
            return None
        case {"id": str(event_id), "kind": str(kind), "reference": str(reference), "occurred_at": str(at)} if (
            is_short(event_id) and is_short(reference) and _is_time(at)
        ):
            return News(Sender.CARRIER, event_id, kind, reference, at)
    raise Malformed("not of the form that was agreed on")


def apply(news: News) -> tuple[str, bool]:
    """Write it where it belongs. Answers the order, and whether anything changed. Raises NotYet, NotOurs, and what AWS
    raises.
    """
    try:
        order_id, comes_back, part = read_reference(news.subject)
    except ValueError:
        raise NotOurs("no reference of ours") from None
    if not is_order_id(order_id):
        raise NotOurs("no order of ours")
    if not comes_back:
        return order_id, _carried(order_id, part, STATUSES[news.kind])
    if news.kind == DELIVERED:
        return order_id, _came_back(order_id, part, news)
    _return(returns.read(order_id), part)  # it is on its way, and nobody waits for that
    return order_id, False


def _carried(order_id: str, warehouse: str, status: ParcelStatus) -> bool:
    """Bring a parcel to the customer on, and let the order go on with the last one's delivery."""
    below = {f":below{n}": {"S": lower} for n, lower in enumerate(_BELOW[status])}
    item, changed = guarded.write(
        "SHIPMENTS_TABLE",
        order_id,
        "parcels.#parcel.#status = :status",
        f"parcels.#parcel.#status IN ({', '.join(below)})",
        {"#parcel": warehouse, "#status": "status", ":status": {"S": status}, **below},
    )
    if not item or warehouse not in item["parcels"]["M"]:
        raise NotYet("no such parcel")
    shipment = shipment_from(item)
    # Also where nothing changed: who wrote it may have died before this.
    if status == ParcelStatus.DELIVERED and shipment.delivered:
        open_orders.look_soon(order_id)
        _wake(shipment.task_token, order_id)
    return changed


def _came_back(order_id: str, return_id: str, news: News) -> bool:
    """Note that a parcel has come back, and let its return go on."""
    standing, changed = returns.write(
        order_id,
        "#returns.#return.#status = :arrived",
        "#returns.#return.#status = :requested",
        _terms(return_id) | {":requested": {"S": ReturnStatus.REQUESTED}},
    )
    one = _return(standing, return_id)
    if standing and one.status == ReturnStatus.EXPIRED:
        standing, changed = _reopen(standing, one)
        one = _return(standing, return_id)
    if one.status == ReturnStatus.ARRIVED:
        open_orders.look_soon(order_id, return_id)
        _wake(one.task_token, order_id)
    elif one.status == ReturnStatus.EXPIRED:
        person.call(order_id, news.occurred_at, f"{return_id}: came back after it had expired, and is not refunded")
    return changed


def _reopen(standing: Returns, one: Return) -> tuple[Returns | None, bool]:
    """Take a return up again whose parcel came after all, unless its units were sent back by another one since, or the
    order's returns are closed. It goes on the list of what is to do first, as when it was asked for; should the write
    fail, its workflow finds nothing to return and takes it off. It may do so just before the write as well, so what is
    taken up goes on the list once more.
    """
    if standing.closed or any(standing.left.get(sku, 0) < count for sku, count in one.units.items()):
        return standing, False
    to_do = OpenOrder(
        standing.order_id,
        one.requested_at,
        sweep_at=int(time.time()) + backoff.wait_seconds(0),
        what=RETURN_REQUESTED,
        return_id=one.return_id,
    )
    open_orders.enlist(to_do)
    taken, enough, terms = returns.take(one.units)
    stands, ours = returns.write(
        standing.order_id,
        f"#returns.#return.#status = :arrived, #open = #open + :one, {taken}",
        f"#returns.#return.#status = :expired AND attribute_not_exists(closed) AND {enough}",
        _terms(one.return_id) | terms | {":expired": {"S": ReturnStatus.EXPIRED}, ":one": {"N": "1"}, "#open": "open"},
    )
    if ours:
        open_orders.enlist(to_do)
    return stands, ours


def _terms(return_id: str) -> dict[str, Any]:
    return {
        "#returns": "returns",
        "#return": return_id,
        "#status": "status",
        ":arrived": {"S": ReturnStatus.ARRIVED},
    }


def _return(standing: Returns | None, return_id: str) -> Return:
    if standing is None or return_id not in standing.returns:
        raise NotYet("no such return")
    return standing.returns[return_id]


def _wake(task_token: str, order_id: str) -> None:
    if task_token:
        callback.wake(task_token, order_id)


def _is_time(text: str) -> bool:
    try:
        epoch_seconds(text)
    except (ValueError, OverflowError):
        return False
    return is_short(text)
