"""`python -m lessons` lists the lessons, `python -m lessons 3` shows one.

Ends with 0 when the broken version breaks and the repaired one survives; with 3 when both survive, which is how an
exercise ends; with 1 when the repaired one does not survive.
"""

from __future__ import annotations

import argparse
import sys

from lessons import harness, show

REPAIRED = 3


def main(arguments: list[str] | None = None) -> int:
    """Show what was asked for; answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lessons", description="A mistake, its damage, and its repair.")
    parser.add_argument(
        "lesson", nargs="?", type=int, choices=list(harness.folders()), help="its number; without it: list"
    )
    number = parser.parse_args(arguments).lesson
    if number is None:
        show.console.print(show.listing())
        return 0
    runs = {variant: harness.run(number, variant) for variant in harness.VARIANTS}
    show.console.print(show.lesson(number, runs))
    show.console.print(show.verdict(runs))
    if not runs["fixed"].survived:
        return 1
    return REPAIRED if runs["broken"].survived else 0


if __name__ == "__main__":
    sys.exit(main())
