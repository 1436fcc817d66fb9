"""Lesson 16: the only one who knew who was waiting is dead."""

from lessons.harness import Lesson, Measure, Message, in_stock
from simulation import Fault, World

TOTAL = 125_000  # of a samovar, in cents
IN_STOCK = 10


def _never_processed(here: World) -> int:
    [samovar] = [item for item in here.items("InventoryTable") if "available" in item]
    return (int(samovar["available"]) - IN_STOCK + 1) * TOTAL


LESSON = Lesson(
    title="A lost callback",
    schedule=(
        "An order over the limit waits for a person, who approves it after half a minute. The approval is written "
        "down, and the sandbox that is about to wake the workflow dies. The approver gets an error, reloads the page, "
        "finds “approved” on it, and turns to something else."
    ),
    why=(
        "A callback is a message like any other, and it is sent once. The approval is safe in the table, but nothing "
        "follows from it: the token was the only way on, and a workflow waits for it for a year. The same happens "
        "when the execution is stopped while it waits, for then the token leads nowhere. So the table decides, and "
        "the token only wakes: have somebody look for what is decided and not done. Then a lost callback costs a "
        "minute."
    ),
    sender="workflow",
    stock={"samovar": IN_STOCK},
    messages=(
        Message({"order_id": "O1"}, to="workflow"),
        Message({"action": "decide", "order_id": "O1", "status": "APPROVED"}, at=30, says="approved by a person"),
    ),
    faults=(Fault("decide/stepfunctions.SendTaskSuccess#1", "crash_before"),),
    minutes=2,
    words={
        "ask/dynamodb.UpdateItem": "note who waits",
        "decide/dynamodb.UpdateItem": "write APPROVED",
        "dynamodb.TransactWriteItems": "take a samovar, once",
        "dynamodb.Scan": "what is approved and not done?",
        "stepfunctions.SendTaskSuccess": "wake the workflow",
    },
    measures=(
        in_stock("samovar", IN_STOCK - 1),
        Measure("approved, not processed", 0, _never_processed),
        Measure("waited in vain", 0, lambda here: len(here.in_vain), "workflows"),
    ),
)
