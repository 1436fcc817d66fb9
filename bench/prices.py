"""From counts to dollars, by the dated list in prices.toml, which says where each price is from."""

from __future__ import annotations

import functools
import math
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.meter import Tally
from bench.template import Settings
from bench.units import Units

MILLION = 1_000_000
WORKFLOWS, PROCESSORS = ("STANDARD", "EXPRESS"), ("x86_64", "arm64")

STEPS_OF_CANCELS = {"release": "reserve", "void": "capture"}  # these are not measured; the most similar step that is


@dataclass(frozen=True)
class Cpu:
    """Milliseconds of CPU time of one step: a warm invocation (the median of its processes' medians, the lowest and
    the highest of them), and a cold one (import, clients, first invocation).
    """

    warm: float
    lowest: float
    highest: float
    cold: float


@dataclass(frozen=True)
class Bill:
    """US dollars for a million orders, by what they are for. `emails` and `provider` are not in the total."""

    workflow: float
    lambda_requests: float
    lambda_duration: float
    cold_starts: float
    writes: float
    reads: float
    events: float
    logs: float
    traces: float
    alerts: float
    calls: float  # of the API
    keys: float  # KMS, and Secrets Manager
    emails: float
    provider: float

    @property
    def total(self) -> float:
        """Besides emails and payment fees."""
        return float(sum(asdict(self).values())) - self.emails - self.provider


@functools.cache
def listed() -> dict[str, Any]:
    """prices.toml."""
    return tomllib.loads((Path(__file__).parent / "prices.toml").read_text("utf-8"))


def assumed(name: str) -> Any:
    """What a run can't measure and the bill depends on."""
    return listed()["assumptions"][name]


def usd(name: str) -> float:
    """The price of one."""
    return float(listed()["prices"][name]["usd"])


def units(used: Units) -> float:
    """DynamoDB's part of the bill, in dollars."""
    return used.writes * usd("write_unit") + used.reads * usd("read_unit")


def slowness(settings: Settings) -> float:
    """How many times longer a function computes than the core that measured, for its share of a processor."""
    return max(1.0, float(assumed("full_cpu_mb")) / settings.memory)


def bill(tally: Tally, cpu: dict[str, Cpu], workflow: str, processor: str) -> Bill:
    """A million orders like those of the run."""
    chosen, scale = tally.settings, MILLION / tally.orders
    slower = slowness(chosen)
    billed_ms = cold_ms = secrets = 0.0
    for step, count in tally.invocations.items():
        known, recording = cpu[STEPS_OF_CANCELS.get(step, step)], tally.recordings[step]
        waits = sum(_wait(one.service, one.operation) for one in recording.each_time)
        billed_ms += count * math.ceil(known.warm * slower + waits + assumed("runtime_ms"))
        cold_ms += count * assumed("cold_share") * (known.cold - known.warm) * slower
        secrets += count * assumed("cold_share") * len(recording.once)
    gb_second = chosen.memory / 1024 / 1000 * usd(f"lambda_gb_second_{processor}")
    # Where traces begin: with who reads a stream, and who is called, for API Gateway records none of an HTTP API's.
    roots = (tally.invocations["publish"] + tally.invocations["enlist"] + tally.calls) / tally.orders
    recorded = chosen.traced * traces(roots, assumed("rate"))
    return Bill(
        workflow=scale * _workflow(tally, workflow, billed_ms),
        lambda_requests=scale * tally.invocations.total() * usd("lambda_request"),
        lambda_duration=scale * billed_ms * gb_second,
        cold_starts=scale * cold_ms * gb_second,
        writes=scale * tally.own_units.writes * usd("write_unit"),
        reads=scale * tally.own_units.reads * usd("read_unit"),
        events=scale * tally.events * usd("event"),
        logs=scale * tally.log_bytes.total() / 1e9 * usd("log_gb"),
        traces=MILLION * recorded * usd("trace"),
        alerts=scale
        * (tally.alerts * usd("notification") + tally.requests_of("sqs.SendMessage") * usd("queue_request")),
        calls=scale * tally.calls * usd("api_call"),
        keys=scale * (tally.requests_of("kms.*") * usd("key_request") + secrets * usd("secret_request")),
        emails=scale * tally.requests_of("sesv2.SendEmail") * usd("email"),
        provider=scale * units(tally.provider_units),
    )


def _wait(service: str, operation: str) -> float:
    """Milliseconds until an answer comes. Raises KeyError for a service that nothing is assumed of."""
    waits: dict[str, float] = assumed("wait_ms")
    return waits.get(f"{service}.{operation}") or waits[service]


def _workflow(tally: Tally, workflow: str, billed_ms: float) -> float:
    """All executions of a run. An Express execution is taken to last as long as all invocations one after another."""
    if workflow == "STANDARD":
        return tally.transitions.total() * usd("transition")
    lasts = (billed_ms + assumed("state_ms") * tally.transitions.total()) / tally.executions
    gb = 64 * math.ceil(assumed("express_base_mb") / 64) / 1024  # definition and data take some ten KB
    seconds = math.ceil(lasts / 100) / 10
    return tally.executions * float(usd("express_request") + gb * seconds * usd("express_gb_second"))


def traces(roots: float, rate: float) -> float:
    """Traces that are recorded for each order, each of which begins `roots` of them, at `rate` orders a second."""
    begun = roots * rate
    first = min(begun, assumed("trace_reservoir"))
    return float((first + assumed("trace_share") * (begun - first)) / rate)
