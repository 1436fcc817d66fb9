"""`make redrive`: move dead letters and stream failures back, of the stack that runs here or of one on AWS."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from local import left_running
from local.command import FAILED, OK, execute, exit_with, positive
from local.console import console, plain
from local.environment import forget_accounts
from local.stack import Problem
from redrive import dead_letters, stream_failures
from redrive.deployed import Deployed, OnAws
from redrive.queue import Pace, Queue, redrive

# By the name of its queue: the output that has its URL, and what moves its messages.
QUEUES = {
    "dead-letters": ("DeadLetterQueueUrl", dead_letters),
    "stream-failures": ("StreamFailureQueueUrl", stream_failures),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Exit status as `execute` has it, 1 also when a message stays; 2 for wrong usage."""
    options = _options(arguments)
    return execute(partial(command, options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    text = "Put dead letters back on the bus, and give stream records that failed to publish again"
    parser = argparse.ArgumentParser(prog="python -m redrive", description=text)
    parser.add_argument("--stack", metavar="NAME", help="on AWS (default: what `make up` left running here)")
    parser.add_argument("--queue", choices=[*QUEUES, "all"], default="all", help="only this one")
    parser.add_argument("--dry-run", action="store_true", help="move nothing, and show what would be moved")
    parser.add_argument("--limit", type=positive, default=1000, metavar="N", help="messages of a queue (default: 1000)")
    parser.add_argument("--per-second", type=positive, default=10, metavar="N", help="events (default: 10)")
    return parser.parse_args(arguments)


def command(options: argparse.Namespace) -> int:
    """Move what can be moved, and say what became of each message."""
    if not options.stack:
        forget_accounts()
    try:
        deployed = OnAws(options.stack) if options.stack else left_running.running()
        names = QUEUES if options.queue == "all" else [options.queue]
        left = sum([redrive_queue(deployed, name, options) for name in names])
    except (ClientError, BotoCoreError) as error:
        raise Problem(f"{error}\nWhat was not moved is still in its queue.") from None
    return FAILED if left else OK


def redrive_queue(deployed: Deployed, name: str, options: argparse.Namespace) -> int:
    """Move one queue's messages; answers how many stay."""
    output, kind = QUEUES[name]
    moved, left = 0, 0
    console.print(name, style="bold")
    queue = Queue(deployed.client("sqs"), deployed.outputs[output], kind.AT_ONCE)
    move = kind.mover(deployed, dry_run=options.dry_run)
    pace = None if options.dry_run else Pace(options.per_second)
    with closing(redrive(queue, move, limit=options.limit, pace=pace)) as results:
        for result in results:
            moved, left = moved + result.moved, left + (not result.moved)
            console.print(f"  {'→' if result.moved else '✘'} {plain(result.what)}", soft_wrap=True)
    console.print(f"  {moved} {'would be ' * options.dry_run}moved, {left} left" if moved or left else "  empty")
    if moved + left == options.limit:
        console.print("  There may be more: run this again.")
    return left


if __name__ == "__main__":
    exit_with(main, keep_accounts=True)
