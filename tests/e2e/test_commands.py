"""The commands behind the Makefile's targets, as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

import demo.__main__ as demo_commands
import local.__main__ as commands
from demo import shop
from local import stack
from local.environment import fetch
from local.stack import ROOT
from tests.exhaustive import exhaustive


@pytest.fixture
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from a stack that the developer may have left running."""
    monkeypatch.setattr(stack, "STATE", tmp_path)


@exhaustive
@pytest.mark.usefixtures("_own_state")
@pytest.mark.parametrize("beside", [["--stacks", ""], []], ids=["the pipeline alone", "all stacks"])
def test_up_order_logs_and_down(beside: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert commands.main(["up", "--tables", str(shop.CATALOGUE_FILE), *beside]) == 0
        described = json.loads((tmp_path / "stack.json").read_text())
        assert set(described) == {
            *("endpoint_url", "region", "stack_name", "account_id", "credentials", "outputs", "console_url")
        }
        with fetch(described["console_url"], timeout=60) as page:
            assert page.status == 200
        assert set(described["outputs"]) >= {
            "OrdersTableName",
            "OrderStatesTableName",
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

        assert commands.main(["up", *beside]) == 0
        assert "running already" in capsys.readouterr().out

        order = json.loads((ROOT / "events" / "order.json").read_text()) | {"order_id": "by-hand"}
        (tmp_path / "order.json").write_text(json.dumps(order))
        assert demo_commands.main(["order", str(tmp_path / "order.json")]) == 0
        assert "CONFIRMED" in capsys.readouterr().out
        assert demo_commands.main(["order", str(tmp_path / "order.json")]) == 1
        assert "another order_id" in capsys.readouterr().out

        assert commands.main(["logs", "--function", "payment"]) == 0
        assert "by-hand" in capsys.readouterr().out
    finally:
        assert commands.main(["down"]) == 0
    assert "Stopped" in capsys.readouterr().out
    assert list(tmp_path.glob("*.json")) == [tmp_path / "order.json"]


@pytest.mark.usefixtures("_own_state")
def test_without_a_stack_the_message_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_commands.main(["order", "events/order.json"]) == 1
    assert "make up" in capsys.readouterr().out
    assert commands.main(["logs"]) == 1
    assert "make up" in capsys.readouterr().out


@pytest.mark.usefixtures("_own_state")
def test_a_stack_that_there_is_not_is_told_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(["up", "--stacks", "nowhere"]) == 1
    assert "There is no stack named nowhere" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_own_state")
def test_down_without_a_stack_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["down"]) == 0
    assert "No stack is running" in capsys.readouterr().out
