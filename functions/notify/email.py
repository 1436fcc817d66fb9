"""The customer's email in words: text and HTML from an order's item and its decision."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from aws.mail import Email
from orders import Outcome, Reason
from orders.address import is_address
from orders.money import format_amount
from orders.order_id import printable

OPENING: dict[str, str] = {
    Outcome.CONFIRMED: "Thank you: your order is confirmed.",
    Outcome.CANCELLED: "We are sorry: your order was cancelled. Nothing was charged.",
    Outcome.REJECTED: "We are sorry: we could not accept your order. Nothing was charged.",
    Reason.CANCELLED_BY_CUSTOMER: "Your order is cancelled, as you asked. Nothing was charged.",
}
# What a customer can do something about; other reasons are ours and stay in the order.
BECAUSE: dict[str, str] = {
    Reason.OUT_OF_STOCK: "Something in it is out of stock.",
    Reason.PAYMENT_DECLINED: "Your card was declined. Please ask your bank, or order again with another card.",
    Reason.PAYMENT_REFUSED: "The payment could not be made. Please order again with another card.",
}


def subject(order_id: str, outcome: str) -> str:
    """The subject: one line, whatever the id is."""
    return f"Your order {printable(order_id)} is {outcome.lower()}"


def write(order: Mapping[str, Any], outcome: str, reason: str) -> Email:
    """The email for an order that was decided with this outcome, for this reason."""
    order_id = printable(order["order_id"])
    sentences = [OPENING.get(reason) or OPENING[outcome]]
    if reason in BECAUSE:
        sentences.append(BECAUSE[reason])
    rows = [] if outcome == Outcome.REJECTED else _rows(order)
    title = subject(order["order_id"], outcome)
    text = "\n\n".join(filter(None, [" ".join(sentences), "\n".join(rows), f"Order {order_id}"]))
    paragraphs = f"<p>{escape(' '.join(sentences))}</p>"
    table = "".join(f"<li>{escape(row)}</li>" for row in rows)
    html = (
        f"<!doctype html><html lang=en><title>{escape(title)}</title>"
        f"<body style='font-family:sans-serif;max-width:34rem;margin:2rem auto'>{paragraphs}"
        f"{f'<ul>{table}</ul>' if table else ''}<p><small>Order {escape(order_id)}</small></p>"
    )
    return Email(title, text, html)


def _rows(order: Mapping[str, Any]) -> list[str]:
    """The order's lines and its total, or nothing when the item was changed into nonsense since it was checked."""
    try:
        currency = order["currency"]
        rows = [
            f"{line['quantity']} × {line['sku']}: {format_amount(int(line['quantity'] * line['unit_price']), currency)}"
            for line in order["lines"]
        ]
        return [*rows, f"Total: {format_amount(int(order['total']), currency)}"]
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return []


def address_of(order: Mapping[str, Any]) -> str | None:
    """Where to write to, or None when the order holds no address (a rejected order may not)."""
    customer = order.get("customer")
    email = customer.get("email") if isinstance(customer, Mapping) else None
    return email if is_address(email) else None
