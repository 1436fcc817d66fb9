"""A handler in a process of its own, as Lambda would start it: from nothing to its first request, or warm.

It is run as a file, and imports nothing that the handler might. Standard input has what to do, as JSON; the last line
of standard output has what was found.

Without `answer`, it is a cold start: `{"runtime", "artifact"}` are folders to import from, and `{"handler", "event"}`
is run until its first request would leave. Without a handler it creates a client (`"client": "boto3"` or "botocore"),
with which everything is compared.

With `answer`, `{"handler", "event", "time"}` is invoked again and again, and has to answer that. `time` is when it was
recorded, in seconds since 1970. `{"warm_up", "samples", "calls"}` say how often: invocations before, samples, and
invocations in a sample.
"""

import gc
import importlib
import json
import os
import re
import sys
import time
from typing import Any


class FirstRequest(BaseException):
    """Not an Exception, so that no `except Exception` on the way catches it."""


class Context:
    """What handlers and libraries read of Lambda's context."""

    function_name = "function"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    memory_limit_in_mb = 512
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    log_group_name = log_stream_name = "function"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Milliseconds until Lambda would stop the invocation."""
        return 5000


def main() -> None:
    """Do what standard input says, and print what it took."""
    order = json.load(sys.stdin)
    print(json.dumps(warm(order) if "answer" in order else cold(order)))


def handler_of(order: dict[str, Any]) -> Any:
    """Import the handler."""
    module, name = order["handler"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


# ── Cold ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cold(order: dict[str, Any]) -> dict[str, Any]:
    """CPU milliseconds, the modules imported, those of them without bytecode, and how often garbage was looked for."""
    sys.path.append(order["runtime"])
    # By the time Lambda loads the handler, its own client has been loaded, and with it parts of the standard library.
    # Nothing of the artifact has.
    import awslambdaric.bootstrap  # noqa: F401

    sys.path.insert(0, order["artifact"])
    before, looked = set(sys.modules), collections()
    cpu = time.process_time_ns()
    if order.get("handler"):
        run_to_first_request(order)
    elif order["client"] == "boto3":
        import boto3

        boto3.client("dynamodb")
    else:
        import botocore.session

        botocore.session.get_session().create_client("dynamodb")
    cpu, looked = time.process_time_ns() - cpu, collections() - looked
    imported = sorted(set(sys.modules) - before)
    return {"cpu_ms": cpu / 1e6, "modules": imported, "compiled": compiled(imported), "collections": looked}


def run_to_first_request(order: dict[str, Any]) -> None:
    """Import the handler and invoke it. Raises SystemExit when it makes no request."""

    def stop(*_: Any, **__: Any) -> None:
        raise FirstRequest

    handler = handler_of(order)
    import urllib3.connectionpool  # botocore's and Stripe's; loaded by now

    urllib3.connectionpool.HTTPConnectionPool.urlopen = stop  # type: ignore[assignment]
    try:
        handler(order["event"], Context())
    except FirstRequest:
        return
    raise SystemExit(f"{order['handler']} came to its end without a request")


def collections() -> int:
    """How often garbage has been looked for."""
    return sum(generation["collections"] for generation in gc.get_stats())


def compiled(modules: list[str]) -> list[str]:
    """The modules that had no bytecode and were compiled."""
    from pathlib import Path

    specs = [getattr(sys.modules[name], "__spec__", None) for name in modules]
    cached = {spec.name: spec.cached for spec in specs if spec and spec.cached}
    return [name for name, path in cached.items() if not Path(path).exists()]


# ── Warm ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def warm(order: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of CPU time of an invocation: the first one with its imports (`cold`), and the median of the samples
    (`warm`). Raises SystemExit for an answer other than `answer`, whatever times are in it.
    """
    from contextlib import redirect_stdout
    from pathlib import Path

    go_back_to(order["time"])
    with Path(os.devnull).open("w") as nobody, redirect_stdout(nobody):
        begun = time.process_time()
        handler = handler_of(order)
        answer = handler(order["event"], Context())
        cold = time.process_time() - begun
        for _ in range(order["warm_up"]):
            if timeless(answer) != timeless(order["answer"]):
                raise SystemExit(f"{order['handler']} answers {answer} and not {order['answer']}")
            answer = handler(order["event"], Context())
        taken = []
        for _ in range(order["samples"]):
            begun = time.process_time()
            for _ in range(order["calls"]):
                handler(order["event"], Context())
            taken.append((time.process_time() - begun) / order["calls"])
    return {"warm": 1000 * sorted(taken)[len(taken) // 2], "cold": 1000 * cold}


def timeless(answer: Any) -> str:
    """An answer without the times of day in it: `datetime` knows no other clock than the machine's."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*", "", json.dumps(answer))


def go_back_to(moment: float) -> None:
    """Let handlers see the time at which the event was recorded: an old order is none to tell the customer of. To
    sleep takes no CPU time, and here no time at all.
    """
    now = time.time
    ahead = moment - now()

    def sleep(seconds: Any) -> None:
        nonlocal ahead
        ahead += seconds

    time.time, time.sleep = lambda: now() + ahead, sleep


if __name__ == "__main__":
    main()
