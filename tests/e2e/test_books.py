"""The books on the embedded stack: a day's trade, damage done by hand to tables and ledgers, and the nights between."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

import demo.__main__ as demo_commands
from demo.books import FINDINGS
from demo.night import Night, started
from demo.trade import trade, visits
from invariants.books import Books
from jobs import places, sources, summary
from jobs.summary import Summary
from local import left_running, templates
from local import stack as local_stack
from local.books import look as books_of
from local.console import progress
from local.emulator import Emulator
from local.session import bring_up_beside
from local.stack import RunningStack
from orders import Outcome
from stress.watch import alerts
from tests.e2e.conftest import told, until
from tests.exhaustive import exhaustive
from tests.jobs.damage import TWELVE, Damage
from tests.jobs.victims import Order, Shop
from tests.printing import printed_to

pytestmark = exhaustive

ORDERS, PREFIX = 30, "trade-"
WINDOW_SECONDS = 25.0  # in which something may be sent back
SECONDS_A_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Closed:
    """A night: how its command ended, what it printed, and what it came to."""

    status: int
    said: str
    came: Summary


@dataclass(frozen=True)
class Trading:
    """A shop with a day's trade behind it. What the command keeps of its nights is in `folder`; what people are told
    comes to the queue `url`, and is `heard`.
    """

    stack: RunningStack
    day: str
    folder: Path
    url: str
    heard: list[str] = field(default_factory=list)

    def night(self, *arguments: str) -> Closed:
        out = io.StringIO()
        with printed_to(out):
            status = demo_commands.main(["books", "--day", self.day, *arguments])
        kept = self.folder / "books" / f"{self.day}.json"
        assert kept.exists(), out.getvalue()
        return Closed(status, out.getvalue(), summary.read(kept.read_bytes()))

    def calls(self) -> list[str]:
        """What people were told of the books so far."""
        queues = self.stack.client("sqs")
        while batch := queues.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                self.heard.append(message["Body"])
                queues.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [one for one in self.heard if one.startswith("The books of")]

    def holder(self) -> str:
        """The run that has claimed the day."""
        runs = self.stack.table("BookRunsTableName")
        return str(runs.get_item(Key={"id": f"DAY#{self.day}"}, ConsistentRead=True)["Item"]["run"])

    def tables(self) -> Shop:
        outputs = self.stack.outputs
        names = {source.table: outputs.get(f"{source.table}Name", "") for source in sources.SOURCES}
        return Ours(self.stack.client("dynamodb"), names)


class Ours(Shop):
    """Only our orders are damaged. What other tests have left is confirmed and waits for a carrier who never comes."""

    def orders(self) -> dict[str, Order]:
        return {order_id: order for order_id, order in super().orders().items() if order_id.startswith(PREFIX)}


@pytest.fixture(scope="module")
def trading(
    shipping: RunningStack, doors_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trading]:
    """The books beside all the other stacks, after a day's trade and whatever other tests have left there."""
    [template] = templates.beside("books")
    with progress() as begin:
        running = bring_up_beside(doors_emulator, template, begin, shipping)
    days = str(WINDOW_SECONDS / SECONDS_A_DAY)
    with (
        told(running, "shipping", "ShipFunction", RETURN_DAYS=days),
        told(running, "frontdoor", "ApiFunction", AFTER_SALE="yes"),
    ):
        trade(running, visits(ORDERS, PREFIX), WINDOW_SECONDS)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        folder = tmp_path_factory.mktemp("state")
        patch.setattr(local_stack, "STATE", folder)
        left_running.describe(doors_emulator, running, {})
        heard = stack.enter_context(alerts(running, "books"))
        yield Trading(running, datetime.now(UTC).date().isoformat(), folder, heard.url)


def watched_until_ctrl_c(night: Night) -> None:
    def names() -> list[str]:
        night.update()
        return [step.name for step in night.steps()]

    until(names, lambda begun: any(name.startswith("extract") for name in begun))
    raise KeyboardInterrupt


def test_a_night_whose_command_is_ended_is_stopped_and_holds_its_day_until_the_next(
    trading: Trading,
) -> None:
    with pytest.raises(KeyboardInterrupt), started(trading.stack, trading.day, repair=False) as night:
        watched_until_ctrl_c(night)
    workflows = trading.stack.client("stepfunctions")
    assert workflows.describe_execution(executionArn=night.arn)["status"] == "ABORTED"
    assert trading.holder() == night.arn


# ── All is well ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def quiet(trading: Trading) -> Closed:
    """A night before anything was damaged."""
    return trading.night()


