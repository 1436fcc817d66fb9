"""A cold start, in a process of its own: import a handler, hand it an event, and stop before the first request leaves.

Run as a file, by cold_start.py, with nothing on the path but what Lambda has there. The first argument is JSON:
`runtime` and `artifact` (folders), `handler` (as the template names it) and `event`. Without a handler it creates
boto3's client, with which everything is compared. It prints JSON on its last line.
"""

import gc
import json
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


def stop(*_: Any, **__: Any) -> None:
    """In the place of what sends a request."""
    raise FirstRequest


def main() -> None:
    """Measure one cold start and print what it took."""
    order = json.loads(sys.argv[1])
    sys.path.append(order["runtime"])
    # By the time Lambda loads the handler, its own client has been loaded, and with it parts of the standard library.
    # Nothing of the artifact has.
    import awslambdaric.bootstrap  # noqa: F401

    sys.path.insert(0, order["artifact"])
    before, looked = set(sys.modules), collections()
    cpu = time.process_time_ns()
    if order["handler"]:
        invoke(order["handler"], order["event"])
    elif order["boto3"]:
        import boto3

        boto3.client("dynamodb")
    else:
        import botocore.session

        botocore.session.get_session().create_client("dynamodb")
    cpu, looked = time.process_time_ns() - cpu, collections() - looked
    imported = sorted(set(sys.modules) - before)
    answer = {"cpu_ms": cpu / 1e6, "modules": imported, "compiled": compiled(imported), "collections": looked}
    print(json.dumps(answer))


def collections() -> int:
    """How often garbage has been looked for."""
    return sum(generation["collections"] for generation in gc.get_stats())


def invoke(path: str, event: Any) -> None:
    """Import the handler and run it up to its first request."""
    import importlib

    module, name = path.rsplit(".", 1)
    handler = getattr(importlib.import_module(module), name)
    import urllib3.connectionpool  # botocore's and Stripe's; loaded by now

    urllib3.connectionpool.HTTPConnectionPool.urlopen = stop  # type: ignore[assignment]
    try:
        handler(event, Context())
    except FirstRequest:
        return
    raise SystemExit(f"{path} came to its end without a request")


def compiled(modules: list[str]) -> list[str]:
    """The modules that had no bytecode and were compiled."""
    from pathlib import Path

    specs = [getattr(sys.modules[name], "__spec__", None) for name in modules]
    cached = {spec.name: spec.cached for spec in specs if spec and spec.cached}
    return [name for name, path in cached.items() if not Path(path).exists()]


if __name__ == "__main__":
    main()
