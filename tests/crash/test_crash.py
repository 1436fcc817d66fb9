"""What the crash test concludes from what it sees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from crash.runtimes import Runtime, has_started, runtimes, runtimes_in
from crash.storm import Kill, moments
from crash.workflows import execution_from, interrupted_notices

LISTING = """\
    7     1 Ssl     01:02:03 python -m ministack
   21     7 S          00:01 python -m awslambdaric publish.app.handler
   22     7 Rl         05:07 /usr/bin/python3.13 -m awslambdaric notify.app.handler
   23     8 R     2-01:00:00 python -m awslambdaric notify.app.handler
   24     7 S          00:09 python -m something.else
"""


def test_only_runtimes_of_this_emulator_are_found() -> None:
    assert list(runtimes_in(LISTING, 7)) == [
        Runtime(21, "publish", 1, busy=False),
        Runtime(22, "notify", 5 * 60 + 7, busy=True),
    ]
    assert [one.seconds for one in runtimes_in(LISTING, 8)] == [2 * 86_400 + 3_600]


def test_a_runtime_has_started_once_it_has_a_socket_open() -> None:
    script = "import socket; print(flush=True); input(); opened = socket.socket(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, "-m", "awslambdaric", "payment.app.handler"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout

        def started() -> bool:
            assert process.stdout
            process.stdout.readline()
            (runtime,) = [one for one in runtimes(os.getpid()) if one.pid == process.pid]
            assert runtime.function == "payment"
            return has_started(runtime)

        assert not started()
        process.stdin.write("\n")
        process.stdin.flush()
        assert started()
        process.kill()
    assert not has_started(Runtime(process.pid, "payment", 0, busy=False))


def test_what_a_killed_runtime_was_doing_is_read_from_the_log_up_to_the_next_kill() -> None:
    busy = b"Lambda orders-PaymentFunction-1: Runtime exited before returning a response\n"
    starting = b"execution error for orders-NotifyFunction-1: bootstrap exited during init with code -9\n"
    kills = [Kill("payment", 0), Kill("publish", len(busy)), Kill("notify", len(busy)), Kill("notify", len(busy) + 1)]
    assert moments(kills[:1], b"") == ["idle"]
    assert moments(kills[:2], busy + busy) == ["busy", "idle"]
    assert moments([Kill("notify", 0), Kill("notify", len(starting))], starting + busy) == ["starting", "idle"]
    assert moments(kills[2:], busy + b"\n" + starting) == ["idle", "starting"]


def entered(name: str) -> dict[str, Any]:
    return {"stateEnteredEventDetails": {"name": name}}


def failed(error: str) -> dict[str, Any]:
    return {"taskFailedEventDetails": {"error": error}}


STARTED = {"executionStartedEventDetails": {"input": '{"order_id": "o-1"}'}}


def test_only_notices_that_were_cut_off_explain_a_repeated_email() -> None:
    history = [
        STARTED,
        entered("Validate"),
        failed("Runtime.ExitError"),
        entered("Notify"),
        failed("Runtime.ExitError"),
        failed("NoticeInProgress"),
        failed("States.Timeout"),
    ]
    assert interrupted_notices(dict([execution_from("run-1", "SUCCEEDED", history)])) == {"o-1": 2}


def test_an_execution_tells_where_it_ended_and_what_went_wrong_before() -> None:
    execution, history = execution_from(
        "run-1", "SUCCEEDED", [STARTED, entered("Notify"), failed("EmailNotSent"), entered("Later")]
    )
    assert (execution.order_id, execution.status, execution.error) == ("o-1", "SUCCEEDED", "Notify: EmailNotSent")
    assert history.state == "Later"