def test_where_nothing_is_wrong_nothing_is_found_and_nobody_is_told(trading: Trading, quiet: Closed) -> None:
    assert trading.holder() == quiet.came.run
    assert quiet.came.findings == ()
    assert quiet.status == 0
    assert "The books agree" in quiet.said
    assert trading.calls() == []


def test_the_figures_are_those_of_the_ledgers(trading: Trading, quiet: Closed) -> None:
    now, came = books_of(trading.stack), quiet.came
    placed = [order for order in now.orders if str(now.orders[order].get("placed_at", "")).startswith(trading.day)]
    confirmed = [order for order in placed if outcome(now, order) == Outcome.CONFIRMED]
    assert came.orders == len(now.orders)
    assert came.placed == len(placed)
    assert {one: came.with_outcome(one) for one in Outcome} == {
        one: sum(outcome(now, order) == one for order in placed) for one in Outcome
    }

    [euros] = came.money
    taken = {order: sum(one.amount for one in now.live(order)) for order in confirmed}
    given_back = {order: sum(one.refunded for one in now.live(order)) for order in confirmed}
    assert euros.sold == sum(int(now.orders[order]["total"]) for order in confirmed)
    assert (euros.confirmed, euros.captured) == (len(confirmed), sum(taken.values()))
    assert (euros.refunded, euros.refunds) == (sum(given_back.values()), sum(map(bool, given_back.values())))
    assert euros.refunds >= 2

    units, back = Counter[str](), Counter[str]()
    for order in confirmed:
        units += now.sold_to(order)
        back += now.sold_to(order) - now.held_by(order)
    assert {one.sku: one.units for one in came.sold} == dict(units)
    assert {one.sku: one.returned for one in came.sold if one.returned} == dict(back)


def outcome(now: Books, order_id: str) -> str:
    return str(now.decision(order_id).get("outcome", ""))


def test_the_report_and_the_files_of_the_day_are_in_the_bucket(trading: Trading, quiet: Closed) -> None:
    page = (trading.folder / "books" / f"{trading.day}.html").read_text()
    assert quiet.came.verdict in page
    bucket = trading.stack.outputs["BooksBucketName"]
    s3 = trading.stack.client("s3")
    for table in quiet.came.tables:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=places.day_file(table, trading.day, ""))
        assert listed["KeyCount"] >= 1


# ── Damaged ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def damaged(trading: Trading, quiet: Closed) -> dict[tuple[str, str], Damage]:
    """What was damaged, by the code and the order or the SKU that the night has to name."""
    shop = trading.tables()
    return {(damage.code, damage.do(shop)): damage for damage in TWELVE}


@pytest.fixture(scope="module")
def repaired(trading: Trading, damaged: dict[tuple[str, str], Damage]) -> Closed:
    """The night after, which mends what it can."""
    return trading.night("--repair", "yes")


@pytest.fixture(scope="module")
def last(trading: Trading, repaired: Closed, damaged: dict[tuple[str, str], Damage]) -> Closed:
    """One more night, when what was mended has come to its end."""
    mended = [order for (_, order), damage in damaged.items() if damage.repair]
    until(lambda: books_of(trading.stack), lambda now: all(map(now.settled, mended)))
    return trading.night()


def found(came: Summary) -> list[tuple[str, str]]:
    """Each finding's code, and its order or SKU."""
    return sorted((one.code, one.order_id or one.subject) for one in came.findings)


def test_every_damage_is_found_and_nothing_else(
    trading: Trading, damaged: dict[tuple[str, str], Damage], repaired: Closed
) -> None:
    assert len(damaged) == 12
    assert found(repaired.came) == sorted(damaged)
    assert repaired.status == FINDINGS


def test_what_can_be_mended_is_mended_and_the_next_night_finds_only_the_rest(
    damaged: dict[tuple[str, str], Damage], repaired: Closed, last: Closed
) -> None:
    mended = {where for where, damage in damaged.items() if damage.repair}
    assert {(one.code, one.order_id) for one in repaired.came.findings if one.repaired == "DONE"} == mended
    assert len(mended) == 3
    assert found(last.came) == sorted(damaged.keys() - mended)
    assert last.status == FINDINGS


def test_people_are_told_once_a_night_with_findings(trading: Trading, repaired: Closed, last: Closed) -> None:
    calls = trading.calls()
    assert len(calls) == 2
    for call, closed in zip(calls, (repaired, last), strict=True):
        assert f"{closed.came.found} findings" in call
        assert closed.came.report in call
