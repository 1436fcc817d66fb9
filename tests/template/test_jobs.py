"""The jobs' code and their image, beside what the template gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.template.jobs import Job, jobs_of
from tests.template.stack import ROOT, by_default

JOBS = ROOT / "jobs"
# What a step asks of AWS, by the function that makes the client.
REQUESTS = {
    "dynamodb": {"batch_get_item", "describe_table", "get_item", "put_item", "query", "scan", "update_item"},
    "events": {"put_events"},
    "functions": {"invoke"},
    "s3": {"delete_objects", "get_object", "list_objects_v2", "put_object"},
    "secrets": {"get_secret_value"},
    "workflows": {"describe_execution"},
}
REPAIR = {"repair.py"}  # and what it shares with the others


def modules() -> list[Path]:
    return sorted(JOBS.glob("*.py"))


def requests(path: Path) -> Iterator[tuple[str, str]]:
    """Each request in a module: whose client, and which. A paginator's name is the request that it repeats."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id=client) | ast.Attribute(attr=client), args=[]), attr=request
                ),
                args=arguments,
            ) if client in REQUESTS:
                named = [each.value for each in arguments if isinstance(each, ast.Constant)]
                yield client, str(named[0]) if request == "get_paginator" else request


def test_every_request_of_the_jobs_is_one_that_their_roles_are_held_against() -> None:
    found: dict[str, set[str]] = {}
    for path in modules():
        for client, request in requests(path):
            found.setdefault(client, set()).add(request)
    assert found == REQUESTS, "say in tests/template/jobs.py what it needs, and here that it is asked"


def variables(paths: list[Path]) -> set[str]:
    """The variables that modules name, all of which end with what they are."""
    named = re.compile(r'"([A-Z]+(?:_[A-Z]+)*_(?:TABLE|BUCKET|ARN|DAYS|ZONE|CONTAINER|UNITS|FUNCTION|NAME))"')
    return {name for path in paths for name in named.findall(path.read_text("utf-8"))}


@pytest.fixture(params=["BooksJob", "BooksRepairJob"])
def job(request: pytest.FixtureRequest) -> Job:
    return jobs_of(by_default("books"))[request.param]


def test_the_jobs_get_exactly_the_variables_that_their_code_reads() -> None:
    given = {one.id: {each["Name"] for each in one.variables} for one in jobs_of(by_default("books")).values()}
    by_botocore = {"AWS_ENDPOINT_URL"}
    assert given["BooksJob"] | given["BooksRepairJob"] == variables(modules()) | by_botocore
    own = {"PAYMENT_FUNCTION", "EVENT_BUS_NAME"}
    assert given["BooksRepairJob"] & own == own
    assert given["BooksJob"] & own == set()
    assert own <= variables([path for path in modules() if path.name in REPAIR])


# ── The image ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_image_has_the_python_that_everything_is_tested_with() -> None:
    dockerfile = (JOBS / "Dockerfile").read_text("utf-8")
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    assert {*re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)} == {f"python:{version}-slim"}


def test_the_image_takes_what_runs_in_it_and_nothing_else() -> None:
    dockerfile = (JOBS / "Dockerfile").read_text("utf-8")
    taken = {source.partition("/")[0] for source in re.findall(r"^COPY (\w[\w./]*) ", dockerfile, re.MULTILINE)}
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    assert taken == {line[1:].rstrip("/") for line in ignored if line.startswith("!")}
    assert taken == {"functions", "invariants", "jobs"}


def test_what_is_installed_is_known_to_the_byte_wherever_it_comes_from() -> None:
    locked = (JOBS / "requirements.txt").read_text("utf-8")
    assert "--require-hashes" in (JOBS / "Dockerfile").read_text("utf-8")
    assert "://" not in locked
    pinned = re.findall(r"^([\w.-]+)==\S+ \\\n    --hash=sha256:", locked, re.MULTILINE)
    assert {"boto3", "duckdb", "jinja2"} <= {*pinned}
    # The same versions as in the tests.
    tested = (ROOT / "requirements-dev.txt").read_text("utf-8")
    for line in re.findall(r"^\S+==\S+", locked, re.MULTILINE):
        assert f"{line} " in tested, line
