"""What the commands print, into a file of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from local.console import console


@contextmanager
def printed_to(out: TextIO) -> Iterator[None]:
    """Afterwards the console prints to whatever is standard output by then, in a window as wide as that is. To put back
    what it printed to before would be to put back the standard output of that moment, and pytest has another for each
    test.
    """
    anywhere: Any = console
    anywhere.file = out
    try:
        yield
    finally:
        anywhere.file = anywhere.width = None
