"""`make burst` and `make outage`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from local.command import commands_of, execute, exit_with, positive
from local.emulator import CONCURRENCY
from local.stack import ROOT
from stress.burst import burst
from stress.outage import outage
from stress.watch import running_or_own_stack

# Above it, orders are declined: the template's PatienceMinutes is 60.
LONGEST_MINUTES = 55


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status as `execute` has it, 1 also when an order was lost; 2 for wrong usage."""
    text = "Ask more of a stack than it can do at once: of the running one, or of one of its own."
    parser = argparse.ArgumentParser(prog="python -m stress", description=text)
    command = commands_of(parser)
    many = command("burst", _burst, "Place many orders at once and wait until the last is closed")
    many.add_argument("--orders", type=positive, default=1000, metavar="N", help="so many (default: 1000)")
    many.add_argument(
        "--concurrency",
        type=positive,
        default=CONCURRENCY,
        metavar="N",
        help=f"functions at once (default: {CONCURRENCY})",
    )
    gone = command(
        "outage", _outage, "Take a function away for minutes, and see what becomes of orders placed meanwhile"
    )
    services = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
    gone.add_argument("--service", required=True, choices=services, help="the function, by its folder's name")
    gone.add_argument("--minutes", type=_minutes, default=3.0, metavar="N", help="for so long (default: 3)")
    gone.add_argument("--orders", type=positive, default=20, metavar="N", help="placed meanwhile (default: 20)")

    options = parser.parse_args(arguments)
    return execute(lambda: options.run(options))


def _burst(options: argparse.Namespace) -> int:
    with running_or_own_stack(options.concurrency) as stack:
        return burst(stack, options.orders)


def _outage(options: argparse.Namespace) -> int:
    with running_or_own_stack() as stack:
        return outage(stack, options.service, options.minutes, options.orders)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < minutes <= LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(f"between 0 and {LONGEST_MINUTES}: after an hour, orders are declined")
    return minutes


if __name__ == "__main__":
    exit_with(main)
