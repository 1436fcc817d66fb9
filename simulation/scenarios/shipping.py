"""After the sale: parcels that the carrier delivers, in whatever order it tells of it, what customers send back, and
what they cancel before it ships.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from orders import Outcome
from orders.shipping import read_reference
from orders.tables import stock_key
from simulation.scenarios.front_door import cancel
from simulation.scenarios.world import Meanwhile, Scenario, order
from simulation.world import World

_CONFIRMED = frozenset([Outcome.CONFIRMED])
_EITHER = _CONFIRMED | frozenset([Outcome.CANCELLED])

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# Everything is faster than on AWS, so that what goes wrong for good is not tried for weeks: a parcel is shipped after
# two hours and arrives four hours later, and a day after that it is kept.
VARIABLES = {"RETURN_DAYS": "1", "DELIVERY_DAYS": "2", "RETURN_EXPIRY_DAYS": "2"}
SOON, KEPT = 2 * HOUR, 30 * HOUR
AS_IT_EXPIRES = -0.15  # seconds, so that the news comes between looking at the return and letting it expire

_MUGS = order("A", {"mug": 2})
_MUG_AND_POT = order("A", {"mug": 2, "pot": 1})
_STOCK = {"mug": 5, "pot": 5}

BOOKING = ("book/", "enlist/", "tellshipped/", "telldelivered/", "shipping notify/")
DELIVERY = ("await/", "deliver/", "post webhooks carrier/", "archive/")
RETURN = ("post orders {order_id} returns/", "label/", "arrive/", "inspect/", "finish/", "tellrefunded/")
GIVING_BACK = ("restock/", "refund/")


def put_into(warehouse: str, sku: str) -> Callable[[World], None]:
    """A SKU lies in a warehouse of its own."""

    def do(world: World) -> None:
        world.services.client("dynamodb").update_item(
            TableName=world.stack.tables["InventoryTable"],
            Key=stock_key(sku),
            UpdateExpression="SET warehouse = :warehouse",
            ExpressionAttributeValues={":warehouse": {"S": warehouse}},
        )

    return do


def moves(warehouse: str, sku: str, after: float) -> Callable[[World], None]:
    """The same, after so many seconds."""

    def do(world: World) -> None:
        world.loop.sleep(after)
        put_into(warehouse, sku)(world)

    return do


def finds(reference: str) -> Callable[[World], None]:
    """The carrier brings a parcel that was lost."""
    return lambda world: world.tell("carrier", told(reference, DELIVERED))


def told(reference: str, kind: str, number: int = 1) -> dict[str, Any]:
    """What the carrier says of a parcel."""
    return {
        "id": f"evt-{reference}-{kind}-{number}",
        "kind": kind,
        "reference": reference,
        "tracking": f"T-{reference}",
        "occurred_at": "2026-03-02T12:00:00Z",
    }


def carry(
    *kinds: str, after: float = SOON, apart: float = 4 * HOUR, times: int = 1, back: bool = True
) -> Callable[[World, str], None]:
    """A carrier that tells of each parcel in these words, one after the other, each so many times; with `back`, of
    those that come back as well.
    """

    def do(world: World, reference: str) -> None:
        if read_reference(reference)[1] and not back:
            return
        for number, kind in enumerate(kinds):
            for _ in range(times):
                world.loop.spawn(
                    functools.partial(world.tell, "carrier", told(reference, kind)),
                    delay=after + number * apart,
                    name="the carrier",
                )

    return do


SHIPPED, DELIVERED = "parcel.shipped", "parcel.delivered"
DELIVERS = carry(SHIPPED, DELIVERED)


def send_back(
    units: dict[str, int], after: float, key: str = "return-1", order_id: str = "A"
) -> Callable[[World], None]:
    """A customer sends something back, after so many seconds."""

    def do(world: World) -> None:
        world.loop.sleep(after)
        body = json.dumps({"lines": [{"sku": sku, "quantity": count} for sku, count in units.items()]})
        world.insist("POST", f"/orders/{order_id}/returns", body, {"idempotency-key": key})

    return do


def bank_says(kind: str, after: float, **about: Any) -> Callable[[World], None]:
    """The payment provider tells what a customer's bank has done to A's payment, which is in its ledger by then."""

    def do(world: World) -> None:
        world.loop.sleep(after)
        [intent] = [item for item in world.items("SimulatedGatewayTable") if item["order_id"] == "A"]
        subject: dict[str, Any] = {"id": f"du_{intent['id']}", "payment_intent": intent["id"], **about}
        if kind.startswith("charge.dispute"):
            _enter(world, intent["id"], "SET disputed = :yes", {":yes": {"BOOL": True}})
        else:
            subject |= _send_back(world, intent)
        event = {
            "id": f"evt_{kind}_{intent['id']}",
            "type": kind,
            "created": 1_772_442_000,
            "data": {"object": subject},
        }
        world.tell("stripe", event)

    return do


def _send_back(world: World, intent: dict[str, Any]) -> dict[str, Any]:
    """A bank does not take the refund."""
    [(reference, made)] = [(name, value) for name, value in intent.items() if name.startswith("re_")]
    update = "SET #refund.#status = :failed, amount_refunded = amount_refunded - :amount"
    amount = {"N": str(made["amount"])}
    names = {"#refund": reference, "#status": "status"}
    _enter(world, intent["id"], update, {":failed": {"S": "failed"}, ":amount": amount}, names)
    metadata = {"order_id": "A", "return_id": made["return_id"]}
    return {"id": reference, "amount": int(made["amount"]), "status": "failed", "metadata": metadata}


def _enter(world: World, intent: str, update: str, values: dict[str, Any], names: dict[str, str] | None = None) -> None:
    world.services.client("dynamodb").update_item(
        TableName=world.stack.tables["SimulatedGatewayTable"],
        Key={"id": {"S": intent}},
        UpdateExpression=update,
        ExpressionAttributeValues=values,
        **({"ExpressionAttributeNames": names} if names else {}),
    )


def forge(world: World) -> None:
    """Somebody tells of parcels who is not the carrier, or says again what it said long ago."""
    world.loop.sleep(HOUR)
    parcel = told("A/out/main", DELIVERED, 7)
    text, headers = world.signed("carrier", parcel)
    old = {"carrier-signature": headers["carrier-signature"]}
    world.insist_upon("carrier", lambda: (text.replace("main", "pain"), headers))
    world.insist_upon("carrier", lambda: (text, {"carrier-signature": "t=1,v1=00"}))
    world.loop.sleep(HOUR)
    world.insist_upon("carrier", lambda: (text, old))


def strangers(world: World) -> None:
    """The carrier tells of an order that nobody knows, and the provider of what nobody asked for."""
    world.loop.sleep(HOUR)
    world.tell("carrier", told("nobody/out/main", DELIVERED))


def _after_sale(name: str, **fields: Any) -> Scenario:
    standard: dict[str, Any] = {
        "orders": (_MUGS,),
        "stock": {"mug": 5},
        "outcomes": {"A": _CONFIRMED},
        "carrier": DELIVERS,
        "variables": VARIABLES,
        "without": frozenset(),
        "days": 7,
    }
    return Scenario(name, **{**standard, **fields})


SCENARIOS = (
    _after_sale("kept", about=(*BOOKING, *DELIVERY)),
    _after_sale(
        "two parcels",
        orders=(_MUG_AND_POT,),
        stock=_STOCK,
        meanwhile=(Meanwhile("validate", "the pot is moved to another warehouse", put_into("north", "pot")),),
        about=BOOKING,
    ),
    _after_sale(
        "delivered before shipped, and each of it twice",
        carrier=carry(DELIVERED, SHIPPED, times=2, apart=30.0),
        about=("post webhooks carrier/",),
    ),
    _after_sale(
        "moved while it is booked",
        people=(moves("north", "mug", 5.0),),
        about=("book/",),
    ),
    # A person asks the carrier, who finds the parcel.
    _after_sale(
        "a parcel is lost",
        orders=(_MUG_AND_POT,),
        stock=_STOCK,
        meanwhile=(Meanwhile("validate", "the pot is moved to another warehouse", put_into("north", "pot")),),
        carrier=lambda world, reference: None if "north" in reference else DELIVERS(world, reference),
        repairs=(Meanwhile("", "the carrier finds the parcel", finds("A/out/north"), minutes=30),),
        about=("await/", "deliver/"),
    ),
    # The carrier is faster than we are: it tells while the booking is still under way.
    _after_sale(
        "delivered before it is booked",
        carrier=carry(DELIVERED, after=0.0),
        about=("book/", "await/", "post webhooks carrier/"),
    ),
    _after_sale(
        "partly returned",
        people=(send_back({"mug": 1}, 8 * HOUR),),
        about=(*RETURN, *GIVING_BACK),
    ),
    _after_sale(
        "returned whole, in two parts",
        people=(send_back({"mug": 1}, 8 * HOUR), send_back({"mug": 1}, 9 * HOUR, "return-2")),
        about=("finish/", "archive/"),
    ),
    _after_sale(
        "two returns of the same unit",
        orders=(order("A", {"mug": 1}),),
        people=(send_back({"mug": 1}, 8 * HOUR), send_back({"mug": 1}, 8 * HOUR, "return-2")),
        about=("post orders", "label/"),
    ),
    _after_sale(
        "the same return twice at once",
        people=(send_back({"mug": 1}, 8 * HOUR), send_back({"mug": 1}, 8 * HOUR), send_back({"mug": 1}, 20 * HOUR)),
        about=("post orders",),
    ),
    _after_sale(
        "returned at the last moment",
        people=tuple(
            send_back({"mug": 1}, KEPT + seconds, f"return-{seconds}") for seconds in (1.0, 1.5, 2.0, 2.5, 3.0)
        ),
        about=("archive/", "await/", "post orders", "finish/"),
    ),
    _after_sale(
        "a return that never arrives",
        carrier=carry(SHIPPED, DELIVERED, back=False),
        people=(send_back({"mug": 1}, 8 * HOUR),),
        about=("arrive/", "inspect/"),
    ),
    # Its time is over two days after it was asked for, and the sweep comes to it at that minute.
    _after_sale(
        "a return that arrives as it expires",
        carrier=lambda world, reference: carry(
            DELIVERED, after=2 * DAY + AS_IT_EXPIRES if read_reference(reference)[1] else SOON
        )(world, reference),
        people=(send_back({"mug": 1}, 8 * HOUR),),
        about=("arrive/", "refund/"),
    ),
    _after_sale(
        "a return that arrives after all",
        carrier=lambda world, reference: carry(
            SHIPPED, DELIVERED, after=3 * DAY if read_reference(reference)[1] else SOON
        )(world, reference),
        people=(send_back({"mug": 1}, 8 * HOUR),),
        about=("arrive/", "post webhooks carrier/"),
    ),
    # A hundredth of a second apart: the customer is first here,
    _after_sale(
        "cancelled before it ships",
        outcomes={"A": _EITHER},
        people=(cancel("A", 0.9),),
        about=("post orders", *GIVING_BACK, "tellcancelled/", "shipping notify/"),
    ),
    # and here the warehouse may be.
    _after_sale(
        "cancelled while it ships",
        outcomes={"A": _EITHER},
        people=(cancel("A", 1.6),),
        about=("post orders", "book/"),
    ),
    _after_sale(
        "cancelled after it was shipped", outcomes={"A": _EITHER}, people=(cancel("A", HOUR),), about=("post orders",)
    ),
    _after_sale(
        "disputed, and sent back",
        people=(
            send_back({"mug": 1}, 8 * HOUR),
            bank_says("charge.dispute.created", 13 * HOUR, status="needs_response"),
            bank_says("charge.dispute.closed", 14.4 * HOUR, status="lost"),  # the refund is tried all the while
        ),
        about=("refund/", "post webhooks stripe/", "shipping sweep/", "escalate/"),
    ),
    _after_sale(
        "a refund that the bank sends back",
        people=(send_back({"mug": 1}, 8 * HOUR), bank_says("refund.failed", 20 * HOUR)),
        about=("post webhooks stripe/", "refund/"),
    ),
    # The carrier itself never says that it has arrived, until a person asks.
    _after_sale(
        "told by others than the carrier",
        people=(forge, strangers),
        carrier=carry(SHIPPED),
        repairs=(Meanwhile("", "the carrier finds the parcel", finds("A/out/main"), minutes=30),),
        about=("post webhooks carrier/", "apply/"),
    ),
)
