"""What an approver sees. Nothing of an order is ever markup, and the pages load nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Any

from orders.approval import Approval, ApprovalStatus
from orders.money import format_amount, format_total
from orders.order_id import printable

# The colours are readable to everybody in light and in dark: WCAG 2, AA.
STYLE = """
:root{color-scheme:light dark;--page:#f3f5f8;--card:#fff;--text:#1b2430;--note:#4c596a;--rule:#d5dae1;--edge:#5d6b7e}
@media(prefers-color-scheme:dark){
:root{--page:#0f141b;--card:#1b232e;--text:#f0f3f7;--note:#b4c0ce;--rule:#3b4757;--edge:#95a3b6}}
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:var(--page);color:var(--text);overflow-wrap:anywhere}
main{box-sizing:border-box;max-width:38rem;margin:1rem auto;padding:1.5rem;background:var(--card)}
@media(min-width:39rem){main{margin-top:4rem;padding:2rem;border:1px solid var(--rule);border-radius:.75rem}}
h1{font-size:1.25rem;line-height:1.3;margin:0 0 1rem}
p{margin:1rem 0 0}small{font-size:.9rem;color:var(--note)}
table{border-collapse:collapse;width:100%;margin-top:1.25rem}
th,td{text-align:left;vertical-align:top;padding:.5rem 0;border-bottom:1px solid var(--rule)}
thead th{font-size:.9rem;font-weight:400;color:var(--note)}
tr>:first-child{min-width:6rem}
tr>:last-child{text-align:right;min-width:9rem;padding-left:1rem;font-variant-numeric:tabular-nums}
tfoot th,tfoot td{font-weight:700;border:0}
form{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
button{flex:1 1 7rem;min-height:3rem;font:inherit;font-weight:600;border:1px solid;border-radius:.5rem;cursor:pointer}
button[value=approve]{background:#1a7f37;border-color:#1a7f37;color:#fff}
button[value=deny]{background:transparent;border-color:var(--edge);color:inherit}
button:focus-visible{outline:3px solid var(--text);outline-offset:3px}
"""

DONE = "There is nothing left for you to do."
AGAIN = "If it is still wanted, it has to be ordered again."

# The address is the approver's key: it goes to nobody as a referrer, stays in no cache and no frame.
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True)
class Page:
    """A page and its HTTP status."""

    status: int
    html: str

    def of(self, status: int) -> Page:
        """The same page with another status."""
        return replace(self, status=status)


def question(order: Mapping[str, Any]) -> Page:
    """What there is to approve, and two buttons."""
    order_id = printable(str(order["order_id"]))
    body = (
        "<p>It is over the limit, so it goes on only if you approve it.</p>"
        "<table><thead><tr><th scope=col>What is ordered</th><th scope=col>Price</th></tr></thead>"
        f"<tbody>{''.join(_rows(order))}</tbody>"
        f"<tfoot><tr><th scope=row>Total</th><td>{escape(format_total(order))}</td></tr></tfoot></table>"
        "<p>If you approve, the order goes on at once. If you deny, it is cancelled, and its customer is told."
        " The first answer stands.</p>"
        "<form method=post><button name=decision value=approve>Approve</button>"
        "<button name=decision value=deny>Deny</button></form>"
    )
    return _page(200, f"Approve order {order_id}?", body)


def answered(approval: Approval) -> Page:
    """What was decided, by this click or by one before it."""
    order_id = printable(approval.order_id)
    if approval.status == ApprovalStatus.EXPIRED:
        then = f"Nobody answered, so the order is cancelled. {AGAIN}"
        return _page(410, f"Order {order_id} was not approved in time", f"<p>{then}</p>")
    became, then = {
        ApprovalStatus.APPROVED: ("approved", "The order goes on."),
        ApprovalStatus.DENIED: ("denied", "The order is cancelled, and its customer is told."),
    }[approval.status]
    at = f"Answered on {datetime.fromisoformat(approval.decided_at):%A, %d %B %Y, %H:%M} UTC. The first answer stands."
    return _page(200, f"Order {order_id} is {became}", f"<p>{then} {DONE}</p><p><small>{at}</small></p>")


def over(order_id: str) -> Page:
    """The order came to its end without an approval."""
    then = f"It came to its end without one. Its customer may have cancelled it. {DONE}"
    return _page(410, f"Order {printable(order_id)} needs no approval any more", f"<p>{then}</p>")


def changed() -> Page:
    """The order is another one than the approver was asked about."""
    then = "It is no longer what you were asked about, so nobody can approve it. It is cancelled when its time is up."
    return _page(409, "This order was changed", f"<p>{then} {AGAIN}</p>")


def too_late() -> Page:
    """The approval has expired, and nobody has written that down yet."""
    return _page(410, "This came too late", f"<p>The order was not approved in time, so it is cancelled. {AGAIN}</p>")


def unknown() -> Page:
    """No link of ours."""
    then = "A part of it may be missing. Open it from the email once more, or copy all of it from there."
    return _page(404, "This link leads nowhere", f"<p>{then}</p>")


def not_a_choice() -> Page:
    """Neither approved nor denied."""
    then = "Nothing was decided. Go back to the order, and use one of its two buttons."
    return _page(400, "Please approve or deny", f"<p>{then}</p>")


def _rows(order: Mapping[str, Any]) -> list[str]:
    """The order's lines; a line that is nonsense as far as it can be read."""
    rows = []
    lines = order.get("lines")
    for line in lines if isinstance(lines, list) else []:
        try:
            what = printable(f"{line['quantity']} × {line['sku']}")
            price = format_amount(int(line["quantity"] * line["unit_price"]), str(order["currency"]))
        except (KeyError, TypeError, ValueError, ArithmeticError):
            what, price = "A line that is not readable", ""
        rows.append(f"<tr><td>{escape(what)}</td><td>{escape(price)}</td></tr>")
    return rows or ["<tr><td>No line that is readable</td><td></td></tr>"]


def _page(status: int, title: str, body: str) -> Page:
    return Page(
        status,
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>",
    )
