"""The real template, built and deployed once, on an emulator of the tests' own with IAM enforced."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from xdist.scheduler import LoadScopeScheduling

from demo import shop
from invariants.books import Books
from local import deploy, emulator, tap, templates
from local.__main__ import APPROVAL_LIMIT
from local.books import look as books_of
from local.console import progress
from local.emulator import Emulator
from local.environment import forget_accounts
from local.relax import resources
from local.seed import seed
from local.session import bring_up_beside
from local.stack import RunningStack
from local.templates import Template
from tests.e2e.door import Door

PATIENCE_SECONDS = 60
RETURN_DAYS = "0.0007"  # a minute
# What shares an emulator runs in one worker, one after the other.
TOGETHER = {
    "test_pipeline.py": "stack",
    "test_stacks.py": "stack",
    "test_redrive.py": "stack",
    "test_stress.py": "stack",
    "test_crash.py": "storm",
    "test_front_door.py": "door",
    "test_after_sale.py": "door",
    "test_console.py": "door",
    "test_books.py": "door",
}
# Their stack ships whatever is confirmed, and other tests look at orders to which nothing happens any more. The books
# are about everything that the others have left.
LAST = ["test_after_sale.py", "test_console.py", "test_books.py"]


def quietly(_: str) -> None:
    """Nobody watches the progress here."""


@pytest.fixture(scope="session", autouse=True)
def _nobodys_account() -> Iterator[None]:
    with mock.patch.dict(os.environ):
        forget_accounts()
        yield


class ByEmulator(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out the tests of one emulator together, and the others one by one to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(Path(nodeid.partition("::")[0]).name, nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what comes after the sale come last, and the books after that."""
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByEmulator:
    """Not `--dist loadgroup`: pytest-xdist writes a group into a test's id, and pytest does not let it any more."""
    return ByEmulator(config, log)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is deployed. Another stack of the same code may use it at the same time, and nobody can change it.

    One worker makes it and the others wait: pytest gives them folders beside each other.
    """
    with ExitStack() as held:
        with (tmp_path_factory.getbasetemp().parent / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = held.enter_context(deploy.built(quietly))
        yield folder


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    started = emulator.start()
    try:
        yield started
    finally:
        started.stop()


@dataclass(frozen=True)
class Pipeline:
    """The deployed stack, and a queue that gets a copy of everything on the bus."""

    stack: RunningStack
    tap: str

    def place(self, item: dict[str, Any]) -> str:
        """Put an order with plain boto3, as the README says anyone may."""
        self.stack.table("OrdersTableName").put_item(Item=item)
        return str(item["order_id"])

    def wait(self, *order_ids: str) -> Books:
        """Wait until everything that follows from the orders' decisions has been done."""
        return until(lambda: books_of(self.stack), lambda now: all(map(now.settled, order_ids)))

    def executions(self) -> list[dict[str, Any]]:
        pages = self.stack.client("stepfunctions").get_paginator("list_executions")
        arn = self.stack.outputs["OrderWorkflowArn"]
        return [execution for page in pages.paginate(stateMachineArn=arn) for execution in page["executions"]]

    def quiet(self, executions: int) -> None:
        """Wait until so many executions have ended, and none is under way."""
        until(
            self.executions,
            lambda seen: len(seen) >= executions and all(execution["status"] != "RUNNING" for execution in seen),
        )

    def function(self, logical_id: str) -> str:
        resource = self.stack.client("cloudformation").describe_stack_resource(
            StackName=self.stack.stack_name, LogicalResourceId=logical_id
        )
        return str(resource["StackResourceDetail"]["PhysicalResourceId"])

    def invoke(self, logical_id: str, event: Any) -> tuple[Any, str | None]:
        """A function's answer to an event, and the kind of its failure if it failed."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.function(logical_id), Payload=json.dumps(event).encode()
        )
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def messages(self, url: str) -> list[Any]:
        """Everything that waits in a queue; it is left there."""
        return tap.messages(self.stack, url)


def until[T](look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Look again and again; answers what was seen when it was enough, fails with the last look when it never was."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = look()
        if enough(seen):
            return seen
        assert time.monotonic() < deadline, f"still not there after {PATIENCE_SECONDS} s: {seen}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def pipeline(running_emulator: Emulator, build: Path) -> Pipeline:
    stack = deploy.deploy(running_emulator, build, quietly)
    seed(stack, shop.CATALOGUE_FILE)
    return Pipeline(stack, tap.open_tap(stack))


# ── With a front door beside it ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def doors_emulator() -> Iterator[Emulator]:
    started = emulator.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def shops(doors_emulator: Emulator, build: Path) -> Pipeline:
    """The pipeline, with a limit."""
    stack = deploy.deploy(doors_emulator, build, quietly, ApprovalLimit=APPROVAL_LIMIT)
    seed(stack, shop.CATALOGUE_FILE)
    return Pipeline(stack, tap.open_tap(stack))


@pytest.fixture(scope="session")
def frontdoor() -> Template:
    [found] = templates.beside("frontdoor")
    return found


@pytest.fixture(scope="session")
def door(doors_emulator: Emulator, shops: Pipeline, frontdoor: Template) -> Door:
    """The front door beside it, for the shop's own programs."""
    with progress() as begin:
        return Door(bring_up_beside(doors_emulator, frontdoor, begin, shops.stack))


# ── With shipping beside both ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def shipping(doors_emulator: Emulator, shops: Pipeline, door: Door) -> RunningStack:
    """Shipping beside the pipeline and the front door."""
    [template] = templates.beside("shipping")
    with progress() as begin:
        return bring_up_beside(doors_emulator, template, begin, door.stack, ReturnDays=RETURN_DAYS)


@contextmanager
def told(stack: RunningStack, template: str, function: str, **variables: str) -> Iterator[None]:
    """Meanwhile a template's function has these variables besides."""
    functions = stack.client("lambda")
    name = resources(stack, templates.stack_name(template), "AWS::Lambda::Function")[function]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    changed = {"Variables": before["Variables"] | variables}
    functions.update_function_configuration(FunctionName=name, Environment=changed)
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)
