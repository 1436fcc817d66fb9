"""Lesson 2: an idempotency decorator does not reach as far as the card."""

from lessons.harness import Lesson, Message, on_the_card
from simulation import Fault

LESSON = Lesson(
    title="A decorator around a charge",
    schedule=(
        "The money is held, then the write after it is throttled. The sender tries again: the money is held, and the "
        "sandbox dies before the answer. The sender tries once more."
    ),
    why=(
        "The decorator guards its own record, not the card. An exception makes it delete the record, also when the "
        "money was held a line before; a sandbox that dies leaves a lease, and the lease ends. Either way the next "
        "attempt charges. Only the provider can tell a repetition from a new charge, and it does so by the key: made "
        "of the order's id, every attempt is the same request. The decorator may stay; it saves calls."
    ),
    messages=(
        Message(
            {"order_id": "O1", "amount": 2500, "currency": "EUR", "payment_method": "pm_card_visa"}, attempts=3, wait=30
        ),
    ),
    faults=(
        Fault("handler/dynamodb.PutItem#2", "throttled"),
        Fault("handler/gateway.authorize#1", "crash_after", occurrence=1),
    ),
    words={
        "dynamodb.PutItem#1": "the decorator takes its lock",
        "dynamodb.PutItem#2": "keep the provider's reference",
        "dynamodb.DeleteItem": "the decorator deletes its record",
        "dynamodb.UpdateItem": "the decorator keeps the answer",
        "gateway.authorize": "hold 25.00 EUR",
    },
    measures=(on_the_card("O1", 2500),),
)
