"""MiniStack, started with a workflow engine that waits as AWS's does.

Its own ignores `MaxDelaySeconds` and `JitterStrategy`. Executions that were turned away together then come back
together, for ever, and of a burst some are left over: lesson 14.

Run as a file and not as a module: the emulator runs in a folder of its own. `python -P local/engine.py`
"""

from __future__ import annotations

import importlib
import random
import threading
from collections.abc import Callable
from typing import Any

# What of MiniStack's engine is replaced, and why. A version that renames one of these fails here, by name.
RETRIER = "_find_matching_retrier"  # says which retrier is due: it is asked before each wait
SLEEP = "_scaled_sleep"  # waits, for retries as for everything else


def wait_seconds(retrier: dict[str, Any], retries: int, uniform: Callable[[float, float], float]) -> float:
    """How long to wait before the next attempt, when there were so many `retries` before it.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error
    """
    longest = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** retries
    longest = min(longest, float(retrier.get("MaxDelaySeconds", longest)))
    return uniform(0, longest) if retrier.get("JitterStrategy") == "FULL" else longest


def wait_as_aws(engine: Any, uniform: Callable[[float, float], float] = random.uniform) -> None:
    """Make MiniStack's workflow engine honour jitter and the cap of a retry.

    Raises AttributeError when it has not got what is replaced.
    """
    find, sleep = getattr(engine, RETRIER), getattr(engine, SLEEP)
    due = threading.local()  # each branch of an execution waits in a thread of its own

    def find_and_remember(retriers: Any, error: str, counts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, counts)
        due.seconds = None if retrier is None else wait_seconds(retrier, counts.get(index, 0), uniform)
        return retrier, index

    def wait(seconds: float) -> None:
        remembered = getattr(due, "seconds", None)
        due.seconds = None
        sleep(seconds if remembered is None else remembered)

    setattr(engine, RETRIER, find_and_remember)
    setattr(engine, SLEEP, wait)


if __name__ == "__main__":
    wait_as_aws(importlib.import_module("ministack.services.stepfunctions"))
    importlib.import_module("ministack.app").main()
