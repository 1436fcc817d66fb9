"""Look at what is still to do, and send the events of orders again that should be finished by now.

Pattern: the to-do list. Every order is written down before it is announced and crossed out when its customer has been
told (publish, notify). In between anything may be lost: an event, an execution, a message that nobody redrives. What
is still on the list after a minute is tried again, after longer and longer waits, for as long as it takes. So no order
depends on a message that arrives, and none on a person.

A sweep claims an order by the time at which it was due, in the write that moves that time on. Of two sweeps that see
the same order only one gets it, one that looks at an old page gets nothing, and one that dies after the claim only
lets the order wait for the next time.

A person is called for what only a person can do: an order that is stuck (`Unrecoverable`), or tried for far too long.
Once, and again each day.

What comes after the sale has a list of its own, and this same sweep: each entry says which event is to be sent again.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aws import clients, logger
from aws.metrics import MetricUnit, emit
from orders import OpenOrder, backoff, epoch_seconds
from orders.events import MAX_ENTRIES, PLACED, OrderEvent
from orders.order_id import printable
from orders.tables import open_order_from, open_order_key

# A run leaves room in its minute for the next one, and in its timeout for what it has begun.
RUN_SECONDS = 45
# A page is 1 MB and some 10,000 open orders. A table that is larger is read in so many parts: at random, so that each
# has its turn, each of them whole, and no further one after so many pages.
SEGMENTS = 64
MAX_PAGES = 20

DAY = 24 * 60 * 60
SOON = 15 * 60  # until a person is called again, should this run die before it has called
NAMED = 100  # orders in one call; a person reads no more


@dataclass
class Seen:
    """What a run saw of the list. `open` is how many orders are open, estimated where it is too long to be read.
    `oldest_minutes` leaves out for how long a person may take to approve an order.
    """

    open: int = 0
    oldest_minutes: float = 0.0
    malformed: int = 0
    swept: int = 0
    needing_a_person: list[OpenOrder] = field(default_factory=list)  # of those that were swept


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Sweep once. Answers how many orders are `open`, how many were `swept`, and for how many a person was `called`."""
    seen = Seen()
    per_second = int(os.environ["SWEEPS_PER_SECOND"])
    began = time.time()
    tried = 0
    for batch in batched(due(seen, began), MAX_ENTRIES):
        claimed = [order for order in batch if claim(order, seen)]
        announce(claimed)
        seen.swept += len(claimed)
        tried += len(batch)
        if tried >= per_second * RUN_SECONDS or time.time() - began > RUN_SECONDS:
            break
        # Not all at once: what stood still for an hour would stampede over what has only just come back.
        ahead = began + tried / per_second - time.time()
        if len(batch) == MAX_ENTRIES and ahead > 0:
            time.sleep(ahead)
    called = call_a_person(seen.needing_a_person)
    emit(
        {
            "OpenOrders": (MetricUnit.Count, seen.open),
            "OldestOpenOrderMinutes": (MetricUnit.NoUnit, seen.oldest_minutes),
            "PeopleNeeded": (MetricUnit.Count, len(seen.needing_a_person) + seen.malformed),
        },
        swept=seen.swept,
    )
    return {"open": seen.open, "swept": seen.swept, "called": called}


def due(seen: Seen, now: float) -> Iterator[OpenOrder]:
    """The orders whose time has come, as far as a run reads. They may be finished by now, or swept: see `claim`.

    Of a page, what has waited longest comes first. A run that ends early would otherwise get to the same ones each
    time, and those behind them would never have their turn.
    """
    for page in pages(seen, now):
        yield from sorted(understood(page, seen, now), key=lambda order: order.sweep_at)


def understood(items: Sequence[dict[str, Any]], seen: Seen, now: float) -> Iterator[OpenOrder]:
    """The open orders in a page's items. One that is malformed must not hold up the others.

    Nobody but the pipeline writes here, so a person has to look at it.
    """
    for item in items:
        try:
            order = open_order_from(item)
            minutes = (now - epoch_seconds(order.occurred_at)) / 60 - _review_minutes(order)
        except (KeyError, ValueError) as error:
            seen.malformed += 1
            logger.error("open order not understood", order_id=item["order_id"]["S"], error=type(error).__name__)
            continue
        seen.oldest_minutes = max(seen.oldest_minutes, round(minutes, 1))
        yield order


