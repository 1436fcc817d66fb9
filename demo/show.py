"""What a person sees of an order, of all of them, and of what must always be true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from local.console import console, plain, table_of
from local.ledger import Ledger

COLOURS = {"CONFIRMED": "green", "CANCELLED": "yellow", "REJECTED": "magenta", "PLACED": "cyan"}


def show_emails(now: Ledger, order_ids: Sequence[str]) -> None:
    """The emails that the customers of these orders got, by their subject."""
    table = table_of("Emails", "to", "subject")
    for email in sorted(now.mails, key=lambda email: email.subject):
        if any(email in now.mails_about(order_id) for order_id in order_ids):
            table.add_row(plain(email.to), plain(email.subject))
    console.print(table)


def show_stock(now: Ledger, opening: Mapping[str, int]) -> None:
    """The stock of each SKU: what there was, is, and is held."""
    table = table_of("Stock", "sku", "opening", "available", "held", numbers=3)
    for sku, units in opening.items():
        table.add_row(sku, str(units), str(now.available(sku)), str(now.held(sku)))
    console.print(table)


def show_payments(now: Ledger, order_ids: Sequence[str]) -> None:
    """Our payment of each order beside what the provider says of it."""
    table = table_of("Payments", "order", "ours", "the provider's", "amount", numbers=1)
    intents = {intent["order_id"]: intent for intent in now.intents}
    for order_id in order_ids:
        payment, intent = now.payments.get(order_id), intents.get(order_id)
        if payment:
            theirs = intent["status"] if intent else "never asked"
            table.add_row(plain(order_id), str(payment["status"]), theirs, str(payment.get("amount", "")))
    console.print(table)


def show_verdict(findings: Mapping[str, Sequence[str]]) -> bool:
    """Each invariant with what contradicts it. Answers whether nothing does."""
    console.print("\nInvariants", style="italic")
    for promise, problems in findings.items():
        console.print(
            Text("  ✔ " if not problems else "  ✘ ", style="green" if not problems else "red"), promise, sep=""
        )
        for problem in problems[:10]:
            console.print(f"      {plain(problem)}", style="red")
        if len(problems) > 10:
            console.print(f"      and {len(problems) - 10} more", style="red")
    return not any(findings.values())


def show_order(order: Mapping[str, Any], now: Ledger) -> None:
    """One order's end."""
    order_id = str(order["order_id"])
    decision = now.decision(order_id)
    payment = now.payments.get(order_id, {})
    reservation = now.reservations.get(order_id, {})
    outcome = plain(now.status(order_id))
    console.print(Text(f"{plain(order_id)}  ", style="bold"), Text(outcome, style=COLOURS.get(outcome, "")), sep="")
    for label, value in (
        ("reason", decision.get("reason", "")),
        *(("", violation) for violation in decision.get("violations", [])),
        ("stock", reservation.get("status", "none")),
        ("payment", payment.get("status", "none")),
        ("emails", now.told(order_id)),
    ):
        console.print(f"  {label:<8} {plain(str(value))}")
