"""The commands behind the Makefile's targets, as a person uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

import local.__main__ as commands
from local import stack
from local.stack import ROOT, STATE


@pytest.fixture
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from a stack that the developer may have left running."""
    monkeypatch.setattr(commands, "EMULATOR_FILE", tmp_path / "emulator.json")
    monkeypatch.setattr(stack, "STACK_FILE", tmp_path / "stack.json")
    monkeypatch.setattr(stack, "SAM_ENV_FILE", tmp_path / "sam-env.json")


@pytest.mark.usefixtures("_own_state")
def test_up_order_logs_and_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert commands.main(["up"]) == 0
        described = json.loads((tmp_path / "stack.json").read_text())
        assert set(described) == {"endpoint_url", "region", "stack_name", "account_id", "credentials", "outputs"}
        assert set(described["outputs"]) >= {
            "OrdersTableName",
            "InventoryTableName",
            "PaymentsTableName",
            "SimulatedGatewayTableName",
            "EventBusName",
            "OrderWorkflowArn",
            "DeadLetterQueueUrl",
            "AlertTopicArn",
        }
        # As another tool would: with nothing but what the file says.
        queues = boto3.client(
            "sqs",
            endpoint_url=described["endpoint_url"],
            region_name=described["region"],
            aws_access_key_id=described["credentials"]["access_key_id"],
            aws_secret_access_key=described["credentials"]["secret_access_key"],
        )
        assert "Messages" not in queues.receive_message(QueueUrl=described["outputs"]["DeadLetterQueueUrl"])
        environments = json.loads((tmp_path / "sam-env.json").read_text())
        assert environments["ValidateFunction"]["ORDERS_TABLE"] == described["outputs"]["OrdersTableName"]
        assert environments["ValidateFunction"]["AWS_ENDPOINT_URL"] == described["endpoint_url"]

        assert commands.main(["up"]) == 0
        assert "running already" in capsys.readouterr().out

        order = json.loads((ROOT / "events" / "order.json").read_text()) | {"order_id": "by-hand"}
        (tmp_path / "order.json").write_text(json.dumps(order))
        assert commands.main(["order", str(tmp_path / "order.json")]) == 0
        assert "CONFIRMED" in capsys.readouterr().out
        assert commands.main(["order", str(tmp_path / "order.json")]) == 1
        assert "another order_id" in capsys.readouterr().out

        assert commands.main(["logs", "--function", "payment"]) == 0
        assert "by-hand" in capsys.readouterr().out
    finally:
        assert commands.main(["down"]) == 0
    assert "Stopped" in capsys.readouterr().out
    assert list(tmp_path.glob("*.json")) == [tmp_path / "order.json"]


@pytest.mark.usefixtures("_own_state")
@pytest.mark.parametrize("arguments", [["order", "events/order.json"], ["logs"]])
def test_without_a_stack_the_message_says_how_to_start_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(arguments) == 1
    assert "make up" in capsys.readouterr().out


@pytest.mark.usefixtures("_own_state")
def test_down_without_a_stack_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["down"]) == 0
    assert "No stack is running" in capsys.readouterr().out


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(ending: signal.Signals) -> None:
    before = set(STATE.glob("emulator-*"))
    run = subprocess.Popen(
        [sys.executable, "-m", "local", "run"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not (started := set(STATE.glob("emulator-*/emulator.log")) - {folder / "emulator.log" for folder in before}):
        assert run.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    run.send_signal(ending)
    output, _ = run.communicate(timeout=30)
    assert run.returncode == 130, output
    assert "Traceback" not in output
    folders = {log.parent for log in started}
    assert [folder for folder in folders if folder.exists()] == []
    assert [pid for pid in _processes() if any(str(folder) in _place_of(pid) for folder in folders)] == []


def _processes() -> list[str]:
    return [entry for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208


def _place_of(pid: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink()) + Path(f"/proc/{pid}/environ").read_bytes().decode(
            errors="replace"
        )
    except OSError:
        return ""
