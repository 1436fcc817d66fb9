"""The logs of functions and jobs, of every stack on an emulator."""

from __future__ import annotations

import itertools

from local import stack
from local.console import console
from local.stack import Problem, RunningStack

_PREFIXES = ("/aws/lambda/", "/aws/batch/")


def all_logs(running: RunningStack, function: str = "") -> str:
    """The log lines of the functions whose names begin like this, oldest first, each behind its function's name. The
    jobs of a stack count as one function, of the stack's name.

    Raises Problem when a function is named that has logged nothing.
    """
    client = running.client("logs")
    lines: list[tuple[int, str]] = []
    groups = client.get_paginator("describe_log_groups")
    found = [page["logGroups"] for prefix in _PREFIXES for page in groups.paginate(logGroupNamePrefix=prefix)]
    for group in itertools.chain.from_iterable(found):
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
