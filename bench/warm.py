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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.figures import Figure, Progress, Section
from bench.meter import Recording
from bench.usual.untraced import installed
from simulation.world import world

ROOT = Path(__file__).parents[1]
PROCESSES = 3  # for each handler and design
WARM_UP, SAMPLES, CALLS = 50, 15, 10  # in each process: calls before, samples, calls in a sample

NAMES = ("STOCK_SHARDS", "_TABLE", "QUEUE_URL", "BUS_NAME", "SENDER_EMAIL")  # ends of the variables that name resources
STEPS = ("publish", "validate", "reserve", "authorize", "capture", "notify")
HANDLERS = {
    "pipeline": {
        "publish": "publish.app.handler",
        "validate": "validate.app.handler",
        "reserve": "inventory.app.handler",
        "authorize": "payment.app.handler",
        "capture": "payment.app.handler",
        "notify": "notify.app.handler",
    },
    "usual": {
        "publish": "bench.usual.app.publish",
        "validate": "bench.usual.app.validate",
        "reserve": "bench.usual.app.change_stock",
        "authorize": "bench.usual.app.pay",
        "capture": "bench.usual.app.pay",
        "notify": "bench.usual.app.notify",
    },
}


@dataclass(frozen=True)
class Cpu:
    """Milliseconds of CPU time of one step: a warm invocation (the median of its processes' medians, the lowest and
    the highest of them), and a cold one (import, clients, first invocation).
    """

    warm: float
    lowest: float
    highest: float
    cold: float


def measure(progress: Progress) -> Section:
    """The section for the report."""
    from bench import cost

    tallies, cpu = cost.tallies(progress), measured(progress)
    section = Section("Warm path")
    for step in STEPS:
        ours, theirs = cpu["pipeline"][step], cpu["usual"][step]
        section.figures.append(
            Figure(f"CPU of {step}", ours.warm, "ms", None, theirs.warm, "usual design", (ours.lowest, ours.highest))
        )
    ours_all, theirs_all = (sum(cpu[design][step].warm for step in STEPS) for design in ("pipeline", "usual"))
    section.figures.append(Figure("CPU of these six, to the usual design's", ours_all / theirs_all, "ratio"))
    for name, count in cost.counts(tallies["pipeline"]).items():
        usual = cost.counts(tallies["usual"])[name]
        section.figures.append(Figure(f"{name} per order", count, "", None, usual, "usual design"))
    section.series["requests"] = {name: cost.requests(tally) for name, tally in tallies.items()}
    section.series["units"] = {name: cost.units_by_table(tally) for name, tally in tallies.items()}
    section.series["cpu_ms"] = {
        design: {step: asdict(value) for step, value in steps.items()} for design, steps in cpu.items()
    }
    section.notes.append(
        "CPU time of the process: handler and whole SDK against a server on loopback, without TLS and without waiting. "
        f"Median of {PROCESSES} processes of {SAMPLES * CALLS} invocations, then the lowest and the highest process."
    )
    if not installed():
        section.notes.append(
            "The X-Ray SDK is not installed here, so the usual design was measured without its Tracer: it takes more."
        )
    return section


@functools.cache
def measured(progress: Progress) -> dict[str, dict[str, Cpu]]:
    """CPU by design and step; measured once in a process."""
    from bench import cost

    tallies = cost.tallies(progress)
    samples: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(PROCESSES):
        for step in STEPS:
            for design in HANDLERS:
                progress(f"CPU of {step}, {design}, {number + 1} of {PROCESSES}")
                recording = tallies[design].recordings[step]
                exchanges = [(e.operation, e.status, e.content.decode()) for e in recording.exchanges]
                with _playing(exchanges) as url:
                    found = _child(HANDLERS[design][step], recording, url)
                samples.setdefault((design, step), []).append(found)
    return {design: {step: _summary(samples[design, step]) for step in STEPS} for design in HANDLERS}


def _summary(found: list[dict[str, float]]) -> Cpu:
    warm = sorted(one["warm"] for one in found)
    return Cpu(statistics.median(warm), warm[0], warm[-1], statistics.median(one["cold"] for one in found))


@contextmanager
def _playing(exchanges: list[tuple[str, int, str]]) -> Iterator[str]:
    """A server that repeats the recorded answers, and answers no request that was not recorded."""
    turn = 0

    class Player(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            nonlocal turn
            self.rfile.read(int(self.headers["Content-Length"]))
            operation, status, content = exchanges[turn % len(exchanges)]
            turn += 1
            asked = self.headers.get("X-Amz-Target", "x.SendEmail").rsplit(".", 1)[-1]
            if asked != operation:
                status, content = 400, json.dumps({"__type": f"Expected{operation}Got{asked}", "message": ""})
            body = content.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Player)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _child(handler: str, recording: Recording, url: str) -> dict[str, float]:
    """Measure a handler in a process of its own.

    Raises RuntimeError when the handler fails, or answers differently than when it was recorded.
    """
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "x" * 400,  # a role's credentials have one
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
        "AWS_LAMBDA_FUNCTION_NAME": handler.split(".", maxsplit=1)[0],
        "LAMBDA_TASK_ROOT": str(ROOT / "functions"),
        "POWERTOOLS_SERVICE_NAME": handler.split(".", maxsplit=1)[0],
        "POWERTOOLS_METRICS_NAMESPACE": "Orders",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        # The names that are in what was recorded.
        **{name: value for name, value in world().stack.environment.items() if name.endswith(NAMES)},
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.invocation", handler, *map(str, (WARM_UP, SAMPLES, CALLS))],
        input=json.dumps({"event": recording.event, "answer": recording.answer}),
        capture_output=True,
        text=True,
        env=variables,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{handler}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
