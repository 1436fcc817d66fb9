"""`make simulate`: random schedules for as long as it is told, or one again.

python -m simulation --seconds 60
python -m simulation --schedules 10000
python -m simulation --seed 4711          # the same again, as a timeline
python -m simulation --replay '{"scenario": …}'
python -m simulation --prove              # `make prove`: every single fault, in every scenario and delivery
python -m simulation --prove --full       # and nothing of it left out or inferred
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulation import report
from simulation.explore import Exhaustive, Summary, exhaust, explain, run_all, smallest, walk
from simulation.schedule import Result, Schedule, run
from simulation.stack import ROOT

STYLES = {"stream": "blue", "bus": "magenta", "execution": "cyan", "invocation": "yellow", "request": "white"}
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def main() -> int:
    """Parse the command line and run; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description="Random schedules for as long as it is told, or one again."
    )
    parser.add_argument("--seconds", type=float, help="run for so long (default: 60)")
    parser.add_argument("--schedules", type=int, help="run so many schedules")
    parser.add_argument("--seed", type=int, help="run the schedules of this seed again")
    parser.add_argument("--replay", metavar="JSON", help="run this schedule again")
    parser.add_argument("--prove", action="store_true", help="try every single fault in every scenario and delivery")
    parser.add_argument("--full", action="store_true", help="with --prove: run each of them to its end, infer none")
    parser.add_argument("--first-seed", type=int, help="begin here (default: the time, so that every run is new)")
    arguments = parser.parse_args()
    console = Console()
    if arguments.seed is not None or arguments.replay:
        schedule = Schedule.from_json(arguments.replay) if arguments.replay else None
        results = [run(schedule)] if schedule else list(walk(arguments.seed))
        return show(console, results)
    if arguments.full and not arguments.prove:
        parser.error("--full goes with --prove")
    if arguments.prove:
        return prove(console, arguments.full)
    first = int(time.time()) if arguments.first_seed is None else arguments.first_seed
    seconds = arguments.seconds if arguments.seconds or arguments.schedules else 60.0
    return explore(console, first, seconds, arguments.schedules)


def prove(console: Console, full: bool) -> int:
    """Every kind of fault at every site, in every scenario with every delivery."""
    with Progress(*COLUMNS, console=console) as bar:
        task = bar.add_task("starting", total=None)

        def progress(summary: Summary, total: int) -> None:
            bar.update(task, completed=summary.schedules, total=total, description=running(summary))

        found = exhaust(every=full, progress=progress)
        bar.update(task, total=found.summary.schedules, description=running(found.summary))
    for line in account(found):
        console.print(line, highlight=False, soft_wrap=True)
    return close(console, found.summary, "Every single fault, in every scenario and delivery")


def account(found: Exhaustive) -> Iterator[str]:
    """How many single faults there are, how many of them were run and, by the reason, how many were not."""
    not_run = found.not_run.total()
    yield (
        f"{found.singles:,} single faults at {len(found.summary.reached)} sites: "
        f"{found.singles - not_run:,} run, {not_run:,} not run"
    )
    yield from (f"{number:>8,}  {reason}" for reason, number in found.not_run.most_common() if number)
    if found.summary.met:
        yield f"{found.summary.met:,} of the runs ended where another one had gone on and kept every promise"


def explore(console: Console, first: int, seconds: float | None, schedules: int | None) -> int:
    """Walk seed after seed until the time or the number is up."""
    console.print(f"Seeds from {first} on.")
    with Progress(*COLUMNS, console=console) as progress:
        task = progress.add_task("schedules", total=schedules)

        def enough(summary: Summary) -> bool:
            done = bool(schedules and summary.schedules >= schedules) or bool(seconds and summary.seconds >= seconds)
            progress.update(task, completed=summary.schedules, description=running(summary))
            return done

        seeds = {first}
        summary = run_all(itertools.count(first), enough=enough, keep=lambda result: seeds.add(result.schedule.seed))
    return close(console, summary, f"Seeds {first} to {max(seeds)}")


def running(summary: Summary) -> str:
    """What the progress bar says."""
    return f"schedules, {len(summary.failures)} violations, {summary.rate:.0f}/s"


def close(console: Console, summary: Summary, ran: str) -> int:
    """Explain some failures, write the report, and say the closing line; answers the exit status."""
    failures: list[tuple[Result, Result]] = []
    with console.status("Looking for the smallest schedules …") as status:
        for failure in kinds_of(summary.failures):
            small = smallest(failure)
            if all(small.schedule != other.schedule for _, other in failures):
                failures.append((failure, small))
                console.print(explain(failure, small), style="red", markup=False)
        page = report.write(
            summary,
            f"{ran}, {summary.rate:.0f} schedules a second, {datetime.now(UTC):%-d %B %Y}",
            failures,
            progress=lambda schedules: status.update(f"The report, {schedules} schedules …"),
        )
    console.print(f"What each fault comes to, with timelines: {page.relative_to(ROOT)}", highlight=False)
    console.print(closing_line(summary), style="red" if summary.failures else "green", highlight=False)
    return 1 if summary.failures else 0


def kinds_of(failures: list[Result]) -> list[Result]:
    """The first failure of each set of promises that broke together, five at most."""
    first: dict[frozenset[str], Result] = {}
    for failure in failures:
        first.setdefault(frozenset(violation.invariant for violation in failure.violations), failure)
    return list(first.values())[:5]


def closing_line(summary: Summary) -> str:
    """Schedules, violations and schedules a second."""
    broken = len(summary.failures)
    return f"{summary.schedules:,} schedules, {broken} violations, {summary.rate:.0f} schedules/s"


def show(console: Console, results: list[Result]) -> int:
    """The last schedule's timeline, and what it broke."""
    result = results[-1]
    table = Table(title=escape(str(result.schedule)), title_justify="left", box=None)
    for column in ("seconds", "order", "lane", "no.", "what", "outcome"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    for entry in result.timeline:
        style = STYLES[entry.lane]
        table.add_row(f"{entry.at:.3f}", entry.order, entry.lane, entry.actor, entry.label, entry.outcome, style=style)
    console.print(table)
    for violation in result.violations:
        console.print(f"{violation.invariant}: {violation.what}", style="red", markup=False)
    if not result.violations:
        console.print(f"Every promise holds. Outcomes: {result.outcomes}", style="green")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
