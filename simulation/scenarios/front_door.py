"""The front door's: orders that come through the API, that somebody has to approve, and that their customers cancel."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

from orders import Outcome
from orders.order_id import for_key
from simulation.scenarios.world import PRICE, Meanwhile, Scenario, change_order, order
from simulation.world import World

_CONFIRMED, _CANCELLED = frozenset([Outcome.CONFIRMED]), frozenset([Outcome.CANCELLED])
_EITHER = _CONFIRMED | _CANCELLED

CUSTOMER, KEY = "c-1", "basket-1"
PLACED = for_key(CUSTOMER, KEY)

LIMIT = {"APPROVAL_LIMIT": str(2 * PRICE)}  # an order of three is over it
SOON_OVER = LIMIT | {"APPROVAL_HOURS": "1"}
_BIG, _OTHER_BIG = order("A", {"mug": 3}), order("B", {"mug": 4})
_ANOTHER = order("A", {"mug": 5})
MINUTE = 60.0

# What these scenarios add to the others.
AT_THE_DOOR = ("post ", "get ")
ABOUT_APPROVAL = ("ask/", "settle/", "post approvals", "get approvals", "publish/", "sweep/", "escalate/", "review/")


def wanted(quantity: int) -> str:
    """What a customer sends to order so many mugs."""
    return json.dumps(
        {
            "customer": {"customer_id": CUSTOMER, "email": f"{PLACED}@example.com"},
            "currency": "EUR",
            "lines": [{"sku": "mug", "quantity": quantity}],
            "payment_method": "pm_card_visa",
        }
    )


def place(quantity: int = 2, after: float = 0.0) -> Callable[[World], None]:
    """A customer orders mugs through the API."""

    def do(world: World) -> None:
        world.loop.sleep(after)
        world.insist("POST", "/orders", wanted(quantity), {"idempotency-key": KEY})

    return do


def place_and_follow(world: World) -> None:
    """A customer orders through the API, and looks at the order and at the list."""
    placed = world.insist("POST", "/orders", wanted(2), {"idempotency-key": KEY})
    world.insist("GET", placed.headers["Location"])
    world.insist("GET", f"/orders?customer_id={CUSTOMER}")


def cancel(order_id: str, after: float) -> Callable[[World], None]:
    """A customer cancels an order, after so many seconds."""

    def do(world: World) -> None:
        world.loop.sleep(after)
        world.insist("POST", f"/orders/{order_id}/cancel")

    return do


def answer(*choices: str, after: float = 0.0, apart: float = 0.0) -> Callable[[World, str], None]:
    """An approver opens the link twice, as mail scanners do, and gives these answers, one after the other; or all at
    once, if they are not apart.
    """

    def click(world: World, link: str, choice: str) -> None:
        world.insist("POST", link, f"decision={choice}", {"content-type": "application/x-www-form-urlencoded"})

    def do(world: World, link: str) -> None:
        world.insist("GET", link)
        world.insist("GET", link)
        world.loop.sleep(after)
        for number, choice in enumerate(choices):
            world.loop.spawn(functools.partial(click, world, link, choice), delay=number * apart, name="a click")

    return do


def look(world: World, link: str) -> None:
    """Somebody, or a scanner, opens the link and does nothing."""
    world.insist("GET", link)


def forge(world: World, link: str) -> None:
    """Somebody tries links that are none of ours before the approver approves."""
    order_id, _, secret = link.rpartition("/")[2].partition(".")
    for token in (f"{order_id}.", f"{order_id}.{secret[:-1]}", f"Q.{secret}", "nothing"):
        world.insist("POST", f"/approvals/{token}", "decision=deny")
    answer("approve")(world, link)


SCENARIOS = (
    Scenario(
        "placed through the door",
        (),
        {"mug": 5},
        {PLACED: _CONFIRMED},
        people=(place_and_follow,),
        about=AT_THE_DOOR,
    ),
    Scenario(
        "the same key twice at once",
        (),
        {"mug": 5},
        {PLACED: _CONFIRMED},
        people=(place(), place(), place(after=MINUTE)),
        about=AT_THE_DOOR,
    ),
    Scenario(
        "the same key with other content",
        (),
        {"mug": 5},
        {PLACED: _CONFIRMED},
        people=(place(2), place(3)),
        about=AT_THE_DOOR,
    ),
    # Two writers of one decision, a hundredth of a second apart. When nothing fails, the customer is first here,
    Scenario(
        "cancelled before it is confirmed",
        (order("A", {"mug": 2}),),
        {"mug": 5},
        {"A": _EITHER},
        people=(cancel("A", 0.64),),
    ),
    # and here the workflow is.
    Scenario(
        "cancelled after it is confirmed",
        (order("A", {"mug": 2}),),
        {"mug": 5},
        {"A": _EITHER},
        people=(cancel("A", 0.675),),
        about=("post ", "confirm/", "decline/"),
    ),
    Scenario(
        "cancelled too late",
        (order("A", {"mug": 2}),),
        {"mug": 5},
        {"A": _EITHER},
        people=(cancel("A", MINUTE),),
        about=("post ",),
    ),
    Scenario(
        "under the limit",
        (order("A", {"mug": 2}),),
        {"mug": 5},
        {"A": _CONFIRMED},
        variables=LIMIT,
        about=ABOUT_APPROVAL,
    ),
    Scenario(
        "approved",
        (_BIG,),
        {"mug": 5},
        {"A": _CONFIRMED},
        approver=answer("approve"),
        variables=LIMIT,
        about=ABOUT_APPROVAL,
    ),
    Scenario(
        "approved after two hours",
        (_BIG,),
        {"mug": 5},
        {"A": _CONFIRMED},
        approver=answer("approve", after=2 * 60 * MINUTE),
        variables=LIMIT,
        about=("ask/states", "settle/states", "post approvals", "authorize/gateway"),
    ),
    Scenario(
        "denied",
        (_BIG,),
        {"mug": 5},
        {"A": _CANCELLED},
        approver=answer("deny"),
        variables=LIMIT,
        about=("settle/", "post approvals"),
    ),
    Scenario(
        "two approvers at once",
        (_BIG,),
        {"mug": 5},
        {"A": _EITHER},
        approver=answer("approve", "deny"),
        variables=LIMIT,
        about=("post approvals",),
    ),
    Scenario(
        "approved twice, and denied after it",
        (_BIG,),
        {"mug": 5},
        {"A": _EITHER},  # the second click may be the first that gets through
        approver=answer("approve", "approve", "deny", apart=30.0),
        variables=LIMIT,
        about=("post approvals",),
    ),
    Scenario(
        "forged links",
        (_BIG,),
        {"mug": 5},
        {"A": _CONFIRMED},
        approver=forge,
        variables=LIMIT,
        about=("post approvals",),
    ),
    Scenario(
        "nobody answers",
        (_BIG,),
        {"mug": 5},
        {"A": _CANCELLED},
        approver=look,
        variables=SOON_OVER,
        about=("ask/", "settle/", "sweep/"),
    ),
    Scenario(
        "answered too late",
        (_BIG,),
        {"mug": 5},
        {"A": _CANCELLED},
        approver=answer("approve", after=2 * 60 * MINUTE),
        variables=SOON_OVER,
        about=("ask/dynamodb", "post approvals"),
    ),
    Scenario(
        "cancelled while it waits",
        (_BIG,),
        {"mug": 5},
        {"A": _EITHER},
        people=(cancel("A", 19.0),),
        approver=answer("approve"),
        variables=LIMIT,
        about=("ask/", "settle/", "post orders"),
    ),
    Scenario(
        "changed after it was asked about",
        (_BIG,),
        {"mug": 9},
        {"A": _EITHER | frozenset([Outcome.REJECTED])},
        (
            Meanwhile(
                "get approvals {token}",
                "the order becomes five mugs",
                change_order("A", lines=_ANOTHER["lines"], total=_ANOTHER["total"]),
            ),
        ),
        approver=answer("approve"),
        variables=SOON_OVER,
        about=("post approvals",),
    ),
    Scenario(
        "changed after it was approved",
        (_BIG,),
        {"mug": 9},
        {"A": _EITHER | frozenset([Outcome.REJECTED])},
        (
            Meanwhile(
                "post approvals {token}",
                "the order becomes five mugs",
                change_order("A", lines=_ANOTHER["lines"], total=_ANOTHER["total"]),
            ),
        ),
        approver=answer("approve"),
        variables=LIMIT,
        about=("settle/", "validate/"),
    ),
    # Publish saw a small order. Nobody asks for it until validate does.
    Scenario(
        "grown over the limit after it was placed",
        (order("A", {"mug": 1}), _OTHER_BIG),
        {"mug": 9},
        {"A": _CONFIRMED, "B": _CONFIRMED},
        (
            Meanwhile(
                "publish",
                "A becomes three mugs",
                change_order("A", lines=_BIG["lines"], total=_BIG["total"]),
            ),
        ),
        approver=answer("approve"),
        variables=LIMIT,
        about=("publish/", "validate/", "review/", "sweep/", "ask/"),
    ),
)