def pages(seen: Seen, now: float) -> Iterator[list[dict[str, Any]]]:
    """The items whose time has come: all of them, or those of some parts of a long list, chosen at random."""
    whole: Any = {
        # Read eventually, at half the price: what a page got wrong, the claim puts right.
        "TableName": os.environ["OPEN_ORDERS_TABLE"],
        # What has no such time, or none that is a number, is due as well: it has to be seen to be reported.
        "FilterExpression": "NOT sweep_at > :now",
        "ExpressionAttributeValues": {":now": {"N": str(int(now))}},
    }
    first = clients.dynamodb().scan(**whole)
    if "LastEvaluatedKey" not in first:
        seen.open = first["ScannedCount"]
        yield first["Items"]
        return
    looked_at = 0
    read = 1
    for number, segment in enumerate(random.sample(range(SEGMENTS), SEGMENTS), 1):
        part = whole | {"Segment": segment, "TotalSegments": SEGMENTS}
        while True:
            page = clients.dynamodb().scan(**part)
            looked_at, read = looked_at + page["ScannedCount"], read + 1
            seen.open = looked_at * SEGMENTS // number
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            part["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        if read >= MAX_PAGES:
            return


def claim(order: OpenOrder, seen: Seen) -> bool:
    """Make this sweep of the order ours, unless it is finished or another run's.

    What the order was stuck at is taken off the list with that: the execution that follows says so again, if it still
    is. What cannot be written stays due.
    """
    now = int(time.time())
    update = "SET sweep_at = :next, sweeps = :sweeps"
    values = {
        ":seen": {"N": str(order.sweep_at)},
        ":next": {"N": str(now + backoff.wait_seconds(order.sweeps + 1))},
        ":sweeps": {"N": str(order.sweeps + 1)},
    }
    needs_a_person = bool(order.stuck) or _tried_for_too_long(order)
    if needs_a_person and order.call_at <= now:
        update += ", call_at = :soon"
        values[":soon"] = {"N": str(now + SOON)}
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["OPEN_ORDERS_TABLE"],
            Key=open_order_key(order.order_id, order.return_id),
            UpdateExpression=f"{update} REMOVE stuck",
            ConditionExpression="sweep_at = :seen",
            ExpressionAttributeValues=values,
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return False
    except (ClientError, BotoCoreError) as error:
        logger.warning("not claimed", **_which(order), error=type(error).__name__)
        return False
    if needs_a_person:
        seen.needing_a_person.append(order)
    return True


def _tried_for_too_long(order: OpenOrder) -> bool:
    # Not since it was placed: after hours in a stream that stood still, it may be through in a second.
    return backoff.tried_minutes(order.sweeps) > int(os.environ["OPEN_LIMIT_MINUTES"]) + _review_minutes(order)


def _review_minutes(order: OpenOrder) -> int:
    """For how many minutes it is nobody's concern that an order is open, because a person may approve it."""
    return 60 * int(os.environ["APPROVAL_HOURS"]) if order.review else 0


def announce(orders: Sequence[OpenOrder]) -> None:
    """Send up to ten events again. What the bus does not take waits for the next sweep of its order, and this one is
    given back.
    """
    if not orders:
        return
    bus = os.environ["EVENT_BUS_NAME"]
    events = [
        OrderEvent(
            order.what,
            order.order_id,
            order.occurred_at,
            backoff.tried_minutes(order.sweeps + 1),
            review=order.review,
            return_id=order.return_id,
        )
        for order in orders
    ]
    try:
        results = clients.events().put_events(Entries=[event.entry(bus) for event in events])["Entries"]
    except (ClientError, BotoCoreError) as error:
        logger.warning("bus unreachable", error=type(error).__name__, events=len(orders))
        for order in orders:
            give_back(order)
        return
    for order, result in zip(orders, results, strict=True):
        if "ErrorCode" in result:
            logger.warning("event refused", **_which(order), error=result["ErrorCode"])
            give_back(order)
        else:
            logger.info("swept", **_which(order), sweeps=order.sweeps + 1)


def give_back(order: OpenOrder) -> None:
    """Take a sweep off the count that started nothing: only what was tried counts against an order's patience."""
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["OPEN_ORDERS_TABLE"],
            Key=open_order_key(order.order_id, order.return_id),
            UpdateExpression="SET sweeps = :before",
            ConditionExpression="sweeps = :mine",
            ExpressionAttributeValues={
                ":before": {"N": str(order.sweeps)},
                ":mine": {"N": str(order.sweeps + 1)},
            },
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("finished meanwhile", **_which(order))
    except (ClientError, BotoCoreError) as error:
        logger.warning("not given back", **_which(order), error=type(error).__name__)


def call_a_person(orders: Sequence[OpenOrder]) -> int:
    """Tell the alert topic of the orders for which nobody was called today; answers how many.

    They were claimed for this call until SOON: a run that dies here calls again then, and one that has called writes
    down that tomorrow is early enough.
    """
    now = int(time.time())
    to_tell = [order for order in orders if order.call_at <= now]
    if not to_tell:
        return 0
    message = {
        "orders": len(to_tell),
        "what_to_do": "docs/operations.md#an-order-needs-a-person",
        "open": [_for_a_person(order) for order in to_tell[:NAMED]],
    }
    try:
        clients.alerts().publish(
            TopicArn=os.environ["ALERT_TOPIC_ARN"],
            Subject=f"{len(to_tell)} order{'s need' if len(to_tell) > 1 else ' needs'} a person",
            Message=json.dumps(message, indent=1),
        )
    except (ClientError, BotoCoreError) as error:
        logger.error("nobody could be called", error=type(error).__name__, orders=len(to_tell))
        return 0
    for order in to_tell:
        _next_call(order, now + DAY)
    return len(to_tell)


def _for_a_person(order: OpenOrder) -> dict[str, str]:
    # A hundred of the longest keys are more than SNS takes.
    which = {name: printable(value) for name, value in _which(order).items()}
    since = "placed_at" if order.what == PLACED else "occurred_at"
    return {**which, since: order.occurred_at, "stuck": order.stuck or "tried for too long"}


def _which(order: OpenOrder) -> dict[str, Any]:
    return {"order_id": order.order_id} | ({"return_id": order.return_id} if order.return_id else {})


def _next_call(order: OpenOrder, at: int) -> None:
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["OPEN_ORDERS_TABLE"],
            Key=open_order_key(order.order_id, order.return_id),
            UpdateExpression="SET call_at = :at",
            ConditionExpression="attribute_exists(order_id)",
            ExpressionAttributeValues={":at": {"N": str(at)}},
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        logger.debug("finished meanwhile", **_which(order))
    except (ClientError, BotoCoreError) as error:
        # Somebody is called for it once more, after SOON. The others are none the worse for it.
        logger.warning("call not written down", **_which(order), error=type(error).__name__)
