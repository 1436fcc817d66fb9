"""The customer's email in words: text and HTML from an order's item and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from aws.mail import Email
from orders import Outcome, Reason, Status
from orders.address import is_address
from orders.money import CURRENCIES, format_amount
from orders.order_id import printable

OPENING: dict[str, str] = {
    Outcome.CONFIRMED: "Thank you: your order is confirmed.",
    Outcome.CANCELLED: "We are sorry: your order was cancelled. Nothing was charged.",
    Outcome.REJECTED: "We are sorry: we could not accept your order. Nothing was charged.",
    Status.SHIPPING: "Good news: your order is on its way.",
    Status.DELIVERED: "Your order has been delivered.",
    Status.RETURNED: "What you sent back has arrived.",
    Reason.CANCELLED_BY_CUSTOMER: "Your order is cancelled, as you asked. Nothing was charged.",
    Reason.CANCELLED_BEFORE_SHIPPING: "Your order is cancelled, as you asked. You get back what you paid for it.",
}
# What a customer can do something about; other reasons are ours and stay in the order.
BECAUSE: dict[str, str] = {
    Reason.OUT_OF_STOCK: "Something in it is out of stock.",
    Reason.PAYMENT_DECLINED: "Your card was declined. Please ask your bank, or order again with another card.",
    Reason.PAYMENT_REFUSED: "The payment could not be made. Please order again with another card.",
}
# Where it is another than "Your order is …".
SUBJECT: dict[str, str] = {
    Status.SHIPPING: "Your order {} is on its way",
    Status.RETURNED: "Your return of order {} has arrived",
}


def subject(order_id: str, outcome: str) -> str:
    """The subject: one line, whatever the id is."""
    words = SUBJECT.get(outcome) or "Your order {} is " + outcome.lower()
    return words.format(printable(order_id))


def write(order: Mapping[str, Any], outcome: str, reason: str, amount: int = 0) -> Email:
    """The email for an order that has come to this outcome, for this reason. `amount`, in minor units of the order's
    currency, is what was paid back for a return.
    """
    order_id = printable(order["order_id"])
    sentences = [OPENING.get(reason) or OPENING[outcome]]
    if reason in BECAUSE:
        sentences.append(BECAUSE[reason])
    if amount:
        sentences.append(_paid_back(order, amount))
    # Not later on: by then its item may have been changed, and what was sent back may be a part of it.
    rows = _rows(order) if outcome in (Outcome.CONFIRMED, Outcome.CANCELLED) else []
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


def _paid_back(order: Mapping[str, Any], amount: int) -> str:
    currency = order.get("currency")
    if not (isinstance(currency, str) and currency in CURRENCIES):  # the item was changed into nonsense
        return "We have paid back what you paid for it."
    return f"We have paid back {format_amount(amount, currency)}."


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
