"""What may still come back of an order, and the end of it: for who takes returns, and for who closes the books on them.

An order's returns end in one write, after which nothing more is taken back: once everything came back, or once the time
to ask is over and nothing is under way. Which of the two it was, the item says ever after, so whoever finds them closed
can finish what an earlier call has begun.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aws import guarded, logger, statuses
from aws.item import read_items
from orders import Status, iso_8601
from orders.shipping import Returns, returns_from


def read(order_id: str) -> Returns | None:
    """The order's returns, read consistently. None before it was delivered."""
    [item] = read_items(order_id, "RETURNS_TABLE")
    return returns_from(item) if item else None


def write(order_id: str, update: str, condition: str, terms: Mapping[str, Any]) -> tuple[Returns | None, bool]:
    """Set what `update` says if `condition` holds; answers the returns as they stand then, and whether it held. The
    `terms` are those of `guarded.write`. None, and not held, before the order was delivered: have a condition that
    fails where there is nothing.
    """
    item, held = guarded.write("RETURNS_TABLE", order_id, update, condition, terms)
    return (returns_from(item) if item else None), held


def take(units: Mapping[str, int]) -> tuple[str, str, dict[str, Any]]:
    """Take units, by SKU, off what is left of an order: the update, its condition that so many are left, and the terms
    of both.
    """
    update, terms = _move(units, "-")
    return update, " AND ".join(f"#left.#sku{n} >= :units{n}" for n in range(len(units))), terms


def give_back(units: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
    """Add units to what is left again: the update and its terms."""
    return _move(units, "+")


def _move(units: Mapping[str, int], sign: str) -> tuple[str, dict[str, Any]]:
    terms: dict[str, Any] = {"#left": "left"}
    for n, (sku, count) in enumerate(units.items()):
        terms |= {f"#sku{n}": sku, f":units{n}": {"N": str(count)}}
    return ", ".join(f"#left.#sku{n} = #left.#sku{n} {sign} :units{n}" for n in range(len(units))), terms


def close(standing: Returns) -> Status:
    """End the order's returns if nothing more can come of them, and bring the order to ARCHIVED or RETURNED. Answers
    where it is then: DELIVERED while something may still come back.
    """
    order_id = standing.order_id
    if not standing.closed:
        # What came back whole stays so: there is nothing left to ask for, and nothing under way that could expire.
        in_time = "" if standing.everything_came_back else " AND #until <= :now"
        now, held = write(
            order_id,
            "closed = :now",
            f"attribute_not_exists(closed) AND #open = :none{in_time}",
            {":now": {"S": iso_8601(time.time())}, ":none": {"N": "0"}, "#open": "open"}
            | ({"#until": "until"} if in_time else {}),
        )
        if held:
            logger.info("returns closed", order_id=order_id)
        standing = now or standing
    if not standing.closed:
        return Status.DELIVERED
    after = Status.RETURNED if standing.everything_came_back else Status.ARCHIVED
    state = statuses.advance(order_id, Status.DELIVERED, after)
    return Status(state["status"]["S"])
