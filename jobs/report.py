"""The report of a night, for people: one HTML page that needs nothing else, not even a script.

What orders say of themselves is shown as text, whatever it is. The plots are bars in the tables, as SVG: they are there
in print too, and whoever does not see them reads the figures beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from jobs.findings import SEND_AGAIN, VOID
from jobs.summary import Decided, Found, Summary, Waited
from orders import Outcome
from orders.money import format_amount

# What to do about a finding is written there at length, under its code. It is named and not linked: the report is in a
# bucket, and nobody has told it where this repository is.
HANDBOOK = "docs/operations.md"
LONGEST = 128  # characters of a name that are shown; an order's id can have 2,048

# How an order was decided, in the report's order: its name there.
OUTCOMES = {
    Outcome.CONFIRMED.value: "Confirmed",
    Outcome.CANCELLED.value: "Cancelled",
    Outcome.REJECTED.value: "Rejected",
    "": "Not decided yet",
}
# What a repair would do, and what it has done.
REPAIRS = {VOID: ("void the hold", "the hold was voided"), SEND_AGAIN: ("send the event again", "the event was sent")}


class Way(NamedTuple):
    """The orders with one outcome, and their reasons, where these say more than the outcome."""

    outcome: str
    name: str
    orders: int
    reasons: list[Decided]


def render(summary: Summary) -> str:
    """The report as HTML."""
    return _template().render(
        summary=summary,
        day=date.fromisoformat(summary.day),
        as_of=datetime.fromisoformat(summary.as_of).astimezone(ZoneInfo(summary.time_zone)),
        ways=ways(summary.outcomes),
        sold=[(currency, [*lines]) for currency, lines in groupby(summary.sold, lambda line: line.currency)],
        waited=[*zip(bounds(summary.waited), summary.waited, strict=True)],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": amount,
        "clean": clean,
        "count": count,
        "name": name,
        "percent": percent,
        "seconds": seconds,
        "spoken": spoken,
    }
    environment.globals |= {"HANDBOOK": HANDBOOK, "amounts": amounts, "repair": repair}
    return environment.get_template("report.html")


def ways(outcomes: Sequence[Decided]) -> list[Way]:
    """The outcomes that there are, each with its reasons."""
    found = []
    for outcome, title in OUTCOMES.items():
        reasons = [each for each in outcomes if each.outcome == outcome]
        orders = sum(each.orders for each in reasons)
        if orders:
            found.append(
                Way(outcome, title, orders, reasons if outcome in (Outcome.CANCELLED, Outcome.REJECTED) else [])
            )
    return found


def bounds(waited: Sequence[Waited]) -> list[str]:
    """What each span of waiting is called."""
    edges = [0.0, *(each.below for each in waited if each.below is not None)]
    named = [f"{seconds(low)} to {seconds(high)}" for low, high in pairwise(edges[1:])]
    return [f"under {seconds(edges[1])}", *named, f"{seconds(edges[-1])} and more"] if waited else []


def amounts(finding: Found) -> tuple[str, str]:
    """What a finding's books should say and what they say: money, units, or nothing where it is not about an amount."""
    if finding.currency:
        return amount(finding.expected, finding.currency), amount(finding.found, finding.currency)
    if finding.expected == finding.found:
        return "", ""
    return count(finding.expected), count(finding.found)


def repair(finding: Found) -> str:
    """What came of a finding's repair, or that there is one. Empty where a person has to see to it."""
    if finding.repair not in REPAIRS:
        return ""
    would, has = REPAIRS[finding.repair]
    match finding.repaired:
        case "DONE":
            return f"Repaired: {has}"
        case "FAILED":
            return f"Repair failed: {would} by hand"
        case _:
            return f"Can be repaired: {would}"


def amount(minor: int, currency: str) -> str:
    """An amount for people, with its thousands apart: -123456 of EUR is −1,234.56 EUR."""
    number, _, code = format_amount(abs(minor), clean(currency)).partition(" ")
    whole, point, part = number.partition(".")
    return f"{'−' if minor < 0 else ''}{int(whole):,}{point}{part} {code}"


def count(number: int) -> str:
    """A number for people, with its thousands apart."""
    return f"{number:,}".replace("-", "−")


def percent(part: float) -> str:
    """A part of 1; what is not all of it is never rounded to all of it, nor what is something to nothing."""
    shown = f"{part:.1%}"
    if shown == "100.0%" and part < 1:
        return "over 99.9%"
    return "under 0.1%" if shown == "0.0%" and part > 0 else shown


def seconds(duration: float) -> str:
    """A duration for people, in seconds, minutes or hours."""
    if round(duration) < 60:
        return f"{duration:.0f} s" if duration >= 9.995 or duration == int(duration) else f"{duration:.2f} s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def spoken(code: str) -> str:
    """A code in words: HOLD_LOST is Hold lost."""
    return clean(code).replace("_", " ").capitalize()


def clean(text: str) -> str:
    """A text on one line: what would break it, or turn it round, is a mark."""
    return "".join(char if char.isprintable() else "�" for char in text)


def name(text: str) -> str:
    """An id or a SKU, of which too long a one is cut."""
    return clean(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
