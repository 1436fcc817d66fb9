"""The warm path: an invocation's CPU time, requests and DynamoDB units, compared with the usual design.

The handlers run as they are deployed, in processes of their own and with the whole SDK: serializing, signing, HTTP over
a connection that is kept, parsing. A server on the loopback plays back what the same invocation was answered in the
metered run. So the process's own CPU time is measured, without TLS, the runtime's loop around the handler, and waiting.
Processes of the two designs alternate.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench import runs, sandbox, simulated
from bench.figures import Figure, Progress, Section
from bench.log_lines import TRACE_ID
from bench.meter import Exchange, Recording
from bench.prices import Cpu
from bench.usual.design import stand_in
from local.stack import ROOT, Problem

DESIGNS = ("pipeline", "usual")
STEPS = ("publish", "validate", "reserve", "authorize", "capture", "notify")
PROCESSES = 3  # for each handler and design
WARM_UP, SAMPLES, CALLS = 50, 15, 10  # in each process: calls before, samples, calls in a sample


def measure(progress: Progress) -> Section:
    """The section for the report."""
    tallies, cpu = runs.tallies(progress), measured(progress)
    ours, theirs = (cpu[design] for design in DESIGNS)
    section = Section("Warm path")
    for step in STEPS:
        spread = (ours[step].lowest, ours[step].highest)
        figure = Figure(f"CPU of {step}", ours[step].warm, "ms", None, theirs[step].warm, "usual design", spread)
        section.figures.append(figure)
    all_ours, all_theirs = (sum(one.warm for one in steps.values()) for steps in (ours, theirs))
    section.figures.append(Figure("CPU of these six, to the usual design's", all_ours / all_theirs, "ratio"))
    usual = tallies["usual"].counts()
    section.figures += [
        Figure(f"{name} per order", count, "", None, usual[name], "usual design")
        for name, count in tallies["pipeline"].counts().items()
    ]
    section.series = {
        "requests": {name: tally.each_request() for name, tally in tallies.items()},
        "units": {name: tally.units_by_table() for name, tally in tallies.items()},
        "cpu_ms": {design: {step: asdict(one) for step, one in steps.items()} for design, steps in cpu.items()},
    }
    section.notes.append(
        "CPU time of the process: handler and whole SDK against a server on loopback, without TLS and without waiting. "
        f"Median of {PROCESSES} processes of {SAMPLES * CALLS} invocations, then the lowest and the highest process."
    )
    return section


@functools.cache
def measured(progress: Progress) -> dict[str, dict[str, Cpu]]:
    """CPU by design and step; measured once in a process. Raises Problem as `replayed` does."""
    tallies = runs.tallies(progress)
    found: defaultdict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for number in range(PROCESSES):
        for step in STEPS:
            for design in DESIGNS:
                progress(f"CPU of {step}, {design}, {number + 1} of {PROCESSES}")
                found[design, step].append(replayed(design, tallies[design].recordings[step]))
    return {design: {step: summary(found[design, step]) for step in STEPS} for design in DESIGNS}


def summary(found: Sequence[dict[str, float]]) -> Cpu:
    """Of several processes of one step."""
    warm = sorted(one["warm"] for one in found)
    return Cpu(statistics.median(warm), warm[0], warm[-1], statistics.median(one["cold"] for one in found))


def replayed(
    design: str, recording: Recording, warm_up: int = WARM_UP, samples: int = SAMPLES, calls: int = CALLS
) -> dict[str, float]:
    """Invoke a handler again and again in a process of its own: what sandbox.py measures.

    Raises Problem when the handler fails, or asks or answers anything else than when it was recorded.
    """
    handler = stand_in(recording.handler) if design == "usual" else recording.handler
    order = {
        "handler": handler,
        "event": recording.event,
        "answer": recording.answer,
        "time": recording.time,
        "warm_up": warm_up,
        "samples": samples,
        "calls": calls,
    }
    service = handler.split(".", maxsplit=1)[0]
    with _playing(recording) as url:
        variables = {
            **simulated.variables(),  # the names that are in what was recorded
            **recording.variables,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_SESSION_TOKEN": "x" * 400,  # a role's credentials have one
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url,
            "AWS_LAMBDA_FUNCTION_NAME": service,
            "LAMBDA_TASK_ROOT": str(ROOT / "functions"),
            "POWERTOOLS_SERVICE_NAME": service,
            "POWERTOOLS_METRICS_NAMESPACE": "Orders",
            "_X_AMZN_TRACE_ID": TRACE_ID,
        }
        command = [sys.executable, "-P", sandbox.__file__]
        done = subprocess.run(
            command, input=json.dumps(order), env=variables, cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Problem(f"{handler} does not do what it did when it was recorded:\n\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def _playing(recording: Recording) -> Iterator[str]:
    """A server that repeats the recorded answers, and answers no request that was not recorded. What only a new
    sandbox asks for is answered out of turn.
    """
    turn, exchanges = 0, recording.each_time
    once: dict[str, Exchange] = {one.operation: one for one in recording.once}

    class Player(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            nonlocal turn
            self.rfile.read(int(self.headers["Content-Length"]))
            asked = self.headers.get("X-Amz-Target", "x.SendEmail").rsplit(".", 1)[-1]
            recorded = once.get(asked, exchanges[turn % len(exchanges)])
            turn += asked not in once
            status, body = recorded.status, recorded.content
            if asked != recorded.operation:
                status = 400
                body = json.dumps({"__type": f"Expected{recorded.operation}Got{asked}", "message": ""}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Player)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
