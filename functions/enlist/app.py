"""Put every confirmed order on the list of what is to be shipped, from the stream of OrderStates.

Pattern: the to-do list, written from the table's stream. A rule starts shipping as soon as the bus says that an order
is confirmed, and nothing depends on that: by this list the sweep starts it, should the event or its execution be lost.
Nobody has to remember to write both, the decision and the list, for the stream follows from the decision. An order that
is put on the list again, because its record came twice or years late, goes its way once more, finds every step done,
and is taken off.
"""

from __future__ import annotations

import os
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aws import logger, open_orders, stream
from orders import OpenOrder, Status, backoff
from orders.events import BECAME


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Enlist the confirmed orders of a batch of stream records; answer the sequence number of the first that has to
    come again, with which Lambda brings all that follow it.
    """
    confirmed = stream.understood(event["Records"], order_from, os.environ["ENLIST_FAILURE_QUEUE_URL"])
    for number, order in confirmed:
        try:
            open_orders.enlist(order)
        except (ClientError, BotoCoreError) as error:
            logger.error("order not enlisted", order_id=order.order_id, error=type(error).__name__)
            return {"batchItemFailures": [{"itemIdentifier": number}]}
    logger.debug("enlisted", records=len(event["Records"]), orders=len(confirmed))
    return {"batchItemFailures": []}


def order_from(record: stream.Record) -> OpenOrder | None:
    """The order that a stream record says is confirmed; None for any other change.

    Raises one of stream.NOT_UNDERSTOOD for a record of another shape.
    """
    if stream.new_status(record) != Status.CONFIRMED:
        return None
    return OpenOrder(
        stream.order_id(record),
        stream.changed_at(record),
        sweep_at=int(time.time()) + backoff.wait_seconds(0),
        what=BECAME[Status.CONFIRMED],
    )
