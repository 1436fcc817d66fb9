"""Lesson 9: between the write and the event there is room to die."""

from lessons.harness import Lesson, Measure, Message, answered, started
from simulation import PRICE, Fault, World, order


def _never_started(here: World) -> int:
    return (len(here.items("OrdersTable")) - len({event["order_id"] for event in here.on_bus})) * 2 * PRICE


LESSON = Lesson(
    title="Publish after write",
    schedule=(
        "The order is written, and the sandbox that is about to tell the bus dies. The client tries again. (In the "
        "repaired version the one that tells the bus is the stream's function, and it is that one that dies.)"
    ),
    why=(
        "Two writes to two systems have a moment between them, and no order of the two removes it. Here the retry "
        "finds the order in place and takes it for done: it waits for ever, and its customer was told “placed”. Make "
        "it one write, and have the event follow from that write by something that remembers how far it came. A "
        "stream does: it delivers the change until somebody has processed it."
    ),
    sender="client",
    messages=(Message({"order_id": "O1", "order": order("O1", {"mug": 2})}, attempts=3, wait=2, says="to be placed"),),
    faults=(
        Fault("handler/events.PutEvents#1", "crash_before"),
        Fault("publish/events.PutEvents#1", "crash_before"),
    ),
    words={
        "dynamodb.PutItem": "write the order",
        "dynamodb.BatchWriteItem": "note what is to do (lesson 13)",
        "events.PutEvents": "tell the bus",
    },
    measures=(
        answered("customer told “placed”", "placed", 1, "times"),
        started(1),
        Measure("placed and never processed", 0, _never_started),
    ),
)
