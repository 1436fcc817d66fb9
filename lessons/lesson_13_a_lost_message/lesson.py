"""Lesson 13: every link is at least once, and still a message is lost."""

from lessons.harness import Lesson, Measure, answered, in_stock
from simulation import PRICE, World, order


def _never_processed(here: World) -> int:
    taken = sum(name.startswith("taken by ") for item in here.items("InventoryTable") for name in item)
    return (len(here.items("OrdersTable")) - taken) * PRICE


LESSON = Lesson(
    title="A lost message",
    schedule=(
        "The stream delivers the order, and the bus takes its event. Right then a deployment replaces the rule: the "
        "event matches none, which is no error, so it is no dead letter either. A minute later all is as it was."
    ),
    why=(
        "Each link repeats what its own neighbour did not take, and no link knows whether the order was ever finished. "
        "At the end of every chain of retries there is a queue for people. So write down what is still to do where it "
        "outlives all messages, cross it out when it is done, and have somebody look. What is not crossed out is "
        "begun again, which costs nothing where every step stands being repeated. Then any message may be lost."
    ),
    sender="stream",
    stock={"mug": 10},
    items={"OrdersTable": (order("O1", {"mug": 1}),)},
    loses_the_first=True,
    minutes=2,
    words={
        "events.PutEvents": "tell the bus",
        "dynamodb.UpdateItem": "take a mug",
        "dynamodb.PutItem": "write it on the list",
        "dynamodb.DeleteItem": "cross it out",
        "dynamodb.Scan": "what is open for too long?",
    },
    measures=(
        answered("order that has its mug", "taken", 1),
        in_stock("mug", 9),
        Measure("placed and never processed", 0, _never_processed),
    ),
)
