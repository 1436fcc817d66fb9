"""Lesson 4: an attempt that was given up on comes back."""

from lessons.harness import Lesson, Message, in_stock
from simulation import Fault

LESSON = Lesson(
    title="A late attempt overwrites a newer one",
    schedule=(
        "The warehouse counts 40 teapots. The first attempt freezes before its write, the sender gives up on it, and "
        "its second attempt gets through. Then the shelf breaks: the next count is 0. Now the frozen attempt goes on."
    ),
    why=(
        "A timeout says that the sender stopped waiting, not that the attempt stopped. Retrying is harmless as long as "
        "nothing has happened in between, and here something has. The write has to say what it believes it replaces: "
        "something older. In a message queue without order the same condition sorts out the messages themselves."
    ),
    stock={"teapot": 12},
    messages=(
        Message(
            {"sku": "teapot", "count": 40, "counted_at": "2026-03-02T09:00:00Z"}, attempts=2, wait=2, says="40 counted"
        ),
        Message({"sku": "teapot", "count": 0, "counted_at": "2026-03-02T09:00:20Z"}, at=20, says="0 counted"),
    ),
    faults=(Fault("handler/dynamodb.UpdateItem#1", "zombie_late"),),
    late=30,
    words={"dynamodb.UpdateItem": "write the count"},
    measures=(in_stock("teapot", 0),),
)
