"""How a command ends: its exit status, what it says when it fails, and what a signal does to it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from botocore.exceptions import BotoCoreError

from artifact import NotBuilt
from local.console import complain, console
from local.environment import forget_accounts
from local.stack import Problem

OK, FAILED = 0, 1  # argparse answers 2 to wrong usage
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """Somebody ends this command with a signal."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


def execute(command: Callable[[], int]) -> int:
    """Run a command and answer its exit status.

    0 all well; 1 it failed, and says what to do. When it was ended, it is 128 and the signal's number, as shells have
    it: 130 by Ctrl-C, 143 by SIGTERM, 129 by a terminal that was closed, 141 when what reads its output has gone.
    However it ends, what it started has ended too.
    """
    try:
        return _run(command)
    except BrokenPipeError:  # also while it says how it ended
        return 128 + signal.SIGPIPE


def _run(command: Callable[[], int]) -> int:
    try:
        with _ended_by_signals():
            status = command()
            sys.stdout.flush()
            return status
    except (Problem, NotBuilt) as problem:
        complain(str(problem))
        return FAILED
    except Ended as ended:
        console.print("\nInterrupted. What was started has been stopped.")
        return ended.status
    except BotoCoreError as error:
        complain(f"The stack does not answer any more: {error}")
        return FAILED
    except BrokenPipeError:
        raise
    except OSError as error:  # the disk is full, or a folder is not ours
        complain(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        return FAILED


def exit_with(
    main: Callable[[Sequence[str] | None], int],
    arguments: Sequence[str] | None = None,
    *,
    keep_accounts: bool = False,
) -> NoReturn:
    """Be a process of its own: with the emulator's account only, unless it may work on AWS, and quiet once nobody
    reads.
    """
    if not keep_accounts:
        forget_accounts()
    status = main(arguments)
    if status == 128 + signal.SIGPIPE:
        # What is still to be written as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Clean up without being ended meanwhile."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    _ignore_endings()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def commands_of(
    parser: argparse.ArgumentParser,
) -> Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]:
    """Answers what adds a command to a parser: its name, what runs it, and what its help says."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    return command


def count(text: str) -> int:
    """A whole number, from the command line."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive(text: str) -> int:
    """A whole number above zero, from the command line."""
    number = count(text)
    if not number:
        raise argparse.ArgumentTypeError("there has to be one at least")
    return number


def workflow_option(parser: argparse.ArgumentParser) -> None:
    """Let people choose the workflow's type."""
    parser.add_argument("--workflow", choices=["STANDARD", "EXPRESS"], default="STANDARD", help="the workflow's type")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the signals that end a command raise Ended, once: a second, impatient one must not disturb the clean-up."""

    def end(number: int, _: Any) -> None:
        _ignore_endings()
        console.quiet = number == signal.SIGHUP  # there is no terminal any more
        raise Ended(number)

    # What was ignored when we were started stays ignored: `nohup make up`.
    before = {number: handler for number in ENDINGS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_endings() -> None:
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
