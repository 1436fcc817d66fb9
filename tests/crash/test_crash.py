"""What the crash test sees of processes and executions, and what it concludes from it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from crash import executions, runtimes
from crash.events import Event
from crash.executions import Execution
from crash.findings import broken_promises
from crash.runtimes import Kill
from crash.storm import Storm
from demo import shop
from local import ledger
from local.ledger import Ledger, Mail

LISTING = """\
    7     1 Ssl     01:02:03 python -m ministack
   21     7 S          00:01 python -m awslambdaric publish.app.handler
   22     7 Rl         05:07 /usr/bin/python3.13 -m awslambdaric notify.app.handler
   23     8 R     2-01:00:00 python -m awslambdaric notify.app.handler
   24     7 S          00:09 python -m something.else
"""


def test_only_runtimes_of_this_emulator_are_found() -> None:
    assert list(runtimes.runtimes_in(LISTING, 7)) == [
        runtimes.Runtime(21, "publish", 1, busy=False),
        runtimes.Runtime(22, "notify", 5 * 60 + 7, busy=True),
    ]
    assert [one.seconds for one in runtimes.runtimes_in(LISTING, 8)] == [2 * 86_400 + 3_600]


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
            (runtime,) = [one for one in runtimes.runtimes(os.getpid()) if one.pid == process.pid]
            assert runtime.function == "payment"
            return runtimes.has_started(runtime)

        assert not started()
        process.stdin.write("\n")
        process.stdin.flush()
        assert started()
        process.kill()
    assert not runtimes.has_started(runtimes.Runtime(process.pid, "payment", 0, busy=False))


def test_what_a_killed_runtime_was_doing_is_read_from_the_log_up_to_the_next_kill() -> None:
    busy = b"Lambda orders-PaymentFunction-1: Runtime exited before returning a response\n"
    starting = b"execution error for orders-NotifyFunction-1: bootstrap exited during init with code -9\n"
    kills = [Kill("payment", 0), Kill("publish", len(busy)), Kill("notify", len(busy)), Kill("notify", len(busy) + 1)]
    assert runtimes.moments(kills[:1], b"") == ["idle"]
    assert runtimes.moments(kills[:2], busy + busy) == ["busy", "idle"]
    assert runtimes.moments([Kill("notify", 0), Kill("notify", len(starting))], starting + busy) == ["starting", "idle"]
    assert runtimes.moments(kills[2:], busy + b"\n" + starting) == ["idle", "starting"]


def entered(name: str) -> dict[str, Any]:
    return {"stateEnteredEventDetails": {"name": name}}


def failed(error: str) -> dict[str, Any]:
    return {"taskFailedEventDetails": {"error": error}}


STARTED = {"executionStartedEventDetails": {"input": '{"order_id": "o-1"}'}}
ALERTED = {"taskSucceededEventDetails": {"resource": "arn:aws:states:::sns:publish"}}


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
    assert executions.interrupted_notices([executions.execution_from("SUCCEEDED", history)]) == {"o-1": 2}


def test_an_execution_that_failed_without_an_alert_is_reported() -> None:
    silent = executions.execution_from(
        "FAILED", [STARTED, entered("Notify"), failed("EmailNotSent"), entered("Escalate")]
    )
    told = executions.execution_from("FAILED", [STARTED, entered("Notify"), failed("EmailNotSent"), ALERTED])
    promise = "Every workflow that failed has alerted a person"
    assert findings(ended=[told])[promise] == []
    assert findings(ended=[told, silent])[promise] == ["o-1: FAILED"]


def test_an_unannounced_change_and_a_changed_decision_are_reported() -> None:
    confirmed = a_state("CONFIRMED", "ACCEPTED")
    cancelled = a_state("CANCELLED", "OUT_OF_STOCK")
    now = books(orders={"o-1": {"order_id": "o-1"}})
    found = findings(now=now, images=[confirmed, confirmed], events={("OrderPlaced", "o-1")})
    assert found["Every change of an order was announced on the bus"] == ["o-1: no OrderConfirmed"]
    assert found["No decision ever changed"] == []
    assert len(findings(images=[confirmed, cancelled])["No decision ever changed"]) == 1


@pytest.mark.parametrize(
    ("status", "reason", "right"),
    [
        ("CONFIRMED", "ACCEPTED", True),
        ("CANCELLED", "PAYMENT_UNAVAILABLE", True),
        ("CANCELLED", "OUT_OF_STOCK", False),
        ("CANCELLED", "PAYMENT_DECLINED", False),
        ("REJECTED", "TOTAL", False),
    ],
)
def test_a_good_order_may_be_cancelled_only_because_a_hold_was_unavailable(
    status: str, reason: str, *, right: bool
) -> None:
    placement = shop.Placement("good", {"order_id": "o-1"}, frozenset({"CONFIRMED"}))
    found = findings([placement], books(states={"o-1": a_state(status, reason)}))
    assert (found["Each order came to an outcome that is right for it"] == []) is right


def test_a_repeated_email_has_to_be_explained() -> None:
    mails = [Mail("a@example.com", "Your order o-1 is confirmed", "")] * 2
    twice = books(orders={"o-1": {"order_id": "o-1"}}, mails=mails)

    def repeats(interrupted: dict[str, int] | None) -> list[str]:
        (problems,) = [
            problems
            for promise, problems in ledger.violations(twice, {}, interrupted).items()
            if promise.startswith("No customer is told twice")
        ]
        return problems

    assert len(repeats(None)) == len(repeats({})) == len(repeats({"o-2": 1})) == 1
    assert repeats({"o-1": 1}) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"status": "CANCELLED"},
        {"reservation": "RELEASED"},
        {"payment": "AUTHORIZED"},
    ],
)
def test_records_that_disagree_with_the_decision_are_reported(damage: dict[str, str]) -> None:
    is_now = {"status": "CONFIRMED", "reservation": "RESERVED", "payment": "CAPTURED"}

    def disagreements(says: dict[str, str]) -> list[str]:
        lines: list[Any] = []
        return ledger.violations(
            books(
                orders={"o-1": {"order_id": "o-1", "lines": lines, "total": 1}},
                states={"o-1": a_state("CONFIRMED", "ACCEPTED") | {"status": says["status"]}},
                reservations={"o-1": {"status": says["reservation"], "lines": lines}},
                payments={"o-1": {"status": says["payment"]}},
            ),
            {},
        )["Order, reservation and payment agree with the decision"]

    assert disagreements(is_now) == []
    assert len(disagreements(is_now | damage)) == 1


def a_state(outcome: str, reason: str) -> dict[str, Any]:
    return {"order_id": "o-1", "status": outcome, "decision": {"outcome": outcome, "reason": reason}}


def books(**known: Any) -> Ledger:
    empty: dict[str, Any] = {
        "orders": {},
        "states": {},
        "stock": {},
        "reservations": {},
        "payments": {},
        "intents": [],
        "mails": [],
        "dead_letters": 0,
    }
    return Ledger(**(empty | known))


def findings(
    placements: list[shop.Placement] | None = None,
    now: Ledger | None = None,
    *,
    images: list[dict[str, Any]] | None = None,
    events: set[Event] | None = None,
    ended: list[Execution] | None = None,
) -> dict[str, list[str]]:
    done = Storm(events=events or set())
    return broken_promises(placements or [], now or books(), images or [], done, ended or [])
