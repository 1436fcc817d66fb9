"""Lesson 11: the cancellation arrives first."""

from lessons.harness import Lesson, Message, on_the_card
from simulation import Fault

PAYMENT = {
    "order_id": "O1",
    "amount": 2500,
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "asked_at": 1772442000,  # seconds since 1970
}

LESSON = Lesson(
    title="The void before the charge",
    schedule=(
        "The authorization freezes before its first request. Its sender gives up, and the order is cancelled: void "
        "finds nothing to give back. Then the authorization goes on."
    ),
    why=(
        "“Nothing to undo” is true only now. What was given up on may still be on its way, and a queue without order "
        "delivers the two the other way round even if nothing fails. An undo that finds nothing has to leave "
        "something: a tombstone, in one conditional write, on which the late attempt stumbles. Then both orders of "
        "arrival end in the same state."
    ),
    messages=(
        Message({"action": "authorize", **PAYMENT}, says="authorize"),
        Message({"action": "void", **PAYMENT}, at=10, attempts=3, wait=5, says="void"),
    ),
    faults=(Fault("authorize/dynamodb.UpdateItem#1", "zombie_late"),),
    late=30,
    words={
        "authorize/dynamodb.UpdateItem#1": "write the intent",
        "void/dynamodb.UpdateItem": "write VOIDED",
        "dynamodb.UpdateItem": "write the outcome",
        "gateway.find": "is anything held?",
        "gateway.authorize": "hold 25.00 EUR",
        "gateway.cancel": "give it back",
    },
    measures=(on_the_card("O1", 0),),
)
