"""Lesson 18: the sender is who it says it is, and what it says is not how things are."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from lessons.harness import Lesson, Measure, Message, in_stock
from simulation import Fault, World

DAY = 24 * 60 * 60
PARCEL = {"order_id": {"S": "O1"}, "status": {"S": "PLANNED"}}

# As the carrier writes them.
DELIVERED = '{"id":"evt_1","kind":"parcel.delivered","reference":"O1","depot":"Bonn","weight_kg":1.25}'
SHIPPED = '{"id":"evt_2","kind":"parcel.shipped","reference":"O1","depot":"Bonn","weight_kg":1.25}'
MUG_RETURNED = (
    '{"id":"evt_3","kind":"parcel.returned","reference":"O2","sku":"mug","quantity":1,"depot":"Bonn","weight_kg":0.45}'
)
TEAPOT_RETURNED = (
    '{"id":"evt_4","kind":"parcel.returned","reference":"O3","sku":"teapot","quantity":1,'
    '"depot":"Köln","weight_kg":0.90}'
)


def _signed(order_id: str, body: str, at: int) -> Callable[[World], dict[str, Any]]:
    """A request with a body that the carrier signed `at` so many seconds."""

    def request(here: World) -> dict[str, Any]:
        secret = here.stack.outputs["CarrierSecretArn"]
        key = here.services.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        text = f"{int(here.born) + at}.{body}"
        signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
        header = f"t={int(here.born) + at},v1={signature}"
        return {"order_id": order_id, "headers": {"carrier-signature": header}, "body": body}

    return request


def _delivered(here: World) -> int:
    return sum(item["status"] == "DELIVERED" for item in here.items("ShipmentsTable"))


def _believed(here: World) -> int:
    answer = here.invocations[-1].answer
    return int(bool(answer and not answer.get("error") and answer["body"]["statusCode"] == 200))


LESSON = Lesson(
    title="Webhooks taken at their word",
    schedule=(
        "The carrier says that O1's parcel is delivered, and then, late, that it is shipped. A mug of O2 comes back: "
        "it is put into stock, the sandbox dies before it answers, and the carrier sends that again. A teapot of O3 "
        "comes back by way of Köln. The next day somebody sends again what they recorded of the mug."
    ),
    why=(
        "That news is genuine does not make it new. A signature is over the bytes that were sent: JSON that is read "
        "and written again is another text as soon as a place has an umlaut, or a weight ends in a zero. And a "
        "signature never wears out, so its age has to be checked. What is genuine still comes twice, late and out of "
        "order: keep each piece of news under its sender's id, in the same transaction as what it changes, and let a "
        "status go one way only."
    ),
    sender="carrier",
    stock={"mug": 10, "teapot": 10},
    items={"ShipmentsTable": (PARCEL,)},
    messages=(
        Message(_signed("O1", DELIVERED, 0), says="parcel.delivered"),
        Message(_signed("O1", SHIPPED, 5), at=5, says="parcel.shipped, late"),
        Message(_signed("O2", MUG_RETURNED, 60), at=60, attempts=2, wait=10, says="parcel.returned, a mug"),
        Message(_signed("O3", TEAPOT_RETURNED, 90), at=90, says="parcel.returned, a teapot from Köln"),
        Message(_signed("O2", MUG_RETURNED, 60), at=DAY, says="parcel.returned, a recording"),
    ),
    # At the third piece of news, whatever it is written with.
    faults=tuple(
        Fault(f"handler/dynamodb.{operation}#1", "crash_after", occurrence=2)
        for operation in ("UpdateItem", "PutItem", "TransactWriteItems")
    ),
    words={
        "secretsmanager.GetSecretValue": "the carrier's key",
        "dynamodb.UpdateItem": "apply it",
        "dynamodb.TransactWriteItems": "keep it, and apply it",
    },
    measures=(
        Measure("delivered", 1, _delivered, "parcels"),
        in_stock("mug", 11),
        in_stock("teapot", 11),
        Measure("a recording was believed", 0, _believed, "times"),
    ),
)
