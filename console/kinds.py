"""The orders that a click places: one of every kind, good and bad, found in the shop's own showcase and added to."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from console import actions
from console.place import Place
from demo.shop import CATALOGUE, Placement, generated, order, showcase
from local.stack import Problem
from orders import Outcome

BURST = 200
AT_ONCE = 16
MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
APPROVED_FROM = 120_000  # in cents: over the limit that `make up` sets


@dataclass(frozen=True)
class Kind:
    """`make` answers the items that one click places, each with a fresh id. `ends` is how it should end, in words.
    `deliveries` says how many times its event comes.
    """

    name: str
    title: str
    ends: str
    make: Callable[[], list[dict[str, Any]]]
    deliveries: int = 1


def kinds() -> list[Kind]:
    """All of them: the pipeline's showcase first, its pairs as one, and what only a person with a page wants to try."""
    found = [_of(placement) for placement in showcase()]
    return [*_pairs_joined(found), _large(), _far_apart(), _markup()]


def place_kind(place: Place, kind: Kind) -> list[str]:
    """Place it; answers the orders' ids. Raises Problem."""
    items = kind.make()
    with ThreadPoolExecutor(len(items)) as at_once:
        list(at_once.map(lambda item: actions.place_order(place, item), items))
    if kind.deliveries > 1:
        for item in items:
            actions.send_event_again(place, item["order_id"], str(item["placed_at"]), kind.deliveries - 1)
    return [item["order_id"] for item in items]


def place_burst(place: Place, count: int = BURST) -> list[str]:
    """Place many orders at once, a tenth of them on a card that is declined. Raises Problem for the first refusal."""
    if not place.embedded:
        raise Problem("A burst is for the embedded stack only.")
    mark = _mark()
    items = [_renamed(placement.item, f"burst-{mark}-{number:03}") for number, placement in enumerate(_many(count), 1)]
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        list(at_once.map(lambda item: actions.place_order(place, item), items))
    return [item["order_id"] for item in items]


def _many(count: int) -> Iterator[Placement]:
    return generated(count, seed=int(time.time()))


def _of(placement: Placement) -> Kind:
    def make() -> list[dict[str, Any]]:
        return [_renamed(placement.item, f"{placement.order_id}-{_mark()}")]

    ends = _ends(placement.expected) + (", once" if placement.deliveries > 1 else "")
    return Kind(placement.order_id, _sentence(placement.title), ends, make, placement.deliveries)


def _pairs_joined(found: list[Kind]) -> Iterator[Kind]:
    """What only means something together (`last-unit-a`, `last-unit-b`) becomes one kind that places both."""
    by_name = {kind.name: kind for kind in found}
    for kind in found:
        stem, _, letter = kind.name.rpartition("-")
        other = by_name.get(f"{stem}-b")
        if letter == "a" and other:
            yield Kind(stem, kind.title.partition(",")[0] + ", wanted twice", "at most one gets it", _both(kind, other))
        elif not (letter == "b" and f"{stem}-a" in by_name):
            yield kind


def _both(one: Kind, other: Kind) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [*one.make(), *other.make()]


def _large() -> Kind:
    dearest = max((product for product in CATALOGUE if product.available > 1), key=lambda product: product.unit_price)
    quantity = APPROVED_FROM // dearest.unit_price + 1

    def make() -> list[dict[str, Any]]:
        return [order(f"large-{_mark()}", {dearest.sku: quantity})]

    return Kind("large", "Over the approval limit", "waits for a person: approve, deny or cancel it", make)


def _far_apart() -> Kind:
    def make() -> list[dict[str, Any]]:
        return [order(f"two-parcels-{_mark()}", {"MUG-BLUE": 2, "POT-1L": 1}, ship_to="12 St James's Square, London")]

    return Kind("two-parcels", "From two warehouses", "confirmed, two parcels", make)


def _markup() -> Kind:
    def make() -> list[dict[str, Any]]:
        hostile = order(f"markup-{_mark()}", {"TEA-100": 1})
        return [
            hostile
            | {
                "customer": {"customer_id": MARKUP, "email": MARKUP},
                "currency": MARKUP,
                "lines": [{"sku": MARKUP, "quantity": MARKUP, "unit_price": MARKUP}],
                "payment_method": MARKUP,
                "ship_to": MARKUP,
                "status": MARKUP,
            }
        ]

    return Kind("markup", "Markup in every field", "rejected, and shown as text", make)


def _renamed(item: Mapping[str, Any], order_id: str) -> dict[str, Any]:
    """The same order under a fresh id, placed now, where it says when."""
    fresh = dict(item) | {"order_id": order_id}
    if "placed_at" in item:
        fresh["placed_at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return fresh


def _mark() -> str:
    """What makes an id new, short enough to read out."""
    return secrets.token_hex(3)


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _ends(expected: frozenset[str]) -> str:
    return " or ".join(outcome.lower() for outcome in Outcome if outcome in expected)
