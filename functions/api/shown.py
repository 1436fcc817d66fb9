"""An order as a client sees it: nothing personal, and nothing that is not readable. Whoever may write the Orders table
writes what they like, so anything may be missing or of another type than it should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from orders import Status, epoch_seconds
from orders.approval import ApprovalStatus

type Plain = Mapping[str, Any]

IN_REVIEW = "IN_REVIEW"
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


def order(item: Plain, state: Plain | None = None, approval: Plain | None = None) -> dict[str, Any]:
    """An order, what became of it, and what a person was asked about it, in one."""
    became = state or {}
    return {
        "order_id": item["order_id"],
        "status": became.get("status", Status.PLACED),
        "decision": decision(became),
        "lines": list(_lines(item.get("lines"))),
        "total": _whole(item.get("total")),
        "currency": _text(item.get("currency")),
        "placed_at": _time(item.get("placed_at")),
        "history": _history(item, became, approval or {}),
    }


def listed(item: Plain, status: str | None) -> dict[str, Any]:
    """An order in a list."""
    return {
        "order_id": item["order_id"],
        "status": status or Status.PLACED,
        "total": _whole(item.get("total")),
        "currency": _text(item.get("currency")),
        "placed_at": _time(item.get("placed_at")),
    }


def decision(state: Plain) -> dict[str, Any] | None:
    """How an order was decided; None as long as it is not."""
    written = state.get("decision")
    if not isinstance(written, Mapping):
        return None
    violations = written.get("violations")
    return {
        "outcome": _text(written.get("outcome")),
        "reason": _text(written.get("reason")),
        "decided_at": _time(written.get("decided_at")),
    } | ({"violations": [*filter(_text, violations)]} if isinstance(violations, list) else {})


def _lines(written: object) -> Iterator[dict[str, Any]]:
    for line in written if isinstance(written, list) else []:
        if isinstance(line, Mapping):
            shown = {
                "sku": _text(line.get("sku")),
                "quantity": _whole(line.get("quantity")),
                "unit_price": _whole(line.get("unit_price")),
            }
            if None not in shown.values():
                yield shown


def _history(item: Plain, state: Plain, approval: Plain) -> dict[str, str]:
    written = state.get("history")
    happened = {
        Status.PLACED: item.get("placed_at"),
        IN_REVIEW: approval.get("asked_at"),
        **(written if isinstance(written, Mapping) else {}),
    }
    if approval.get("status") in {ApprovalStatus.APPROVED, ApprovalStatus.DENIED, ApprovalStatus.EXPIRED}:
        happened[approval["status"]] = approval.get("decided_at")
    readable = {what: at for what, when in happened.items() if (at := _time(when))}
    return dict(sorted(readable.items(), key=lambda event: epoch_seconds(event[1])))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else None


def _time(value: object) -> str | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:  # the 31st of February
        return None
    return value
