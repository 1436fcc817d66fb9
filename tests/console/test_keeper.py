"""Everything that was broken is given back when the console ends, also when it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from console import keeper
from console.keeper import Call
from local.stack import ROOT, Problem, RunningStack
from tests.console.breakable import Services, refuse

PATIENCE_SECONDS = 60.0
REFUSED = "nobody-may"


@pytest.fixture
def services() -> Services:
    return Services()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(*said: tuple[str, list[Call]]) -> Iterator[str]:
    for key, calls in said:
        yield json.dumps({"key": key, "calls": calls})


def call(name: str) -> Call:
    return Call("lambda", "delete_function_concurrency", {"FunctionName": name})


def given_back(services: Services) -> list[str]:
    return [asked["FunctionName"] for _, asked in services.asked]


def test_the_last_that_was_broken_is_given_back_first(services: Services) -> None:
    stack: Any = services
    assert keeper.give_back(stack, lines(("a", [call("a")]), ("b", [call("b")]))) == 0
    assert given_back(services) == ["b", "a"]


def test_what_was_mended_is_not_given_back_again(services: Services) -> None:
    stack: Any = services
    keeper.give_back(stack, lines(("a", [call("a")]), ("b", [call("b")]), ("a", [])))
    assert given_back(services) == ["b"]


def test_one_that_is_refused_does_not_keep_the_others(services: Services) -> None:
    stack: Any = services
    services.answers["delete_function_concurrency"] = lambda asked: (
        refuse(asked) if asked["FunctionName"] == "b" else {}
    )
    assert keeper.give_back(stack, lines(("a", [call("a")]), ("b", [call("b")]))) == 1
    assert given_back(services) == ["b", "a"]


@pytest.fixture
def emulator() -> Iterator[tuple[str, list[str]]]:
    """An address that writes down what it is asked for, and says yes, but to one thing."""
    asked: list[str] = []

    class Yes(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            asked.append(self.path)
            self.send_response(403 if REFUSED in self.path else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


BREAKS = """
import sys, time
from console.keeper import Call, Keeper
from local.stack import RunningStack
keeper = Keeper(RunningStack(sys.argv[1], "", {}))
keeper.remember("one", [Call("lambda", "delete_function_concurrency", {"FunctionName": "payment"})])
print("broken", flush=True)
time.sleep(600)
"""


def test_a_console_that_is_killed_has_given_everything_back(emulator: tuple[str, list[str]]) -> None:
    endpoint_url, asked = emulator
    console = subprocess.Popen([sys.executable, "-c", BREAKS, endpoint_url], stdout=subprocess.PIPE, cwd=ROOT)
    assert console.stdout
    assert console.stdout.readline() == b"broken\n"
    assert not asked
    console.kill()
    console.communicate()
    until(lambda: asked)
    assert "payment" in asked[0]


def test_a_console_that_ends_waits_until_everything_is_given_back(emulator: tuple[str, list[str]]) -> None:
    endpoint_url, asked = emulator
    kept = keeper.Keeper(RunningStack(endpoint_url, "", {}))
    kept.remember("one", [call("payment")])
    kept.remember("two", [call("notify")])
    kept.forget("two")
    kept.close()
    kept.close()
    assert len(asked) == 1


def test_what_has_gone_with_its_stack_need_not_be_given_back() -> None:
    kept = keeper.Keeper(RunningStack("http://127.0.0.1:1", "", {}))
    kept.remember("one", [call("payment")])
    kept.close()


def test_a_console_that_can_not_give_something_back_says_so(emulator: tuple[str, list[str]]) -> None:
    kept = keeper.Keeper(RunningStack(emulator[0], "", {}))
    kept.remember("one", [call(REFUSED)])
    with pytest.raises(Problem, match="make down"):
        kept.close()
