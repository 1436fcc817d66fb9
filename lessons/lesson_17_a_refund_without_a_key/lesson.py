"""Lesson 17: the money arrives, and the answer does not."""

from typing import Any

from lessons.harness import Lesson, Measure, Message
from simulation import Fault, World

PRICE = 2500  # of a teapot, in cents
BOUGHT, RETURNED = 3, 2
INTENT = "pi_of_O1"


def _refund(return_id: str) -> dict[str, Any]:
    return {"order_id": "O1", "return_id": return_id, "amount": PRICE}


def _paid_back(here: World) -> int:
    [intent] = here.items("SimulatedGatewayTable")
    return int(intent.get("amount_refunded", 0))


def _known(here: World) -> int:
    [payment] = here.items("PaymentsTable")
    return int(payment["refunded"])


PAYMENT = {
    "order_id": {"S": "O1"},
    "status": {"S": "CAPTURED"},
    "amount": {"N": str(BOUGHT * PRICE)},
    "refunded": {"N": "0"},
    "currency": {"S": "EUR"},
    "payment_method": {"S": "pm_card_visa"},
    "provider_reference": {"S": INTENT},
}
AT_THE_PROVIDER = {
    "id": {"S": INTENT},
    "order_id": {"S": "O1"},
    "status": {"S": "succeeded"},
    "amount": {"N": str(BOUGHT * PRICE)},
    "currency": {"S": "EUR"},
    "answers": {"M": {}},
}

LESSON = Lesson(
    title="A refund without a key",
    schedule=(
        "Of three teapots at 25.00 EUR two come back, as the returns R1 and R2. The refund of R1 is made, and its "
        "answer is lost. Half a minute later R1 is delivered again, and R2 at the same moment. Another half minute "
        "later comes one more copy of R1."
    ),
    why=(
        "The provider has paid before we can know it, and its answer may be lost: then the refund is in no list and in "
        "no sum, and is made again. And two that read the same sum write the same sum. So write the intent first, and "
        "add to the sum in that very write, under a condition. Whoever finds an intent looks up what became of it, and "
        "asks again with the key of the return: it stays one refund, however often it is asked for."
    ),
    items={"PaymentsTable": (PAYMENT,), "SimulatedGatewayTable": (AT_THE_PROVIDER,)},
    messages=(
        Message(_refund("R1"), says="refund of R1"),
        Message(_refund("R1"), at=36, says="refund of R1, again"),
        Message(_refund("R2"), at=36, says="refund of R2"),
        Message(_refund("R1"), at=66, says="refund of R1, once more"),
    ),
    faults=(Fault("handler/gateway.refund#1", "slow_with_effect"),),
    words={
        "dynamodb.GetItem": "what was paid back?",
        "dynamodb.UpdateItem#1": "write the refund, and the sum",
        "dynamodb.UpdateItem#2": "write that it is made",
        "gateway.refund": "pay back 25.00 EUR",
        "gateway.find_refund": "was it made?",
    },
    measures=(
        Measure("paid back for two teapots", RETURNED * PRICE, _paid_back),
        Measure("paid back, says our table", RETURNED * PRICE, _known),
        Measure("paid for the one that is kept", PRICE, lambda here: BOUGHT * PRICE - _paid_back(here)),
    ),
)
