"""What a person sees of orders, ledgers and invariants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from demo.shop import Placement
from invariants.books import Books, ordered_units
from invariants.invariant import Invariant
from local.console import console, plain, table_of
from orders import Outcome, PaymentStatus, Status
from orders.money import format_amount, format_total
from orders.shipping import parcel_reference, return_reference

_COLOURS: dict[str, str] = {
    Outcome.CONFIRMED: "green",
    Outcome.CANCELLED: "yellow",
    Outcome.REJECTED: "magenta",
    Status.PLACED: "cyan",
    Status.SHIPPING: "cyan",
    Status.DELIVERED: "green",
    Status.ARCHIVED: "green",
    Status.RETURNED: "yellow",
}


def orders_of(placements: Sequence[Placement], now: Books, paths: Mapping[str, list[list[str]]]) -> Table:
    shown = _headings(console.width)
    table = table_of("Orders", *shown)
    for placement in placements:
        decision = now.decision(placement.order_id)
        outcome = plain(now.status(placement.order_id))
        done = now.settled(placement.order_id)
        right = not decision or decision["outcome"] in placement.expected
        mark = "…" if not done else "✔" if right else "✘"
        runs = paths.get(placement.order_id, [])
        path = "›".join(step.lower() for step in runs[0]) if runs else "in the stream"
        cells = {
            "order": Text(placement.title),
            "path": Text(path + (f" ×{len(runs)}" if len(runs) > 1 else ""), style="" if done else "cyan"),
            # Never broken, so that a narrow window takes from the others.
            "outcome": Text(f"{mark} {outcome}", style=_COLOURS.get(outcome, "") if right else "bold red"),
            "why": Text(str(decision.get("reason", "")), style="dim"),
        }
        table.add_row(*(cells[heading] for heading in shown))
    return table


def _headings(width: int) -> Sequence[str]:
    """The columns that a window of this width has room for: the outcome always, the path and the reason if they fit."""
    if width < 75:
        return ("order", "outcome")
    return ("order", "path", "outcome", "why") if width >= 110 else ("order", "path", "outcome")


def tally(now: Books, order_ids: Sequence[str]) -> Text:
    counts = Counter(now.status(order_id) for order_id in order_ids)
    return Text("  ".join(f"{count} {status.lower()}" for status, count in sorted(counts.items())))


def show_emails(now: Books, order_ids: Sequence[str]) -> None:
    """The emails that the customers of these orders got, by their subject."""
    table = table_of("Emails", "to", "subject")
    about = {one for order_id in order_ids for _, one in now.emails_about(order_id)}
    for one in sorted((one for one in now.emails if one in about), key=lambda one: one.subject):
        table.add_row(plain(one.to), plain(one.subject))
    console.print(table)


def show_stock(now: Books, opening: Mapping[str, int]) -> None:
    """The stock of each SKU: what there was, is, and is held."""
    table = table_of("Stock", "sku", "opening", "available", "held", numbers=3)
    for sku, units in opening.items():
        table.add_row(sku, str(units), str(now.available(sku)), str(now.reserved(sku)))
    console.print(table)


def show_payments(now: Books, order_ids: Sequence[str]) -> None:
    """Our payment of each order beside what the provider says of it."""
    table = table_of("Payments", "order", "ours", "the provider's", "amount", numbers=1)
    for order_id in order_ids:
        if payment := now.payments.get(order_id):
            theirs = ", ".join(intent.status for intent in now.intents.get(order_id, ())) or "never asked"
            amount = str(payment.charge.amount or "")  # none in what was voided before it was asked for
            table.add_row(plain(order_id), str(payment.status), theirs, amount)
    console.print(table)


def show_basket(order: Mapping[str, Any]) -> None:
    """An order that was placed just now: its lines and its total, whatever they are."""
    wanted = units_of(ordered_units(dict(order)))
    basket = plain(f"  {wanted}: {format_total(order)}") if wanted else ""
    console.print(Text.assemble((plain(str(order["order_id"])), "bold"), basket), soft_wrap=True)


def show_ledgers(order_id: str, now: Books, before: Books) -> None:
    """What every ledger says of one order: parcels, emails, stock and money. `before` is before it was placed."""
    if parcels := list(_parcels(order_id, now)):
        table = table_of("Parcels", "parcel", "holds", "status", "tracking", "the carrier's bookings")
        for cells in parcels:
            table.add_row(*map(plain, cells))
        console.print(table)

    table = table_of("Emails", "to", "subject")
    for _, one in now.emails_about(order_id):
        table.add_row(plain(one.to), plain(one.subject))
    console.print(table)

    table = table_of("Stock", "sku", "before", "sold", "back", "now", numbers=4)
    kept = now.held_by(order_id)
    for sku, sold in now.sold_to(order_id).items():
        table.add_row(plain(sku), *map(str, (before.available(sku), sold, sold - kept[sku], now.available(sku))))
    console.print(table)

    if payment := now.payments.get(order_id):
        currency = payment.charge.currency
        table = table_of("Money", "ledger", "status", "captured", "refunded", numbers=2)
        ours = payment.charge.amount if payment.status == PaymentStatus.CAPTURED else 0
        for ledger, status, captured, refunded in (
            ("ours", str(payment.status), ours, payment.refunded),
            *(("the provider's", one.status, one.amount, one.refunded) for one in now.intents.get(order_id, ())),
        ):
            table.add_row(ledger, status, format_amount(captured, currency), format_amount(refunded, currency))
        console.print(table)


def _parcels(order_id: str, now: Books) -> Iterator[tuple[str, ...]]:
    """An order's parcels, those that come back as well: beside what we have noted, what the carrier has booked."""

    def booked(reference: str) -> str:
        return ", ".join(now.bookings.get(reference, ())) or "none"

    if shipment := now.shipments.get(order_id):
        for one in shipment.parcels:
            reference = parcel_reference(order_id, one.warehouse)
            yield f"from {one.warehouse}", units_of(one.units), one.status, one.tracking, booked(reference)
    if returns := now.returns.get(order_id):
        for back in returns.returns.values():
            reference = return_reference(order_id, back.return_id)
            yield "back", units_of(back.units), back.status, back.tracking, booked(reference)


