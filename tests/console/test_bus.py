"""A copy of each event comes to the console, and nothing of a console stays behind."""

from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from console.bus import Bus
from tests.console.breakable import Services, breakable

GONE = 4_000_001  # above any process' number


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    rules = [f"console-{GONE}", f"console-{os.getpid() + GONE}", f"console-{os.getppid()}", "console-of-a-customer"]
    services.answers["create_queue"] = lambda asked: {"QueueUrl": f"url/{asked['QueueName']}"}
    services.answers["get_queue_url"] = lambda asked: {"QueueUrl": f"url/{asked['QueueName']}"}
    services.answers["get_queue_attributes"] = lambda _: {"Attributes": {"QueueArn": "arn"}}
    services.answers["list_rules"] = lambda _: {"Rules": [{"Name": name} for name in rules]}
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: pid < GONE)
    return services


def asked(services: Services, operation: str, argument: str) -> list[Any]:
    return [arguments[argument] for name, arguments in services.asked if name == operation]


def test_what_a_console_that_was_killed_has_left_is_taken_away_by_the_next(services: Services) -> None:
    Bus(breakable(services))
    left = [f"console-{GONE}", f"console-{os.getpid() + GONE}"]
    assert asked(services, "delete_rule", "Name") == left
    assert asked(services, "delete_queue", "QueueUrl") == [f"url/{name}" for name in left]


def test_a_console_that_ends_takes_away_its_own(services: Services) -> None:
    mine = Bus(breakable(services))
    services.asked.clear()
    mine.close()
    assert asked(services, "delete_rule", "Name") == [f"console-{os.getpid()}"]
    assert asked(services, "delete_queue", "QueueUrl") == [f"url/console-{os.getpid()}"]
