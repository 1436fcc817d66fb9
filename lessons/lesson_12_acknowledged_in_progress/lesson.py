"""Lesson 12: the message is gone, and the work was never done."""

from lessons.harness import Lesson, Message, answered, in_stock
from simulation import Fault

LESSON = Lesson(
    title="Acknowledged while in progress",
    schedule=(
        "The first attempt takes the lock, and its sandbox dies before it takes the stock. The queue delivers the "
        "message again while the lock is still held."
    ),
    why=(
        "A lock says that somebody began, not that somebody will finish. Whoever answers without an error deletes the "
        "message, and with it the only thing that would have brought the work back after the crash. As long as it is "
        "in progress elsewhere the one right answer is an error: the message comes again, until it finds the finished "
        "record, or the lease ended and the work to do."
    ),
    stock={"mug": 10},
    messages=(Message({"order_id": "O1", "sku": "mug", "quantity": 2}, attempts=5, wait=4),),
    faults=(Fault("handler/dynamodb.UpdateItem#1", "crash_before"),),
    words={
        "dynamodb.PutItem": "take the lock",
        "dynamodb.GetItem": "who has it?",
        "dynamodb.UpdateItem#1": "take two",
        "dynamodb.UpdateItem#2": "keep the answer",
    },
    measures=(answered("order acknowledged", "handled", 1, "times"), in_stock("mug", 8)),
)
