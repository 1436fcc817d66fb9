"""Wait for an order's parcels, and for whether their customer keeps what is in them.

Nobody asks the carrier where a parcel is. Its news are written to the parcel (webhooks), and whoever waits is woken to
look. The order stays on the list of what is to do, and its time there is set far off while there is nothing to do but
wait; who has news sets it near again before waking anybody, so news whose waiter is gone is found by the sweep.
"""

from __future__ import annotations

import os
import time

from aws import clients, logger, open_orders, returns, statuses, waiting
from aws.item import read_items
from aws.waiting import Task
from orders import OpenOrder, Status, backoff, epoch_seconds, iso_8601
from orders.errors import StillOnItsWay, Unrecoverable
from orders.events import RETURN_REQUESTED
from orders.shipping import Return, Returns, ReturnStatus, Shipment, returns_from, returns_item, shipment_from

HOUR = 60 * 60
DAY = 24 * HOUR


def wait(order_id: str, task: Task) -> None:
    """Let the task wait for the order's last parcel, unless another one does. It goes on at once if that has come.

    Raises Unrecoverable when a parcel is overdue: a person asks the carrier; StillOnItsWay when nothing was shipped.
    """
    now = time.time()
    deliver_by = int(now + float(os.environ["DELIVERY_DAYS"]) * DAY)
    item = waiting.register("SHIPMENTS_TABLE", order_id, task, deliver_by={"N": str(deliver_by)})
    if not item:
        raise StillOnItsWay
    shipment = shipment_from(item)
    if not shipment.delivered:
        if shipment.deliver_by <= now:
            raise Unrecoverable("a parcel is overdue")
        open_orders.look_again_at(shipment.deliver_by, order_id)
        shipment = _shipment(order_id) or shipment
        if shipment.delivered:  # by news that came in between, whose nearer time is overwritten
            open_orders.look_soon(order_id)
    waiting.settle(order_id, task, shipment.waiter, shipment.task_token, news=shipment.delivered)


def _shipment(order_id: str) -> Shipment | None:
    [item] = read_items(order_id, "SHIPMENTS_TABLE")
    return shipment_from(item) if item else None


def deliver(order_id: str) -> dict[str, str]:
    """Bring an order to DELIVERED whose parcels have all arrived. Answers `delivered_at`, and `keep_until` when its
    customer has kept it, both in ISO 8601.

    What may come back is written down before the order is DELIVERED: whoever sees that it is can ask for a return.
    Raises StillOnItsWay.
    """
    shipment = _shipment(order_id)
    if shipment is None or not shipment.delivered:
        raise StillOnItsWay
    standing = _may_come_back(shipment)
    state = statuses.advance(order_id, Status.SHIPPING, Status.DELIVERED)
    keep_until = standing.closed or standing.until
    if epoch_seconds(keep_until) > time.time():
        open_orders.look_again_at(epoch_seconds(keep_until) + HOUR, order_id)
    return {"delivered_at": statuses.since(state, Status.DELIVERED), "keep_until": keep_until}


def _may_come_back(shipment: Shipment) -> Returns:
    """What may come back of an order that has just arrived: all of it, for so many days."""
    until = iso_8601(time.time() + float(os.environ["RETURN_DAYS"]) * DAY)
    new = Returns(shipment.order_id, shipment.units, shipment.prices, 0, until)
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["RETURNS_TABLE"],
            Item=returns_item(new),
            ConditionExpression="attribute_not_exists(order_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        return returns_from(stands.response["Item"])  # type: ignore[typeddict-item]
    logger.info("delivered", order_id=shipment.order_id)
    return new


def archive(order_id: str) -> Status:
    """End an order that can't be sent back any more. Answers ARCHIVED or, if everything came back, RETURNED.

    Raises StillOnItsWay while something may come back.
    """
    standing = returns.read(order_id)
    if standing is None:
        raise StillOnItsWay
    status = returns.close(standing)
    if status not in (Status.ARCHIVED, Status.RETURNED):
        _see_to(order_id)
        raise StillOnItsWay
    open_orders.close(order_id)
    logger.info("archived", order_id=order_id, status=status)
    return status


def _see_to(order_id: str) -> None:
    """Let the sweep come back to an order when its returns have come to an end, and see that they are on the list
    themselves.
    """
    now = time.time()
    under_way = _under_way(order_id)
    for one in under_way:
        open_orders.enlist(
            OpenOrder(
                order_id,
                one.requested_at,
                sweep_at=int(now) + backoff.wait_seconds(0),
                what=RETURN_REQUESTED,
                return_id=one.return_id,
            )
        )
    last = max((one.expires_at for one in under_way), default=0)
    open_orders.look_again_at(max(now, last) + HOUR, order_id)
    if not _under_way(order_id):  # any more: who finished the last one has set a nearer time, which is overwritten
        open_orders.look_soon(order_id)


def _under_way(order_id: str) -> list[Return]:
    standing = returns.read(order_id)
    return [
        one
        for one in (standing.returns.values() if standing else ())
        if one.status in (ReturnStatus.REQUESTED, ReturnStatus.ARRIVED)
    ]
