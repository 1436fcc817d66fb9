"""One line of the list of orders: plain texts, whatever is in the tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orders import Status
from orders.money import CURRENCIES, MAX_AMOUNT, format_amount

LONGEST = 200  # characters of a text that are shown
PLACED = str(Status.PLACED)
_SECONDS = re.compile(r"\d{9,11}(\.\d+)?")


@dataclass(frozen=True)
class Row:
    """One order. Times are ISO 8601, or whatever its item says; `changed_at` is when it came to its status."""

    order_id: str
    status: str
    reason: str
    total_text: str
    currency: str
    lines_text: str
    placed_at: str
    changed_at: str

    def as_dict(self) -> dict[str, str]:
        """What the grid shows of it."""
        return asdict(self)


def row(
    order_id: str,
    order: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    to_do: Mapping[str, Any] | None = None,
) -> Row:
    """The line of an order, from its items in plain Python values: `to_do` is that of the list of open orders. Each may
    be missing, or say anything.
    """
    order, state = order or {}, state or {}
    status = text(state.get("status")) or PLACED
    decision = state.get("decision")
    history = state.get("history")
    placed_at = text(order.get("placed_at"))
    changed = history.get(status) if isinstance(history, Mapping) else None
    return Row(
        order_id=order_id,
        status=status,
        reason=text(decision.get("reason")) if isinstance(decision, Mapping) else _waits_for(to_do or {}),
        total_text=amount(order.get("total"), order.get("currency")),
        currency=text(order.get("currency")),
        lines_text=lines_text(order.get("lines")),
        placed_at=placed_at,
        changed_at=text(changed) or placed_at,
    )


def _waits_for(to_do: Mapping[str, Any]) -> str:
    """Why an order is not decided yet, as far as the list of what is to do tells."""
    stuck, sweeps = to_do.get("stuck"), to_do.get("sweeps")
    if isinstance(stuck, Mapping):
        return text(f"stuck at {stuck.get('step')}: {stuck.get('error')}")
    if to_do.get("review") is True:
        return "waits for approval"
    return f"tried again, {sweeps}×" if sweeps else ""


def amount(total: object, currency: object) -> str:
    """Money for people, as far as it is any."""
    if isinstance(total, int | Decimal) and not isinstance(total, bool) and isinstance(currency, str):
        whole = Decimal(total)
        if currency in CURRENCIES and abs(whole) <= MAX_AMOUNT and whole == int(whole):
            return format_amount(int(whole), currency)
    return " ".join(filter(None, (text(total), text(currency))))


def lines_text(lines: object) -> str:
    """What is ordered: "2 × TEA-100, 1 × KETTLE"."""
    if not isinstance(lines, list):
        return text(lines)
    said = [
        f"{text(line.get('quantity'))} × {text(line.get('sku'))}" if isinstance(line, Mapping) else text(line)
        for line in lines[:10]
    ]
    if len(lines) > len(said):
        said.append(f"{len(lines) - len(said)} more")
    return text(", ".join(said))


def local_time(moment: object) -> datetime | None:
    """A time as ISO 8601 or in seconds since 1970, of this century or so, on this machine's clock; None for what is
    none. One without a zone is UTC.
    """
    said = str(moment)
    try:
        found = datetime.fromtimestamp(float(said), UTC) if _SECONDS.fullmatch(said) else datetime.fromisoformat(said)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def text(value: object) -> str:
    """Any value as a text that is short enough to show. Nothing of it is markup: it is for labels and cells only."""
    shown = "" if value is None else str(value)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
