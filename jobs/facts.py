"""What an order comes to, as rows of the tables that a night writes (schema.py)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from jobs.cases import Case, seconds, text
from orders import PaymentStatus


def order_row(case: Case) -> dict[str, Any]:
    """Its row in `orders` (jobs/schema.py)."""
    decision = case.state["decision"]["M"] if case.state else {}
    told = min((at for outcome, at in case.tellings if outcome == case.outcome and seconds(at)), default="")
    placed, told_at = seconds(case.placed_at), seconds(told)
    captured = case.payment.charge.amount if case.payment and case.paid == PaymentStatus.CAPTURED else 0
    return {
        "order_id": case.order_id,
        "placed_at": utc(case.placed_at),
        "decided_at": utc(text(decision, "decided_at")),
        "told_at": utc(told),
        "outcome": case.outcome or None,
        "reason": (text(case.state, "reason") or text(decision, "reason") if case.state else "") or None,
        "status": case.status,
        "currency": text(case.order, "currency") if case.order else "",
        "total": case.total,
        "captured": captured,
        "refunded": case.payment.refunded if case.payment else 0,
        "seconds_to_told": round(told_at - placed, 3) if told_at is not None and placed is not None else None,
    }


def line_rows(case: Case) -> list[dict[str, Any]]:
    """Its rows in `lines`: what was sold, or where nothing was, what was asked for."""
    sold = case.reservation.lines if case.reservation and case.is_confirmed and case.holds_stock else case.ordered
    back: Counter[str] = Counter()
    for units in case.restocked.values():
        back.update(units)
    rows: dict[str, dict[str, Any]] = {}
    for line in sold:
        price = line.unit_price or next((each.unit_price for each in case.ordered if each.sku == line.sku), 0)
        row = rows.setdefault(
            line.sku,
            {
                "order_id": case.order_id,
                "sku": line.sku,
                "quantity": 0,
                "unit_price": price,
                "returned": back[line.sku],
            },
        )
        row["quantity"] += line.quantity
    return [rows[sku] for sku in sorted(rows)]


def utc(moment: str) -> str | None:
    """The same as DuckDB reads a timestamp."""
    at = seconds(moment)
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(sep=" ")
