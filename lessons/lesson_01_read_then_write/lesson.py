"""Lesson 1: two orders read the same stock."""

from lessons.harness import Lesson, Message, answered, in_stock

LESSON = Lesson(
    title="Read, then write",
    schedule="One teapot is left. Two orders for it arrive at the same moment, and nothing fails.",
    why=(
        "Both read “1 left” before either has written. A consistent read does not help: it is true when it is made and "
        "stale when it is used. The condition has to travel with the write, where DynamoDB checks it and changes the "
        "counter in one step, so one of the two is refused."
    ),
    stock={"teapot": 1},
    messages=(
        Message({"order_id": "O1", "sku": "teapot", "quantity": 1}),
        Message({"order_id": "O2", "sku": "teapot", "quantity": 1}),
    ),
    words={"dynamodb.GetItem": "how many are left?", "dynamodb.UpdateItem": "take one"},
    measures=(in_stock("teapot", 0), answered("teapots promised", "reserved", 1, "pieces")),
)
