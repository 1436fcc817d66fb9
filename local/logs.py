"""The functions' logs, of every stack on an emulator."""

from __future__ import annotations

from local import stack
from local.console import console
from local.stack import Problem, RunningStack

_PREFIX = "/aws/lambda/"


def all_logs(running: RunningStack, function: str = "") -> str:
    """The log lines of the functions whose names begin like this, oldest first, each behind its function's name.

    Raises Problem when a function is named that has logged nothing.
    """
    client = running.client("logs")
    lines: list[tuple[int, str]] = []
    for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_PREFIX):
        for group in page["logGroups"]:
            name = group["logGroupName"].rsplit("/", 1)[1]
            if not name.startswith(function):
                continue
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines += [
                (event["timestamp"], f"{name:<10} {event['message'].rstrip()}\n")
                for events in pages
                for event in events["events"]
            ]
    if function and not lines:
        raise Problem(f"No logs of a function named {function}. The names are the folders of functions/.")
    return "".join(text for _, text in sorted(lines, key=lambda line: line[0]))


def keep_logs(running: RunningStack) -> None:
    """Write all log lines down before the stack goes, and say where."""
    kept = stack.STATE / "last-failure.log"
    kept.write_text(all_logs(running))
    console.print(f"\nThe functions' logs are in .local/{kept.name}. To look around: make up")
