"""Of the API."""

from __future__ import annotations

import sys
from typing import Any

from orders import Outcome
from simulation.mutants.ways import Mutant, With, replaced, unconditional
from simulation.scenarios.world import PRICE
from simulation.schedule import Schedule


def _by_time(original: Any) -> Any:
    """An id of its own for each request, as if there were no key."""
    taken: list[str] = []

    def for_key(customer_id: str, key: str) -> str:
        taken.append(key)
        return str(original(customer_id, f"{key} {len(taken)}"))

    return for_key


def _cheaper(original: Any) -> Any:
    def read_catalogue(skus: Any) -> Any:
        product = sys.modules["orders.rules"].Product
        return {sku: product(PRICE - 1, found.currency) for sku, found in original(skus).items()}

    return read_catalogue


def _says_yes(original: Any) -> Any:
    """Answer as if the cancellation stood, whatever stands."""

    def cancel(order_id: str, reason: str) -> Any:
        state = original(order_id, reason)
        decision = {"outcome": {"S": Outcome.CANCELLED}, "reason": {"S": reason}, "decided_at": {"S": "now"}}
        return state | {"decision": {"M": decision}}

    return cancel


MUTANTS = [
    Mutant(
        "post orders: whoever writes last",
        unconditional("post orders", "PutItem", "attribute_not_exists(order_id)"),
        "an_order_that_was_answered_is_placed",
        Schedule("the same key with other content", "once"),
    ),
    Mutant(
        "post orders: no key",
        replaced("api.app", "ids", lambda module: With(module, for_key=_by_time(module.for_key))),
        "the_outcome_is_right",
        Schedule("the same key twice at once", "once"),
    ),
    Mutant(
        "post orders: another price than the catalogue's",
        replaced("api.app", "read_catalogue", _cheaper),
        "the_catalogue_says_what_it_costs",
        Schedule("placed through the door", "once"),
    ),
    Mutant(
        "post orders {order_id} cancel: cancel what is decided",
        unconditional("post orders {order_id} cancel", "UpdateItem", "attribute_not_exists(decision)"),
        "the_decision_never_changes",
        Schedule("cancelled too late", "once"),
    ),
    Mutant(
        "post orders {order_id} cancel: say yes to everybody",
        replaced("api.app", "decisions", lambda module: With(module, cancel=_says_yes(module.cancel))),
        "a_cancel_that_was_answered_stands",
        Schedule("cancelled too late", "once"),
    ),
]
