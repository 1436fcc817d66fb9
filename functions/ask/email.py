"""The approver's email in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from aws.mail import Email
from orders.money import format_total
from orders.order_id import printable

# Mail programs read styles where they are used, and not everywhere else.
BODY = "font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1.25rem;overflow-wrap:anywhere"
BUTTON = (
    "display:inline-block;padding:12px 24px;border-radius:8px;background:#1a7f37;color:#fff;font-weight:600;"
    "text-decoration:none"
)


def write(order: Mapping[str, Any], link: str, expires_at: int) -> Email:
    """The email that asks for an order's approval until `expires_at`, in seconds since 1970."""
    order_id = printable(order["order_id"])
    until = f"{datetime.fromtimestamp(expires_at, UTC):%A, %d %B %Y, %H:%M} UTC"
    title = f"Please approve order {order_id}"
    asks = f"Order {order_id} over {format_total(order)} waits for your approval until {until}."
    then = "Nothing is approved by opening the link. Without an answer the order is cancelled."
    keep = "Whoever has the link can answer in your place: do not pass it on."
    text = f"{asks}\n\nLook at it, and approve or deny it:\n{link}\n\n{then} {keep}"
    html = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        "<meta name=color-scheme content='light dark'>"
        f"<title>{escape(title)}</title><body style='{BODY}'>"
        f"<h1 style='font-size:1.25rem'>Please approve or deny</h1><p>{escape(asks)}</p>"
        f'<p><a href="{escape(link)}" style="{BUTTON}">Look at it, and decide</a></p><p>{escape(then)}</p>'
        f"<p>If the button does not work, copy this address into your browser:<br>{escape(link)}</p>"
        f"<p>{escape(keep)}</p></body></html>"
    )
    return Email(title, text, html)
