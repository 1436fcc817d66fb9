"""Lesson 10: the workflow catches what its functions raise, and a timeout is raised by nobody."""

from lessons.harness import Lesson, Message, in_stock, on_the_card
from simulation import Fault

LESSON = Lesson(
    title="A catch that misses the timeout",
    schedule=(
        "The stock is held. The provider holds the money, and takes longer to say so than the payment function may run."
    ),
    why=(
        "The list in the Catch is complete for what the code raises. A timeout comes from outside of the code, as "
        "Sandbox.Timedout or States.Timeout, a crash as Runtime.ExitError: no list matches, the execution fails, and "
        "the compensation never runs. An undo must not depend on why it is needed. States.ALL catches everything, and "
        "the void settles what nobody knows: whether the money was held."
    ),
    stock={"mug": 10},
    sender="workflow",
    messages=(Message({"order_id": "O1", "lines": [{"sku": "mug", "quantity": 2}], "amount": 2500}, to="workflow"),),
    faults=(Fault("authorize/gateway.authorize#1", "slow_with_effect"),),
    words={
        "gateway.authorize": "hold 25.00 EUR",
        "gateway.cancel": "give the money back",
        "gateway.find": "ask what became of it",
        "reserve/dynamodb.TransactWriteItems": "take two mugs",
        "release/dynamodb.TransactWriteItems": "put them back",
        "authorize/dynamodb.PutItem": "write the intent",
        "release/dynamodb.GetItem": "what is held?",
        "void/dynamodb.PutItem": "forbid a late hold",
        "void/dynamodb.UpdateItem": "write VOIDED",
    },
    measures=(on_the_card("O1", 0), in_stock("mug", 10)),
)
