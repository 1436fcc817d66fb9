"""The crash test in small."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import crash.__main__ as command
from demo import shop
from local import deploy, emulator
from local import stack as local_stack
from local.emulator import Emulator
from local.seed import seed
from local.session import Session
from local.stack import RunningStack
from orders.tables import stock_key
from tests.e2e.conftest import quietly
from tests.exhaustive import exhaustive
from tests.printing import printed_to

pytestmark = exhaustive


@pytest.fixture(scope="module")
def stormy_emulator() -> Iterator[Emulator]:
    """One of its own: nobody else's functions are killed, nor wait for a processor meanwhile."""
    started = emulator.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def stack(stormy_emulator: Emulator, build: Path) -> RunningStack:
    deployed = deploy.deploy(stormy_emulator, build, quietly)
    seed(deployed, shop.CATALOGUE_FILE)
    return deployed


@dataclasses.dataclass
class Ran:
    """How a storm ended: the exit status, and what was printed."""

    status: int
    output: str


@pytest.fixture(scope="module")
def ran(
    stormy_emulator: Emulator, stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Ran]]:
    """Three storms, one after the other on one stack: without orders, with a unit too few in stock, and with orders."""
    opened = Session(stormy_emulator, stack, [stack.stack_name])

    def run(orders: int, enough: int) -> Ran:
        out = io.StringIO()
        patch.setattr(command, "ENOUGH_KILLS", enough)
        with printed_to(out):
            return Ran(command.crash_test(opened, orders=orders, seed=1), out.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_stack, "STATE", tmp_path_factory.mktemp("state"))  # where the logs of a failure are kept
        storms = {"empty": run(orders=0, enough=30)}
        add(opened, "TRAY", -1)
        storms["one too few"] = run(orders=0, enough=0)
        add(opened, "TRAY", 1)
        storms["six orders"] = run(orders=6, enough=1)
        yield storms


def add(opened: Session, sku: str, units: int) -> None:
    opened.stack.client("dynamodb").update_item(
        TableName=opened.stack.outputs["InventoryTableName"],
        Key=stock_key(sku),
        UpdateExpression="ADD available :units",
        ExpressionAttributeValues={":units": {"N": str(units)}},
    )


def test_six_orders_survive_kills(ran: dict[str, Ran]) -> None:
    storm = ran["six orders"]
    assert "6/6" in storm.output
    assert ", 0 violations, " in storm.output
    assert storm.status == 0, storm.output


def test_too_few_kills_prove_nothing(ran: dict[str, Ran]) -> None:
    assert ran["empty"].status == 1
    assert "0 kills, 0 violations" in ran["empty"].output
    assert "0 kills are too few to prove anything, 30 are needed" in ran["empty"].output


def test_a_violation_is_named_and_fails_the_run(ran: dict[str, Ran]) -> None:
    storm = ran["one too few"]
    assert storm.status == 1
    assert "✘ Stock is conserved" in storm.output
    assert "TRAY" in storm.output
    assert ", 1 violation, " in storm.output
