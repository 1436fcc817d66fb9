"""Lesson 8: HTTP 200 and FailedEntryCount 1."""

from lessons.harness import Lesson, Measure, started
from simulation import PRICE, Fault, World, order

ORDERS = tuple(order(order_id, {"tea": 1}) for order_id in ("O1", "O2", "O3"))


def _never_started(here: World) -> int:
    return (len(ORDERS) - len({event["order_id"] for event in here.on_bus})) * PRICE


LESSON = Lesson(
    title="A batch swallowed",
    schedule=(
        "Three orders are placed, and their changes arrive as one batch. PutEvents answers 200: it took two of the "
        "three, and says in FailedEntryCount that it did not take the first."
    ),
    why=(
        "PutEvents, SendMessageBatch and BatchWriteItem succeed as requests when only a part of them did; nothing "
        "raises, so nothing is retried. The answer has to be read entry by entry, and what was refused reported by its "
        "sequence number. The stream then comes again from there. O2 and O3 are published twice by that, with the "
        "same event id."
    ),
    items={"OrdersTable": ORDERS},
    sender="stream",
    faults=(Fault("publish/events.PutEvents#1", "partial"),),
    words={"events.PutEvents": "three orders to the bus"},
    measures=(started(3), Measure("ordered and never processed", 0, _never_started)),
)
