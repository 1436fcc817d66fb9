"""The pipeline's: orders of every kind, and what may happen to them while they are processed."""

from __future__ import annotations

from typing import Any

from orders import Outcome, Reason
from simulation.faults import Fault
from simulation.scenarios.world import (
    PRICE,
    Meanwhile,
    Scenario,
    change_order,
    delete_order,
    misprice,
    order,
    place_again_and_delete,
    reprice,
    restock,
    restore,
    split_over,
)

_CONFIRMED, _CANCELLED, _REJECTED = (frozenset([outcome]) for outcome in Outcome)
_EITHER, _ANY = _CONFIRMED | _CANCELLED, _CONFIRMED | _CANCELLED | _REJECTED

_ONE = order("A", {"mug": 2})
_OTHER = order("B", {"mug": 1})
_MANY = {f"sku-{number}": number % 3 + 1 for number in range(8)}
_CHANGED = order("A", {"mug": 3})
# What only the pipeline may say; in a customer's item it means nothing.
_FORGED: dict[str, Any] = {
    "status": {"S": Outcome.CONFIRMED},
    "decision": {"M": {"outcome": {"S": Outcome.CONFIRMED}, "reason": {"S": Reason.ACCEPTED}}},
}

# `outcomes` is what may come of it under any fault that passes within the patience.
SCENARIOS = (
    Scenario("happy", (_ONE,), {"mug": 5}, {"A": _CONFIRMED}),
    Scenario("many lines", (order("A", _MANY),), dict.fromkeys(_MANY, 5), {"A": _CONFIRMED}),
    Scenario("last unit", (order("A", {"mug": 1}), order("B", {"mug": 1})), {"mug": 1}, {"A": _EITHER, "B": _EITHER}),
    Scenario(
        "out of stock in one line",
        (order("A", {"mug": 2, "pot": 3, "tea": 1}),),
        {"mug": 5, "pot": 2, "tea": 5},
        {"A": _CANCELLED},
    ),
    Scenario(
        "restocked in between",
        (_ONE,),
        {"mug": 1},
        {"A": _EITHER},
        (Meanwhile("reserve", "the missing mug arrives", restock("mug", 4)),),
    ),
    Scenario("declined", (order("A", {"mug": 2}, "pm_card_chargeDeclined"),), {"mug": 5}, {"A": _CANCELLED}),
    Scenario(
        "refused by the provider",
        (_ONE,),
        {"mug": 5},
        {"A": _CANCELLED},
        given=(
            Fault("authorize/gateway.authorize#1", "refusals"),
            Fault("void/gateway.authorize#1", "refusals"),
        ),
    ),
    Scenario(
        "gateway error, then success",
        (_ONE,),
        {"mug": 5},
        {"A": _CONFIRMED},
        given=(Fault("authorize/gateway.authorize#1", "throttled"),),
    ),
    Scenario(
        "gateway ambiguous",
        (_ONE,),
        {"mug": 5},
        {"A": _CONFIRMED},
        given=(Fault("authorize/gateway.authorize#1", "lost"),),
    ),
    Scenario("invalid", (order("A", {"mug": 2}, total={"N": "1"}, **_FORGED),), {"mug": 5}, {"A": _REJECTED}),
    Scenario(
        "price changed between two executions",
        (_ONE,),
        {"mug": 5},
        {"A": _ANY},
        (Meanwhile("validate", "the mug gets dearer", reprice("mug", PRICE + 100)),),
    ),
    Scenario(
        "item changed after the event",
        (_ONE,),
        {"mug": 5},
        {"A": _EITHER},
        (
            Meanwhile(
                "validate",
                "the order becomes three mugs",
                change_order("A", lines=_CHANGED["lines"], total=_CHANGED["total"]),
            ),
        ),
    ),
    Scenario(
        "restored from a backup",
        (_ONE,),
        {"mug": 5},
        {"A": _CONFIRMED},
        (
            Meanwhile("notify", "the Orders table is restored from a backup", restore(_ONE)),
            Meanwhile("notify", "the mug gets dearer", reprice("mug", PRICE + 100)),
        ),
    ),
    # Nobody may bring an order back that its owner deleted. One that is deleted before it is decided is rejected.
    Scenario(
        "deleted under way",
        (_ONE, _OTHER),
        {"mug": 5},
        {"A": _ANY, "B": _ANY},
        (
            Meanwhile("validate", "A is deleted", delete_order("A")),
            Meanwhile("notify", "B is put once more and deleted", place_again_and_delete(_OTHER)),
        ),
    ),
    # Our own mistake, which only a person can mend: no order is rejected for it. Then all goes on by itself.
    Scenario(
        "a price that is no number",
        (_ONE,),
        {"mug": 5},
        {"A": _CONFIRMED},
        (Meanwhile("publish", "the mug's price becomes nonsense", misprice("mug")),),
        repairs=(Meanwhile("", "a person mends the price", reprice("mug", PRICE), minutes=40),),
    ),
    # Of four shards A meets number 1, B 0, E 3 and H 2; all the stock lies in shard 0 at first.
    Scenario(
        "last unit in another shard",
        (order("A", {"mug": 1}), order("E", {"mug": 1})),
        {"mug": 1},
        {"A": _EITHER, "E": _EITHER},
        shards=4,
    ),
    Scenario("many lines, shards", (order("A", _MANY),), dict.fromkeys(_MANY, 5), {"A": _CONFIRMED}, shards=4),
    # Just enough for all, so that no unit may be overlooked while it moves.
    Scenario(
        "hot SKU, shards",
        (
            order("A", {"mug": 3}),
            order("B", {"mug": 2}),
            order("E", {"mug": 4}),
            order("H", {"mug": 3}, "pm_card_chargeDeclined"),
        ),
        {"mug": 12},
        {"A": _CONFIRMED, "B": _CONFIRMED, "E": _CONFIRMED, "H": _CANCELLED},
        shards=4,
    ),
    Scenario(
        "fewer shards",
        (order("A", {"mug": 2}, "pm_card_chargeDeclined"), order("B", {"mug": 6})),
        {"mug": 8},
        {"A": _CANCELLED, "B": _CONFIRMED},
        (Meanwhile("reserve", "the stock is no longer split", split_over(1)),),
        shards=4,
    ),
)
