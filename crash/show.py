"""What a person sees of the kills, and of what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from local.console import console, table_of


def show_kills(kills: Sequence[tuple[str, str]]) -> None:
    """How many runtimes were killed: each kill is a function, and `busy`, `starting` or `idle`."""
    headings = {"busy": "in an invocation", "starting": "starting", "idle": "idle"}
    table = table_of("Kills, by what the runtime was doing", "function", *headings.values(), "all", numbers=4)
    counts = Counter(kills)
    for function, total in Counter(function for function, _ in kills).most_common():
        table.add_row(function, *(str(counts[function, moment]) for moment in headings), str(total))
    totals = Counter(moment for _, moment in kills)
    table.add_row("all", *(str(totals[moment]) for moment in headings), str(len(kills)), style="bold")
    console.print(table)


def show_consequences(consequences: Mapping[str, str]) -> None:
    """What the kills led to, and how many times."""
    console.print("\nWhat came of them", style="italic")
    for what, how_many in consequences.items():
        console.print(f"  {what:<60}{how_many}", soft_wrap=True)
