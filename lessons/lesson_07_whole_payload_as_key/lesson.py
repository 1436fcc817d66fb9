"""Lesson 7: two genuine orders look alike."""

from typing import Any

from lessons.harness import Lesson, Message, answered, in_stock


def _order(order_id: str) -> dict[str, Any]:
    return {"order_id": order_id, "customer_id": "c-1", "lines": [{"sku": "tea", "quantity": 1}]}


LESSON = Lesson(
    title="The whole payload as the key",
    schedule=(
        "A customer orders a packet of tea. O1 is delivered twice, as it may be. A week later the customer orders the "
        "same again: O2."
    ),
    why=(
        "Without a key expression Powertools hashes everything that the function is given. That is not what makes an "
        "order this order: the duplicate is absorbed, and so is the next genuine order of the same customer, with an "
        "answer that says it was reserved. Put a timestamp into the payload and it goes wrong the other way, every "
        "duplicate is new. The key is an identity, chosen by whoever placed the order: its id, and here the SKU."
    ),
    stock={"tea": 10},
    messages=(
        Message(_order("O1")),
        Message(_order("O1"), at=5, says="delivered again"),
        Message(_order("O2"), at=7 * 24 * 3600),
    ),
    words={
        "dynamodb.PutItem": "a record, if there is none",
        "dynamodb.UpdateItem#1": "take one",
        "dynamodb.UpdateItem#2": "keep the answer",
    },
    measures=(in_stock("tea", 8), answered("“reserved” was answered", "reserved", 3, "times")),
)
