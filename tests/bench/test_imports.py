"""What a cold start imports. The counts are the gate: an import too many fails here, and no machine is slow enough to
hide it.

The handlers' sources and the packages that the artifact would bring, on the path that Lambda would have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import cold_start
from bench.cold_start import HANDLERS, Built, Subject
from local.stack import ROOT

# Modules beyond the standard library's that Lambda's own client has loaded already. Raise a number only for a reason.
# email-validator and idna are 13 of validate's and notify's: an address that SES refuses would need a person.
# Of api's and returns', 66 are Powertools' event handler, whose package brings those of all services, and 30 are
# asyncio, for that. What ship has more than enlist is its own, and half of that is who waits and what stands.
MODULES = {
    "publish": 307,
    "validate": 378,
    "inventory": 310,
    "payment": 311,
    "notify": 408,
    "sweep": 307,
    "api": 489,
    "approve": 309,
    "ask": 314,
    "enlist": 307,
    "ship": 319,
    "returns": 493,
    "webhooks": 323,
}

# `boto3` brings s3transfer and multiprocessing along; only Powertools' idempotency insists on it.
FORBIDDEN = {"aws_xray_sdk", "boto3", "dns", "moto", "pydantic", "requests", "s3transfer", "stripe"}
# Of pydantic, webhooks has the core only, which reads JSON.
ALLOWED = {
    "validate": {"pydantic"},
    "api": {"pydantic"},
    "returns": {"pydantic"},
    "notify": {"boto3", "s3transfer"},
}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    artifact = tmp_path_factory.mktemp("artifact")
    locked = (ROOT / "functions" / "requirements.txt").read_text()
    cold_start.link(re.findall(r"^([\w-]+)==", locked, re.MULTILINE), artifact)
    for source in (ROOT / "functions").iterdir():
        if source.is_dir():
            (artifact / source.name).symlink_to(source)
    built = Built(artifact, artifact, artifact, artifact)
    # Under the name of an artifact without bytecode: in the repository there may be some or not.
    return {
        name: subject
        for subject in cold_start.all_subjects(built)
        for name in HANDLERS
        if subject.name == name + cold_start.PLAIN
    }


@pytest.fixture(scope="module")
def runtime() -> Iterator[Path]:
    with cold_start.runtime_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def started(subjects: dict[str, Subject], runtime: Path) -> dict[str, Any]:
    """What each handler's cold start reports."""
    return {name: cold_start.start(subject, runtime) for name, subject in subjects.items()}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_imports_no_more_than_it_did(name: str, started: dict[str, Any]) -> None:
    assert len(started[name]["modules"]) <= MODULES[name]


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_imports_nothing_large_that_it_does_not_need(name: str, started: dict[str, Any]) -> None:
    packages = {module.partition(".")[0] for module in started[name]["modules"]}

    assert packages & FORBIDDEN == ALLOWED.get(name, set())


@pytest.mark.parametrize("name", HANDLERS)
def test_no_garbage_is_looked_for_while_a_handler_starts(name: str, started: dict[str, Any]) -> None:
    assert started[name]["collections"] <= 3  # before the first of our lines runs
