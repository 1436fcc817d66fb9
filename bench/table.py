"""A section of the benchmark as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.figures import Figure, Section


def show(section: Section, console: Console) -> None:
    """Print the section's figures with their targets and what they are compared with, then its notes."""
    table = Table(title=f"\n{section.title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("spread", justify="right", style="dim")
    table.add_column("target", justify="right")
    table.add_column("beside")
    for figure in section.figures:
        table.add_row(*cells(figure))
    console.print(table)
    for note in section.notes:
        console.print(Text(f"  {note}", style="dim"))


def cells(figure: Figure) -> tuple[str, str, str, Text, str]:
    """Name, value with its unit, spread, target with ✔ or ✘, and what it is compared with."""
    spread = " – ".join(number(bound) for bound in figure.spread) if figure.spread else ""
    target = Text()
    if figure.target is not None:
        mark, style = ("✘", "bold red") if figure.missed else ("✔", "green")
        target = Text(f"≤ {number(figure.target)} {mark}", style=style)
    beside = "" if figure.compared is None else f"{number(figure.compared)} {figure.compared_with}"
    return figure.name, f"{number(figure.value)} {figure.unit}".strip(), spread, target, beside


def number(value: float) -> str:
    """Three significant digits or more, and at most two decimals: 1234, 56.7, 8.90, 3."""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
