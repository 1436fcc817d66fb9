"""What a terminal may get: text as it is, in every window, and bars for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# Begins a step of a name and a length, and answers what to call as it advances.
Begin = Callable[[str, int], Callable[[], None]]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever prints gets the error, and cleans up without another word."""
        self.quiet = True
        raise BrokenPipeError


# What is printed comes from orders too, and an order may say anything: nothing in it is markup or a picture's name.
console = _Console(highlight=False, markup=False, emoji=False)


@contextmanager
def progress() -> Iterator[Begin]:
    """Bars for long work: call the yielded function with a name and a length; call its answer for each step."""
    columns = (SpinnerColumn(), TextColumn("{task.description:<22}"), bar_column(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:

        def start(name: str, total: int) -> Callable[[], None]:
            # The previous step is over when the next one starts.
            for task in bars.tasks:
                bars.update(task.id, completed=task.total)
            task_id: TaskID = bars.add_task(name, total=total)
            # Totals are estimates: a bar stops just short of its end until the step is really over.
            return lambda: bars.update(task_id, completed=min(bars.tasks[task_id].completed + 1, total - 1))

        yield start
        for task in bars.tasks:
            bars.update(task.id, completed=task.total)


def bar_column() -> BarColumn:
    """A bar of what a narrow window has left beside its description and time."""
    return BarColumn(max(1, min(36, console.width - 42)))


def plain(text: str) -> str:
    """A text as a terminal may get it: what would move the cursor, change colours or break the line is spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def complain(message: str) -> None:
    """Say what is wrong, in one paragraph that the terminal breaks as it likes."""
    lines = "\n".join(plain(line) for line in message.splitlines())
    console.print(Text.assemble(("✘", "red"), f" {lines}"), soft_wrap=True)


def table_of(title: str, *headings: str, numbers: int = 0) -> Table:
    """A table whose last columns are numbers. Where it is too wide, it gets more lines, and nothing is left out."""
    table = Table(title=f"\n{title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for position, heading in enumerate(headings):
        right = numbers > 0 and position >= len(headings) - numbers
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading == "outcome", overflow="fold")
    return table
