"""The crash test in small."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import crash.__main__ as command
from demo import shop
from local import deploy
from local import stack as local_stack
from local.emulator import Emulator
from local.seed import seed
from local.session import Session
from local.stack import RunningStack
from local.templates import PIPELINE
from orders.tables import stock_key
from tests.e2e.conftest import quietly


@pytest.fixture(scope="module")
def stack(running_emulator: Emulator, build: Path) -> RunningStack:
    template = dataclasses.replace(PIPELINE, stack_name="crashing")
    deployed = deploy.deploy(running_emulator, build, quietly, template)
    seed(deployed, shop.CATALOGUE_FILE)
    return deployed


@pytest.fixture
def opened(running_emulator: Emulator, stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(local_stack, "STATE", tmp_path)  # where the logs of a failure are kept
    return Session(running_emulator, stack, [stack.stack_name])


def test_six_orders_survive_kills(
    opened: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ENOUGH_KILLS", 1)
    status = command.crash_test(opened, orders=6, seed=1)
    output = capsys.readouterr().out
    assert "6/6" in output
    assert ", 0 violations, " in output
    assert status == 0, output


def test_too_few_kills_prove_nothing(opened: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.crash_test(opened, orders=0, seed=1) == 1
    output = capsys.readouterr().out
    assert "0 kills are too few to prove anything, 30 are needed" in output


def test_a_violation_is_named_and_fails_the_run(
    opened: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ENOUGH_KILLS", 0)

    def take(units: int) -> None:
        change: Any = {"UpdateExpression": "ADD available :units"}
        change["ExpressionAttributeValues"] = {":units": {"N": str(-units)}}
        table = opened.stack.outputs["InventoryTableName"]
        opened.stack.client("dynamodb").update_item(TableName=table, Key=stock_key("TRAY"), **change)

    take(1)
    try:
        assert command.crash_test(opened, orders=0, seed=1) == 1
    finally:
        take(-1)
    output = capsys.readouterr().out
    assert "✘ Stock is conserved" in output
    assert "TRAY" in output
