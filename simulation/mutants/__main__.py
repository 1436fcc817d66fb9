"""`make mutants`: each mutant, and the invariant that notices it.

python -m simulation.mutants              # each mutant under the schedule that is known to kill it
python -m simulation.mutants --search     # forget these schedules and look for others
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulation.mutants import MUTANTS, SEARCH_SECONDS, Verdict, kill, search, smallest


def main() -> int:
    """Run every mutant and print the table; the exit status is 1 when one survives."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation.mutants", description="Break the pipeline on purpose, in every way."
    )
    parser.add_argument("--search", action="store_true", help="look for schedules instead of trying the known ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the mutants whose name contains this")
    parser.add_argument("--seconds", type=float, default=SEARCH_SECONDS, help="for how long to look for each")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    mutants = [mutant for mutant in MUTANTS if arguments.only in mutant.name]
    columns = (TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    verdicts = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(mutants))
        for mutant in mutants:
            progress.update(task, description=mutant.name)
            known = [] if arguments.search else [mutant.hint]
            verdict = kill(mutant, itertools.chain(known, search(mutant, arguments.seconds)))
            if arguments.search and verdict.schedule:
                verdict.schedule = smallest(verdict)
            verdicts.append(verdict)
            progress.advance(task)
    console.print(table(verdicts))
    survivors = [verdict for verdict in verdicts if not verdict.invariants]
    console.print(
        f"{len(verdicts)} mutants, {len(survivors)} survived, {sum(v.seconds for v in verdicts):.0f} s",
        style="red" if survivors else "green",
    )
    return 1 if survivors else 0


def table(verdicts: Iterable[Verdict]) -> Table:
    """Each mutant, the promise that it broke, and the schedule."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("mutant", "killed by", "schedule", "tried", "seconds"):
        shown.add_column(heading, justify="right" if heading in ("tried", "seconds") else "left", overflow="fold")
    for verdict in verdicts:
        killed = verdict.invariants[0].replace("_", " ") if verdict.invariants else "SURVIVED"
        style = "" if verdict.invariants else "bold red"
        schedule = escape(str(verdict.schedule or ""))
        shown.add_row(verdict.mutant.name, killed, schedule, str(verdict.tried), f"{verdict.seconds:.1f}", style=style)
    return shown


if __name__ == "__main__":
    sys.exit(main())
