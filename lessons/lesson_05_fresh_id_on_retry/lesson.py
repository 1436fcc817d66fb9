"""Lesson 5: a condition on an id that is never the same."""

from lessons.harness import Lesson, Measure, Message, in_stock
from simulation import Fault, World


def _reservations(here: World) -> int:
    return sum(item["sk"].startswith("RESERVATION#") for item in here.items("InventoryTable"))


LESSON = Lesson(
    title="A fresh id on each retry",
    schedule="The stock is taken and written down, and the sandbox dies before it can say so. The sender tries again.",
    why=(
        "The transaction is right, and so is its condition; but the id that it guards is made inside the step that is "
        "retried, so the second attempt is a second reservation. Whoever wants something makes its id, once, outside "
        "of all retries. Derived from the order, the second attempt meets the first one's reservation and answers what "
        "that one would have answered."
    ),
    stock={"mug": 10},
    messages=(Message({"order_id": "O1", "sku": "mug", "quantity": 2}, attempts=3, wait=5),),
    faults=(Fault("handler/dynamodb.TransactWriteItems#1", "crash_after"),),
    words={"dynamodb.TransactWriteItems": "reserve, and take two"},
    measures=(in_stock("mug", 8), Measure("reservations of O1", 1, _reservations, "reservations")),
)
