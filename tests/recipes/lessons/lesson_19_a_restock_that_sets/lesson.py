"""Lesson 19: two deliveries arrive at once."""

from lessons.harness import Lesson, Message, in_stock

LESSON = Lesson(
    title="A restock that sets",
    schedule="Two deliveries of five teapots each arrive at the same moment, and nothing fails.",
    why="Both read the same stock and write the same sum. What is added has to be added where the stock is.",
    stock={"teapot": 1},
    messages=(
        Message({"order_id": "R1", "sku": "teapot", "quantity": 5}),
        Message({"order_id": "R2", "sku": "teapot", "quantity": 5}),
    ),
    words={"dynamodb.GetItem": "how many are left?", "dynamodb.UpdateItem": "add five"},
    measures=(in_stock("teapot", 11),),
)
