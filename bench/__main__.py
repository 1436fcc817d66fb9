"""Measure what the pipeline costs in time and money, compared with what people would use instead: `make bench`."""

from __future__ import annotations

import argparse
import functools
import importlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench import plots, results, table
from bench.figures import Section
from local.stack import ROOT, STATE, Problem

MODULES = {
    "cold": "cold_start",
    "warm": "warm",
    "cost": "cost",
    "growth": "growth",
    "open": "open_orders",
    "api": "api",
    "shipping": "shipping",
    "books": "books",
    "loop": "loop",
}
LATEST = STATE / "bench.json"

OK, FAILED, INTERRUPTED = 0, 1, 130

console = Console(highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all targets reached, 1 one was missed or something failed, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure what the pipeline costs in time and money."
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(MODULES),
        metavar="SECTION",
        help=f"measure this section ({', '.join(MODULES)}); may be repeated. `--only loop` by itself measures the first"
        " run and all tests as well, which takes some ten minutes more",
    )
    parser.add_argument(
        "--orders", type=int, metavar="NUMBER", help="how many orders the books have, for a shorter `--only books`"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the results as those that the documents quote: JSON and plots"
    )
    options = parser.parse_args(arguments)
    if options.orders is not None and (options.only != ["books"] or options.keep or options.orders < 1_000):
        parser.error("--orders NUMBER is for --only books without --keep, and at least 1000")
    # SIGTERM cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return run(options.only or list(MODULES), keep=options.keep, orders=options.orders)
    except Problem as problem:
        console.print(f"[red]✘[/] {escape(str(problem))}", soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        console.print("\nInterrupted. What was started has been stopped.")
        return INTERRUPTED


def run(names: Sequence[str], *, keep: bool, orders: int | None = None) -> int:
    """Measure the sections, show each when it is done, and write it down. `orders` are those of the books."""
    started = time.monotonic()
    missed: list[str] = []
    for name in names:
        module = importlib.import_module(f"bench.{MODULES[name]}")
        measure = measure_of(module, alone=list(names) == [name])
        if orders is not None:
            measure = functools.partial(module.measure, orders=orders)
        section, seconds = measured(name, measure)
        table.show(section, console)
        for path in (LATEST, results.KEPT) if keep else (LATEST,):
            results.write(path, name, section, seconds)
        plots.draw(name, section, ROOT / "docs" if keep else STATE / "bench")
        missed += [f"{section.title}: {figure.name}" for figure in section.figures if figure.missed]
    console.print(f"\n{time.monotonic() - started:.0f} s. The figures are in {LATEST.relative_to(ROOT)}.")
    for figure in missed:
        console.print(f"[red]✘[/] {figure} misses its target.")
    return FAILED if missed else OK


def measure_of(module: ModuleType, *, alone: bool) -> Callable[[Callable[[str], None]], Section]:
    """The module's `measure`, or its `measure_all` when it has one and no other section was asked for."""
    measure: Callable[[Callable[[str], None]], Section] = module.measure
    return getattr(module, "measure_all", measure) if alone else measure


def measured(name: str, measure: Callable[[Callable[[str], None]], Section]) -> tuple[Section, float]:
    """Measure one section under a bar that is as long as the last time took."""
    expected = (results.read(LATEST) | results.read(results.KEPT)).get(name, {}).get("seconds", 120)
    started = time.monotonic()
    with Progress(
        TextColumn(f"{name:<8}"), BarColumn(36), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    ) as bar:
        task: TaskID = bar.add_task("", total=expected)

        def progress(doing: str) -> None:
            bar.update(task, description=doing, completed=min(time.monotonic() - started, 0.98 * expected))

        section = measure(progress)
        bar.update(task, description="", completed=expected)
    return section, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
