"""Cold starts: what runs in a fresh sandbox before its first request, compared with what people would use instead.

What is measured is the artifact that `make build` makes, on the Python that Lambda runs, in a new process each time.
The path holds two folders, as on Lambda: the artifact, and what the runtime brings (boto3 and what it needs, Lambda's
own client), taken from the development environment. The artifact's copies of urllib3 and jmespath come first there and
here. The runtime's packages have bytecode. The artifact has it too, or none at all, as `sam build` leaves it.

Before and after each process, another one runs `import boto3; boto3.client("dynamodb")`. The figure is the median of
the ratios to the mean of these two: a machine's speed changes from second to second, and processes that run one after
another see the same speed. CPU time is compared. Nothing waits before the first request, so on an idle machine that is
the time that passes.
"""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from artifact.build import build_for_lambda
from artifact.bytecode import compile_artifact
from bench import template
from bench.figures import Figure, Progress, Section
from local.stack import ROOT, STATE, Problem

WORK = STATE / "bench"
USUAL = ROOT / "bench" / "usual"

# boto3 and what it needs, then Lambda's own client and what that needs.
RUNTIME = (
    *("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
)

BUDGET_SECONDS = 120
MINIMUM = 2  # starts of each, also when they take longer than that

Answer = dict[str, Any]  # what sandbox.py prints


@dataclass(frozen=True)
class Subject:
    """What is started: `handler` from `artifact`, with the variables that the template gives to `function`."""

    name: str
    artifact: Path
    handler: str = ""
    function: str = ""
    event: Any = None
    target: float | None = None
    every: int = 1  # it takes part in one round of so many; what has no target needs fewer


@dataclass
class Measured:
    """A subject's CPU milliseconds, and their ratios to those of the clients created before and after it."""

    cpu_ms: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)


NO_ARTIFACT = Path("/nonexistent")
CLIENT = Subject("boto3's client", NO_ARTIFACT)

# The event that a function is started with, where it is not the first of its folder by name.
EVENTS = {
    "publish": "order-placed",
    "validate": "valid",
    "inventory": "reserve",
    "payment": "authorize",
    "notify": "confirmed",
    "api": "place",
}
# Of its start, in starts of a client alone.
LIMIT, LIMITS = 1.10, {"validate": 1.40, "api": 1.60, "returns": 1.60}


def _handlers() -> dict[str, tuple[str, str, float]]:
    """Each function of every template, by its folder: its logical name, its event, as a path in events/, and its
    limit. Where two stacks deploy a folder, the pipeline's.
    """
    found: dict[str, tuple[str, str, float]] = {}
    for function, properties in template.functions().items():
        folder = properties["Handler"].partition(".")[0]
        event = EVENTS.get(folder) or min((ROOT / "events" / folder).glob("*.json")).stem
        found.setdefault(folder, (function, f"{folder}/{event}.json", LIMITS.get(folder, LIMIT)))
    return found


HANDLERS = _handlers()


def measure(progress: Progress) -> Section:
    """Build, start each handler again and again, and compare. Raises Problem when something can't be built."""
    progress("building what is deployed")
    built = build_artifacts(progress)
    subjects = list(all_subjects(built))
    measured = {subject.name: Measured() for subject in [CLIENT, *subjects]}
    rounds = MINIMUM * max(subject.every for subject in subjects)
    with runtime_folder() as runtime:
        deadline = time.monotonic() + BUDGET_SECONDS
        turn = 0
        while turn < rounds or time.monotonic() < deadline:
            before = start(CLIENT, runtime)
            for subject in subjects:
                if turn % subject.every == 0:
                    progress(f"{subject.name}, start {turn // subject.every + 1}")
                    answer = start(subject, runtime)
                    after = start(CLIENT, runtime)
                    add(measured[subject.name], answer, before, after)
                    add(measured[CLIENT.name], after, after, after)
                    before = after
            turn += 1
    return report(subjects, measured, built)


def add(measured: Measured, answer: Answer, before: Answer, after: Answer) -> None:
    """Hold a process against its neighbours."""
    measured.cpu_ms.append(answer["cpu_ms"])
    measured.ratios.append(2 * answer["cpu_ms"] / (before["cpu_ms"] + after["cpu_ms"]))
    measured.modules = answer["modules"]


@dataclass(frozen=True)
class Built:
    """The artifacts: ours and the usual one's, with bytecode and as `sam build` leaves them."""

    ours: Path
    ours_plain: Path
    usual: Path
    usual_plain: Path