def units_of(units: Mapping[str, int]) -> str:
    """Units by SKU, for people."""
    return ", ".join(f"{count} × {sku}" for sku, count in units.items())


def show_verdict(findings: Mapping[Invariant, Sequence[str]]) -> bool:
    """Each invariant with what contradicts it. Answers whether nothing does."""
    console.print("\nInvariants", style="italic")
    for invariant, problems in findings.items():
        console.print(
            Text("  ✔ " if not problems else "  ✘ ", style="green" if not problems else "red"),
            invariant.sentence,
            sep="",
        )
        for problem in problems[:10]:
            console.print(f"      {plain(problem)}", style="red")
        if len(problems) > 10:
            console.print(f"      and {len(problems) - 10} more", style="red")
    return not any(findings.values())


def show_order(order: Mapping[str, Any], now: Books) -> None:
    """One order's end."""
    order_id = str(order["order_id"])
    decision = now.decision(order_id)
    payment, reservation = now.payments.get(order_id), now.reservations.get(order_id)
    outcome = plain(now.status(order_id))
    history = now.states.get(order_id, {}).get("history", {})
    console.print(Text(f"{plain(order_id)}  ", style="bold"), Text(outcome, style=_COLOURS.get(outcome, "")), sep="")
    for label, value in (
        *((("history", " → ".join(history)),) if len(history) > 1 else ()),
        ("reason", decision.get("reason", "")),
        *(("", violation) for violation in decision.get("violations", [])),
        ("stock", reservation.status if reservation else "none"),
        ("payment", payment.status if payment else "none"),
        ("emails", len(now.told(order_id))),
    ):
        console.print(f"  {label:<8} {plain(str(value))}")
