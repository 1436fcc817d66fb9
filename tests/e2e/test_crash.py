"""The crash test in small, and what it concludes from what it sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import local.__main__ as commands
from local import crash, deploy, ledger, shop
from local import stack as local_stack
from local.crash import Execution, Kill, Storm
from local.emulator import Emulator
from local.ledger import Ledger, Mail
from local.stack import Stack
from tests.e2e.conftest import quietly

# ── On a stack ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def stack(running_emulator: Emulator, build: Path) -> Stack:
    deployed = deploy.deploy(running_emulator, build, quietly, stack_name="crashing")
    shop.open_shop(deployed)
    return deployed


@pytest.fixture
def _on_this_stack(running_emulator: Emulator, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def this_stack(bind: str, workflow: str) -> Iterator[tuple[Emulator, Stack]]:
        yield running_emulator, stack

    monkeypatch.setattr(commands, "_fresh_stack", this_stack)
    monkeypatch.setattr(local_stack, "STATE", tmp_path)  # where the logs of a failure are kept


@pytest.mark.usefixtures("_on_this_stack")
def test_six_orders_survive_kills(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(crash, "ENOUGH_KILLS", 1)
    status = commands.main(["crash-test", "--orders", "6"])
    output = capsys.readouterr().out
    assert "6/6" in output
    assert ", 0 violations, " in output
    assert status == 0, output


@pytest.mark.usefixtures("_on_this_stack")
def test_too_few_kills_prove_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["crash-test", "--orders", "0"]) == 1
    output = capsys.readouterr().out
    assert "0 kills, 0 violations" in output
    assert "0 kills are too few to prove anything, 30 are needed" in output


@pytest.mark.usefixtures("_on_this_stack")
def test_a_violation_is_named_and_fails_the_run(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crash, "ENOUGH_KILLS", 0)

    def take(units: int) -> None:
        stack.table("InventoryTableName").update_item(
            Key={"pk": "SKU#TRAY", "sk": "STOCK"},
            UpdateExpression="ADD available :units",
            ExpressionAttributeValues={":units": -units},
        )

    take(1)
    try:
        assert commands.main(["crash-test", "--orders", "0"]) == 1
    finally:
        take(-1)
    output = capsys.readouterr().out
    assert "✘ Stock is conserved" in output
    assert "TRAY" in output
    assert ", 1 violation, " in output


# ── Without one ─────────────────────────────────────────────────────────────────────────────────────────────────────


LISTING = """\
    7     1 Ssl     01:02:03 python -m ministack
   21     7 S          00:01 python -m awslambdaric publish.app.handler
   22     7 Rl         05:07 /usr/bin/python3.13 -m awslambdaric notify.app.handler
   23     8 R     2-01:00:00 python -m awslambdaric notify.app.handler
   24     7 S          00:09 python -m something.else
"""


def test_only_runtimes_of_this_emulator_are_found() -> None:
    assert list(crash.runtimes_in(LISTING, 7)) == [
        crash.Runtime(21, "publish", 1, busy=False),
        crash.Runtime(22, "notify", 5 * 60 + 7, busy=True),
    ]
    assert [one.seconds for one in crash.runtimes_in(LISTING, 8)] == [2 * 86_400 + 3_600]


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
            (runtime,) = [one for one in crash.runtimes(os.getpid()) if one.pid == process.pid]
            assert runtime.function == "payment"
            return crash.has_started(runtime)

        assert not started()
        process.stdin.write("\n")
        process.stdin.flush()
        assert started()
        process.kill()
    assert not crash.has_started(crash.Runtime(process.pid, "payment", 0, busy=False))


def test_what_a_killed_runtime_was_doing_is_read_from_the_log_up_to_the_next_kill() -> None:
    busy = b"Lambda orders-PaymentFunction-1: Runtime exited before returning a response\n"
    starting = b"execution error for orders-NotifyFunction-1: bootstrap exited during init with code -9\n"
    kills = [Kill("payment", 0), Kill("publish", len(busy)), Kill("notify", len(busy)), Kill("notify", len(busy) + 1)]
    assert crash.moments(kills[:1], b"") == ["idle"]
    assert crash.moments(kills[:2], busy + busy) == ["busy", "idle"]
    assert crash.moments([Kill("notify", 0), Kill("notify", len(starting))], starting + busy) == ["starting", "idle"]
    assert crash.moments(kills[2:], busy + b"\n" + starting) == ["idle", "starting"]


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
    assert crash.interrupted_notices([crash.execution_from("SUCCEEDED", history)]) == {"o-1": 2}


def test_an_execution_that_failed_without_an_alert_is_reported() -> None:
    silent = crash.execution_from("FAILED", [STARTED, entered("Notify"), failed("EmailNotSent"), entered("Escalate")])
    told = crash.execution_from("FAILED", [STARTED, entered("Notify"), failed("EmailNotSent"), ALERTED])
    promise = "Every workflow that failed has alerted a person"
    assert findings(executions=[told])[promise] == []
    assert findings(executions=[told, silent])[promise] == ["o-1: FAILED"]


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
    events: set[crash.Event] | None = None,
    executions: list[Execution] | None = None,
) -> dict[str, list[str]]:
    done = Storm(events=events or set())
    return crash.broken_promises(placements or [], now or books(), images or [], done, executions or [])
