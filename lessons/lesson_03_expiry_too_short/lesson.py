"""Lesson 3: the duplicate comes after the record of the first one has expired."""

from lessons.harness import Lesson, Message, in_stock

EVENT = {"order_id": "O1", "sku": "mug", "quantity": 2}

LESSON = Lesson(
    title="An expiry that is shorter than the redelivery",
    schedule="An order for two mugs is processed. The bus delivers it again three seconds later, and 20 hours later.",
    why=(
        "Powertools forgets after an hour unless told otherwise; EventBridge retries for a day, a stream keeps its "
        "records for a day, a dead-letter queue for fourteen. The duplicate after three seconds finds the record, so "
        "every test passes. A record has to live longer than its last duplicate can take to arrive (functions/orders/"
        "retention.py adds it up), or better still be the effect itself."
    ),
    stock={"mug": 10},
    sender="bus",
    messages=(
        Message(EVENT),
        Message(EVENT, at=3, says="delivered again"),
        Message(EVENT, at=20 * 3600, says="delivered again"),
    ),
    words={
        "dynamodb.PutItem": "a record, if there is none",
        "dynamodb.UpdateItem#1": "take two",
        "dynamodb.UpdateItem#2": "keep the answer",
    },
    measures=(in_stock("mug", 8),),
)
