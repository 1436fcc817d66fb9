"""Lesson 14: who is turned away together comes back together."""

from lessons.harness import Lesson, Measure, Message, in_stock
from simulation import World

ORDERS = 8


def _given_up(here: World) -> int:
    return sum(execution["status"] == "FAILED" for execution in here.executions())


LESSON = Lesson(
    title="Retries in lockstep",
    schedule=(
        f"{ORDERS} orders come at the same moment, and the account may run two functions at once. Nothing fails: who "
        "is turned away is tried again, twice, with waits that double."
    ),
    why=(
        "The waits are the same for all. Those who were turned away together come back together, and as many as before "
        "are turned away, while the functions stand idle in between. Backoff makes these waves rarer, not smaller. "
        "Jitter dissolves them: each waits for anything up to that long, so they come one by one. With a cap, the "
        "last of many do not wait for minutes; and what is left over after the last attempt has to be on a list."
    ),
    sender="workflow",
    stock={"mug": ORDERS},
    messages=tuple(
        Message({"order_id": f"O{number}", "lines": [{"sku": "mug", "quantity": 1}]}, to="workflow")
        for number in range(1, ORDERS + 1)
    ),
    concurrency=2,
    words={"dynamodb.TransactWriteItems": "take a mug"},
    measures=(Measure("orders given up", 0, _given_up, "orders"), in_stock("mug", 0)),
)
