"""A pytest plugin that records what each function asks of AWS while its unit tests run.

    python -m pytest tests/unit -p tests.recorder

tests/template/test_roles.py holds the roles against the record, and makes one by this very command when there is none
for the code as it is. The record lives in pytest's cache. Only a green run of the whole folder leaves one: a part of
the tests would leave a part of the permissions. What is exhaustive is the same once more (tests/exhaustive.py), and its
record is no other.

A request counts for the function whose module is on the stack when botocore builds it, so what a test does by itself,
such as filling a table, does not count.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import botocore.handlers
import pytest

from tests.exhaustive import LEFT_OUT

ROOT = Path(__file__).parents[1]
FUNCTIONS = ROOT / "functions"
# What functions share has no handler: the caller is whoever called it.
SHARED = {path.name for path in FUNCTIONS.iterdir() if path.is_dir() and not (path / "app.py").exists()}
UNIT_TESTS = ROOT / "tests" / "unit"
CACHE_KEY = "orders/calls"


class Call(NamedTuple):
    """One thing that a function did: an IAM action on a resource.

    A resource is named by the environment variable that held its name, because that is what the template gives the
    function (`$ORDERS_TABLE`, `$SIMULATED_GATEWAY_TABLE/index/by-order`); by its bare name if no variable did. What a
    request does not name is UNNAMED.
    """

    function: str
    action: str
    resource: str


# By service: how the variables end that hold the names of its resources.
VARIABLES = {
    "dynamodb": "_TABLE",
    "events": "_BUS_NAME",
    "kms": "_KEY_ID",
    "secretsmanager": "_SECRET_ARN",
    "sesv2": "_EMAIL",
    "sns": "_TOPIC_ARN",
    "sqs": "_QUEUE_URL",
}
# In which parameter a request names its resource.
NAMED_BY = {"kms": "KeyId", "secretsmanager": "SecretId", "sns": "TopicArn", "sqs": "QueueUrl"}
# A ciphertext says by itself which key it is for, and a task's token which workflow the task is of. Both are opaque.
UNNAMED = ""
# A transaction needs the permissions of what it is made of.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
TRANSACTION_PARTS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}

recorded: set[Call] = set()


def actions(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The IAM actions that a request needs, each with the name of the resource that it needs it on."""
    match service, operation:
        case "dynamodb", "TransactWriteItems" | "TransactGetItems":
            for item in parameters["TransactItems"]:
                for part, request in item.items():
                    yield TRANSACTION_PARTS[part], request["TableName"]
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            for table in parameters["RequestItems"]:
                yield f"dynamodb:{operation}", table
        case "dynamodb", _:
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            yield f"dynamodb:{operation}", parameters["TableName"] + index
        case "events", "PutEvents":
            for entry in parameters["Entries"]:
                yield "events:PutEvents", entry["EventBusName"]
        case "stepfunctions", "SendTaskSuccess":
            yield "states:SendTaskSuccess", UNNAMED
        case (("kms" | "secretsmanager" | "sns" | "sqs"), _):
            yield f"{service}:{operation}", parameters.get(NAMED_BY[service], UNNAMED)
        case "sesv2", "SendEmail":
            yield "ses:SendEmail", parameters["FromEmailAddress"]
        case _:
            yield f"{service}:{operation}", "a resource that tests/recorder.py does not know how to name"


def digest() -> str:
    """A fingerprint of everything that decides what is recorded."""
    sources = [*FUNCTIONS.rglob("*.py"), *UNIT_TESTS.rglob("*.py"), Path(__file__), ROOT / "requirements-dev.txt"]
    fingerprint = hashlib.sha256()
    for path in sorted(sources):
        fingerprint.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return fingerprint.hexdigest()


def load(config: pytest.Config) -> set[Call] | None:
    """The record of the code as it is, or None."""
    record = cache(config).get(CACHE_KEY, {})
    return {Call(*call) for call in record["calls"]} if record.get("digest") == digest() else None


def cache(config: pytest.Config) -> pytest.Cache:
    """Where the record is kept."""
    if config.cache is None:
        raise pytest.UsageError("the functions' calls are recorded in pytest's cache: run without -p no:cacheprovider")
    return config.cache


@contextmanager
def aside() -> Iterator[None]:
    """What is asked of AWS in here is somebody else's doing, although a handler is on the stack."""
    _aside.append(True)
    try:
        yield
    finally:
        _aside.pop()


_aside: list[bool] = []


def _record(params: Any, model: Any, **_: Any) -> None:
    """Called by botocore for every request, before it is validated or sent."""
    function = None if _aside else _function_on_the_stack()
    if function and isinstance(params, dict):
        service = model.service_model.service_name
        for action, name in actions(service, model.name, params):
            recorded.add(Call(function, action, _by_variable(service, name)))


def _function_on_the_stack() -> str | None:
    frame = sys._getframe(1)
    while frame := frame.f_back:  # type: ignore[assignment]
        if function := _function_in(frame.f_code.co_filename):
            return function
    return None


@functools.cache  # every request asks for every frame's
def _function_in(file: str) -> str | None:
    """Whose code a file is."""
    path = Path(file)
    function = path.relative_to(FUNCTIONS).parts[0] if path.is_relative_to(FUNCTIONS) else None
    return None if function in SHARED else function


def _by_variable(service: str, name: str) -> str:
    ending = VARIABLES.get(service)
    resource, slash, part_of_it = name.partition("/") if service == "dynamodb" else (name, "", "")
    for variable, value in os.environ.items():
        if ending and name and variable.endswith(ending) and value == resource:
            return f"${variable}{slash}{part_of_it}"
    return name


def pytest_configure(config: pytest.Config) -> None:
    """Hook into every botocore session that is made from here on, as moto does."""
    hook = ("before-parameter-build", _record)
    if hook not in botocore.handlers.BUILTIN_HANDLERS:
        botocore.handlers.BUILTIN_HANDLERS.append(hook)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Under pytest-xdist: take over what a worker recorded."""
    recorded.update(Call(*call) for call in getattr(node, "workeroutput", {}).get("calls", []))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave the record in the cache, or with the process that leads this worker."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["calls"] = [tuple(call) for call in sorted(recorded)]  # execnet carries plain types only
    elif exitstatus == pytest.ExitCode.OK and _all_unit_tests_ran(config):
        cache(config).set(CACHE_KEY, {"digest": digest(), "calls": sorted(recorded)})


def _all_unit_tests_ran(config: pytest.Config) -> bool:
    selections = ("keyword", "deselect", "ignore", "ignore_glob", "lf")
    folders = [Path(config.invocation_params.dir, argument) for argument in config.args]
    whole = config.getoption("markexpr") in ("", LEFT_OUT) and not any(config.getoption(name) for name in selections)
    return UNIT_TESTS in folders and whole
