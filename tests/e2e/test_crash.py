"""The crash test in small, on a pipeline of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crash import __main__ as crash
from demo import shop
from local import stack as local_stack
from local.console import progress
from local.seed import seed
from local.session import Session, bring_up
from local.stack import RunningStack
from local.templates import PIPELINE


@pytest.fixture(scope="module")
def stack(session: Session) -> RunningStack:
    with progress() as begin:
        deployed = bring_up(session.emulator, replace(PIPELINE, stack_name="crashing"), begin)
    seed(deployed, shop.CATALOGUE_FILE)
    return deployed


@pytest.fixture
def _on_this_stack(session: Session, stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def this_stack(**_: Any) -> Iterator[Session]:
        yield Session(session.emulator, stack, [stack.stack_name])

    monkeypatch.setattr(crash, "session", this_stack)
    monkeypatch.setattr(local_stack, "STATE", tmp_path)  # where the logs of a failure are kept


@pytest.mark.usefixtures("_on_this_stack")
def test_six_orders_survive_kills(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(crash, "ENOUGH_KILLS", 1)
    status = crash.main(["--orders", "6"])
    output = capsys.readouterr().out
    assert "6/6" in output
    assert ", 0 violations, " in output
    assert status == 0, output


@pytest.mark.usefixtures("_on_this_stack")
def test_too_few_kills_prove_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert crash.main(["--orders", "0"]) == 1
    output = capsys.readouterr().out
    assert "0 kills, 0 violations" in output
    assert "0 kills are too few to prove anything, 30 are needed" in output


@pytest.mark.usefixtures("_on_this_stack")
def test_a_violation_is_named_and_fails_the_run(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
        assert crash.main(["--orders", "0"]) == 1
    finally:
        take(-1)
    output = capsys.readouterr().out
    assert "✘ Stock is conserved" in output
    assert "TRAY" in output
    assert ", 1 violation, " in output
