"""One handler in a process of its own, measured: `bench.warm` starts it. It imports nothing before the handler does."""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path


class _Context:
    """The handler's `context`."""

    function_name = "bench"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    aws_request_id = "01234567-89ab-cdef-0123-456789abcdef"

    def get_remaining_time_in_millis(self) -> int:
        return 5000


def measure(handler: str, warm_up: int, samples: int, calls: int) -> None:
    """Invoke `handler` cold, `warm_up` times, and then `samples` times `calls` times.

    Reads `{"event", "answer"}` from standard input, writes milliseconds of CPU time of one invocation as
    `{"warm", "cold"}` to standard output. Raises RuntimeError for an answer other than `answer`.
    """
    given, found = json.load(sys.stdin), sys.stdout
    event = given["event"]
    os.environ["_X_AMZN_TRACE_ID"] = "Root=1-67e1f2a3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
    with Path(os.devnull).open("w") as sys.stdout:
        module, name = handler.rsplit(".", 1)
        begun = time.process_time()
        with _as_installed(handler):
            function = getattr(importlib.import_module(module), name)
        answer = function(event, _Context())
        cold = time.process_time() - begun
        for _ in range(warm_up):
            if answer != given["answer"]:
                raise RuntimeError(f"answers {answer} and not {given['answer']}")
            answer = function(event, _Context())
        taken = []
        for _ in range(samples):
            begun = time.process_time()
            for _ in range(calls):
                function(event, _Context())
            taken.append((time.process_time() - begun) / calls)
    json.dump({"warm": statistics.median(taken) * 1000, "cold": cold * 1000}, found)


def _as_installed(handler: str) -> AbstractContextManager[None]:
    """The usual handlers need the X-Ray SDK; where it is missing, they go without traces."""
    if not handler.startswith("bench.usual."):
        return nullcontext()
    from bench.usual.untraced import installed, untraced

    return nullcontext() if installed() else untraced()


if __name__ == "__main__":
    measure(sys.argv[1], *map(int, sys.argv[2:]))
