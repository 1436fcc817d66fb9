"""What the kills led to: promises that broke, and what they cost a customer or a person on call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from crash.events import Image, changes
from crash.executions import CUT_OFF, Execution
from crash.storm import Storm
from demo.shop import Placement
from local.ledger import Ledger

# The outcome of an order of which one hold failed through all its retries (docs/operations.md).
GAVE_UP = frozenset({"INVENTORY_UNAVAILABLE", "PAYMENT_UNAVAILABLE"})


def broken_promises(
    placements: Sequence[Placement], now: Ledger, seen: Sequence[Image], done: Storm, executions: Sequence[Execution]
) -> dict[str, list[str]]:
    """The promises that the tables alone can't show, and what contradicts each."""
    placed = [placement.order_id for placement in placements]
    return {
        "Each order came to an outcome that is right for it": list(_wrong_outcomes(placements, now)),
        "No decision ever changed": list(_changed_decisions(seen)),
        "Every change of an order was announced on the bus": [
            f"{order_id}: no {what}" for what, order_id in sorted(changes(placed, seen) - done.events)
        ],
        "Every workflow that failed has alerted a person": [
            f"{execution.order_id}: {execution.status}"
            for execution in executions
            if execution.status != "SUCCEEDED" and not execution.alerted
        ],
    }


def consequences(now: Ledger, done: Storm, executions: Sequence[Execution]) -> dict[str, str]:
    """What the kills cost a customer or a person on call, and how many times."""
    cut_off = [error for execution in executions for _, error in execution.failures if error in CUT_OFF]
    reasons = [state["decision"]["reason"] for state in now.states.values()]
    stuck = Counter(
        f"{state}: {error}"
        for execution in executions
        if execution.status != "SUCCEEDED"
        for state, error in execution.failures[-1:]
    )
    which = f" ({', '.join(f'{count} {what}' for what, count in stuck.most_common())})" if stuck else ""
    return {
        "attempts at a step cut off, and made again by the workflow": str(len(cut_off)),
        "emails repeated": str(sum(max(0, now.told(order_id) - 1) for order_id in now.orders)),
        "orders cancelled because a hold failed in all its attempts": str(sum(why in GAVE_UP for why in reasons)),
        "executions failed, and redriven as docs/operations.md says": f"{len(done.redriven)}{which}",
        "orders never started, their event sent again as it says": str(len(done.sent_again)),
    }


def _wrong_outcomes(placements: Sequence[Placement], now: Ledger) -> Iterator[str]:
    for placement in placements:
        status = now.status(placement.order_id)
        reason = now.decision(placement.order_id).get("reason")
        if status not in placement.expected and not (status == "CANCELLED" and reason in GAVE_UP):
            yield f"{placement.order_id}: {status} {reason}, not {' or '.join(sorted(placement.expected))}"


def _changed_decisions(seen: Sequence[Image]) -> Iterator[str]:
    first: dict[str, Any] = {}
    for image in seen:
        order_id, decision = image["order_id"], image["decision"]
        if decision != first.setdefault(order_id, decision):
            yield f"{order_id}: {first[order_id]} became {decision}"
