"""What a night came to, in a terminal: the verdict, the day's figures, and what was found."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.report import OUTCOMES, amount, amounts, count, name, percent, repair, seconds
from jobs.summary import Summary
from local.console import plain, table_of

# Findings of a code that a terminal shows; the report has more, and the table has all.
SHOWN = 10
_COLOURS = {"DONE": "green", "FAILED": "red"}


def show(console: Console, summary: Summary) -> None:
    """Print the verdict, the figures and the findings. What comes from orders is shown as text, on one line."""
    agree = not summary.found
    mark = ("✔ ", "bold green") if agree else ("✘ ", "bold red")
    console.print(Text.assemble("\n", mark, (summary.verdict, "bold"), (f"  {_of_what(summary)}", "dim")))
    for line in _notes(summary):
        console.print(Text(f"  {line}", style="yellow"))
    console.print(_figures(summary))
    if summary.found:
        console.print(_findings(summary))
    for code, found, _ in summary.by_code:
        if found > SHOWN:
            console.print(
                Text(f"and {count(found - SHOWN)} more {plain(code)}: {summary.tables['findings']}", style="dim")
            )


def _of_what(summary: Summary) -> str:
    return f"{count(summary.orders)} orders, as of {summary.as_of[:16].replace('T', ' ')} UTC"


def _notes(summary: Summary) -> Iterator[str]:
    repairs = summary.repairs
    if repairs.done or repairs.failed:
        yield f"{count(repairs.done)} repaired" + (f", {count(repairs.failed)} failed" if repairs.failed else "")
    elif repairs.possible:
        yield f"{count(repairs.possible)} can be repaired: REPAIR=yes"
    if repairs.left:
        yield f"{count(repairs.left)} repairs are left for another night"
    if summary.under_way:
        yield f"{count(summary.under_way)} orders were under way, and are not judged"
    if summary.stock_not_checked:
        yield f"{count(summary.stock_not_checked)} SKUs are not checked: nobody wrote down what was received"


def _figures(summary: Summary) -> Table:
    table = table_of(f"Sales of {summary.day} ({summary.time_zone})", "", "")
    table.show_header = False
    outcomes = [
        f"{count(orders)} {title.lower()}"
        for outcome, title in OUTCOMES.items()
        if (orders := summary.with_outcome(outcome))
    ]
    converted = "" if summary.conversion is None else f" ({percent(summary.conversion)} confirmed)"
    table.add_row("placed", f"{count(summary.placed)}{converted}")
    table.add_row("outcomes", ", ".join(outcomes) or "–")
    for money in summary.money:
        sold = amount(money.sold, money.currency)
        back = f", {amount(money.refunded, money.currency)} paid back" if money.refunded else ""
        table.add_row("sold", f"{sold}{back}")
    if summary.told:
        told = summary.told[0]
        table.add_row("placed to told", f"p50 {seconds(told.p50)}, p95 {seconds(told.p95)}, p99 {seconds(told.p99)}")
    return table


def _findings(summary: Summary) -> Table:
    table = table_of("Findings", "code", "order", "expected", "found", "what is wrong")
    for _, _, first in summary.by_code:
        for finding in first[:SHOWN]:
            expected, real = amounts(finding)
            what = Text(plain(finding.detail))
            if came_of_it := repair(finding):
                what.append(f" {came_of_it}.", style=_COLOURS.get(finding.repaired, "yellow"))
            of = "\n".join(plain(name(each)) for each in (finding.order_id, finding.subject) if each)
            table.add_row(Text(plain(finding.code), style="bold"), of, expected, real, what)
    return table