def build_artifacts(progress: Progress) -> Built:
    """Build all four into `.local/bench`."""
    WORK.mkdir(parents=True, exist_ok=True)
    build_for_lambda(WORK / "build")
    ours = WORK / "build" / "PublishFunction"  # one artifact for all functions
    built = Built(ours, WORK / "plain", WORK / "usual", WORK / "usual-plain")
    for folder in (built.ours_plain, built.usual, built.usual_plain):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ours, built.ours_plain, ignore=shutil.ignore_patterns("__pycache__"))
    progress("building the usual application")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    options = ["--no-deps", "--require-hashes", "--target", str(built.usual_plain)]
    command = [*pip, *options, "--requirement", str(USUAL / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"The usual application could not be built:\n\n{done.stderr}")
    for package in ("payment", "orders", "aws"):  # its payment provider is ours
        shutil.copytree(ROOT / "functions" / package, built.usual_plain / package, dirs_exist_ok=True)
    shutil.copy(USUAL / "app.py", built.usual_plain / "usual_app.py")
    shutil.copytree(built.usual_plain, built.usual)
    compile_artifact(built.usual)
    return built


def all_subjects(built: Built) -> Iterator[Subject]:
    """Everything that is measured, the client without boto3 first."""
    yield Subject("botocore's client", NO_ARTIFACT, every=4)
    for suffix, ours, usual, every in (
        ("", built.ours, built.usual, 1),
        (PLAIN, built.ours_plain, built.usual_plain, 4),
    ):
        for name, (function, event, target) in HANDLERS.items():
            content = json.loads((ROOT / "events" / event).read_text())
            limit = None if suffix else target
            yield Subject(name + suffix, ours, f"{name}.app.handler", function, content, limit, every)
        yield Subject(
            USUAL_NAME + suffix,
            usual,
            "usual_app.validate",
            "ValidateFunction",
            {"order_id": "sample"},
            None,
            4,
        )


PLAIN = ", without bytecode"
USUAL_NAME = "usual handler"


def check_bytecode(subject: Subject, compiled: Sequence[str]) -> None:
    """Raises Problem when modules were compiled at start, although the artifact has bytecode for this Python."""
    if compiled:
        raise Problem(f"{subject.name} compiled {len(compiled)} modules when it started: {', '.join(compiled[:5])} …")


def start(subject: Subject, runtime: Path) -> Answer:
    """One cold start, in a process that inherits nothing from this one's environment and writes no bytecode.

    Raises Problem when it fails, or compiles what should have come as bytecode.
    """
    order = {
        "runtime": str(runtime),
        "artifact": str(subject.artifact),
        "handler": subject.handler,
        "event": subject.event,
        "client": "boto3" if subject is CLIENT else "botocore",
    }
    # -I and -S: no variable, no user's and no environment's packages. -B: the artifact's folder is read-only on Lambda.
    command = [sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("sandbox.py"))]
    variables = environment(subject)
    done = subprocess.run(command, input=json.dumps(order), env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"{subject.name} could not be started:\n\n{done.stderr[-2000:]}")
    answer: Answer = json.loads(done.stdout.splitlines()[-1])
    if not subject.name.endswith(PLAIN):
        check_bytecode(subject, answer["compiled"])
    return answer


def environment(subject: Subject) -> dict[str, str]:
    """The variables that Lambda sets and those that the template gives to the function."""
    variables = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "AWS_LAMBDA_FUNCTION_NAME": subject.function,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "LAMBDA_TASK_ROOT": str(subject.artifact),
        "_X_AMZN_TRACE_ID": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
    }
    if subject.name.startswith(USUAL_NAME):
        return {**variables, **template.variables(), "POWERTOOLS_METRICS_NAMESPACE": "orders"}
    return variables | (template.variables(subject.function) if subject.function else {})


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A folder with what the runtime brings, and nothing else of the development environment."""
    with TemporaryDirectory() as folder:
        link(RUNTIME, Path(folder))
        yield Path(folder)


def link(distributions: Iterable[str], folder: Path) -> None:
    """Link the files that these distributions have installed into `folder`."""
    for name in distributions:
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            # Packages as a whole, single modules with their bytecode, which not every installer lists.
            wanted = Path(file.parts[0])
            if wanted.name in ("..", "__pycache__") or (folder / wanted).exists():
                continue
            source = Path(str(distribution.locate_file(wanted)))
            (folder / wanted).symlink_to(source)
            if wanted.suffix == ".py":
                py_compile.compile(str(source), cache_from_source(folder / wanted), doraise=True)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies, with 95 % confidence: the order statistics of a binomial, whatever the distribution."""
    ordered = sorted(values)
    outside = max(0, int((len(ordered) - 1.96 * len(ordered) ** 0.5) / 2))
    return ordered[outside], ordered[-1 - outside]


def report(subjects: Sequence[Subject], measured: dict[str, Measured], built: Built) -> Section:
    """The figures."""
    section = Section("Cold start")
    usual = {suffix: statistics.median(measured[USUAL_NAME + suffix].ratios) for suffix in ("", PLAIN)}
    for subject in subjects:
        ratios = measured[subject.name].ratios
        figure = Figure(
            subject.name, statistics.median(ratios), "× client", subject.target, spread=median_interval(ratios)
        )
        if subject.name.removesuffix(PLAIN) in HANDLERS:
            compared = usual[PLAIN if subject.name.endswith(PLAIN) else ""]
            figure = replace(figure, compared=compared, compared_with=USUAL_NAME)
        section.figures.append(figure)
    for name, ours, plain in zip(
        ("artifact", "artifact, zipped"), size(built.ours), size(built.ours_plain), strict=True
    ):
        section.figures.append(Figure(name, ours, "MB", compared=plain, compared_with="sam build"))
    client = statistics.median(measured[CLIENT.name].cpu_ms)
    section.series = {
        "client_ms": client,
        "ratios": {name: sorted(one.ratios) for name, one in measured.items() if name != CLIENT.name},
        "modules": {name: len(one.modules) for name, one in measured.items()},
    }
    counts = [len(measured[subject.name].ratios) for subject in subjects]
    section.notes += [
        f'1.00 is `import boto3; boto3.client("dynamodb")`: {client:.0f} ms of CPU here.',
        f"Median of {min(counts)} to {max(counts)} fresh processes, with its 95 % confidence interval.",
        "Measured up to the first request: imports, clients, and what the handler does before it.",
    ]
    return section


def size(folder: Path) -> tuple[float, float]:
    """Megabytes of an artifact, unpacked and zipped as for Lambda."""
    archive = Path(shutil.make_archive(str(WORK / "artifact"), "zip", folder))
    packed = archive.stat().st_size
    archive.unlink()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, packed / 1e6
