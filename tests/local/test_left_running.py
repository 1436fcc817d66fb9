"""What `make up` notes of its processes, and what other commands and tools find by it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import left_running, stack
from local.emulator import Emulator
from local.left_running import LeftRunning
from local.page import Page
from local.processes import Group, Identity
from local.stack import RunningStack

STACK = RunningStack("http://127.0.0.1:1", "orders-local", {"OrdersTableName": "orders"})


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "STATE", tmp_path)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A process in the console's place."""
    folder = tmp_path / "folder"
    folder.mkdir()
    command = [sys.executable, "-I", "-c", "import time; time.sleep(600)"]
    group = Group(command, variables={}, folder=folder, cwd=folder, output=subprocess.DEVNULL)
    yield Page("http://127.0.0.1:8080", group)
    group.end()


def test_the_console_is_found_by_its_address_and_by_its_process(tmp_path: Path, page: Page) -> None:
    emulator = Emulator(Identity.of(), STACK.endpoint_url, tmp_path)
    left_running.describe(emulator, STACK, {}, page)
    assert json.loads((tmp_path / "stack.json").read_text())["console_url"] == page.url
    assert left_running.find() == LeftRunning(None, emulator, page.process)


def test_a_console_that_has_ended_is_not_found(tmp_path: Path, page: Page) -> None:
    emulator = Emulator(Identity.of(), STACK.endpoint_url, tmp_path)
    left_running.describe(emulator, STACK, {}, page)
    page.group.end()
    assert left_running.find() == LeftRunning(None, emulator, None)


def test_before_the_console_serves_the_stack_is_described_without_it(tmp_path: Path) -> None:
    emulator = Emulator(Identity.of(), STACK.endpoint_url, tmp_path)
    left_running.describe(emulator, STACK, {})
    assert "console_url" not in json.loads((tmp_path / "stack.json").read_text())
    assert left_running.find() == LeftRunning(None, emulator, None)
