"""The watcher sees every change of an order once it has happened, and says so to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from console import bus, model, watch
from console.model import Row
from console.place import Place
from console.streams import Stream
from console.watch import Watch
from demo.shop import order
from tests.console.a_place import FakePlace, a_place, until


@pytest.fixture
def place() -> Iterator[FakePlace]:
    with a_place() as place:
        yield place


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOON", "SELDOM", "SOON_ON_AWS", "SELDOM_ON_AWS", "AGAIN_SECONDS", "FOLLOWED_SECONDS"):
        monkeypatch.setattr(watch, name, 0.02)


@asynccontextmanager
async def watching(place: FakePlace) -> AsyncIterator[tuple[Watch, list[set[str]]]]:
    """A watcher at work, and all that it has told."""
    told: list[set[str]] = []
    watcher = Watch(place)
    watcher.subscribe(told.append)
    task = asyncio.create_task(watcher.run())
    try:
        await asyncio.wait_for(watcher.ready.wait(), 60)
        yield watcher, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def decided(order_id: str, status: str, reason: str = "ACCEPTED") -> dict[str, Any]:
    decision = {"outcome": status, "reason": reason, "decided_at": "2026-11-25T10:00:01Z"}
    history = {status: "2026-11-25T10:00:01Z"}
    return {"order_id": order_id, "decision": decision, "status": status, "history": history}


def test_what_is_there_already_is_known(place: FakePlace) -> None:
    place.put("Orders", order("o-1", {"TEA-100": 2}))
    place.put("OrderStates", decided("o-1", "CANCELLED", "OUT_OF_STOCK"))

    async def look() -> None:
        async with watching(place) as (watcher, _):
            row = watcher.rows["o-1"]
            assert (row.status, row.reason, row.total_text) == ("CANCELLED", "OUT_OF_STOCK", "17.80 EUR")
            assert (row.lines_text, row.changed_at) == ("2 × TEA-100", "2026-11-25T10:00:01Z")

    asyncio.run(look())


def test_an_order_is_seen_as_it_is_placed_decided_and_deleted(place: FakePlace) -> None:
    async def look() -> None:
        async with watching(place) as (watcher, told):
            place.put("Orders", order("o-1", {"TEA-100": 2}))
            await until(lambda: "o-1" in watcher.rows)
            assert watcher.rows["o-1"].status == "PLACED"
            place.put("OrderStates", decided("o-1", "CONFIRMED"))
            await until(lambda: watcher.rows["o-1"].status == "CONFIRMED")
            place.delete("Orders", "o-1")
            place.delete("OrderStates", "o-1")
            await until(lambda: not watcher.rows)
            assert told
            assert set().union(*told) == {"o-1"}

    asyncio.run(look())


def test_what_changes_while_the_tables_are_read_is_not_missed(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = Watch._scan

    def scan_and_miss(self: Watch) -> dict[str, Row]:
        found = scan(self)
        place.put("Orders", order("late", {"TEA-100": 1}))
        return found

    monkeypatch.setattr(Watch, "_scan", scan_and_miss)

    async def look() -> None:
        async with watching(place) as (watcher, _):
            await until(lambda: "late" in watcher.rows)

    asyncio.run(look())


def test_why_an_order_waits_is_told(place: FakePlace) -> None:
    place.put("Orders", order("o-1", {"TEA-100": 2}))
    place.put("OpenOrders", {"order_id": "o-1", "occurred_at": "x", "sweeps": 0, "sweep_at": 0, "review": True})

    async def look() -> None:
        async with watching(place) as (watcher, _):
            assert watcher.rows["o-1"].reason == "waits for approval"

    asyncio.run(look())


def test_trouble_is_said_and_what_happened_meanwhile_is_found_afterwards(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    changed = Stream.changed

    def sometimes(self: Stream) -> set[str]:
        if broken:
            raise ClientError({"Error": {"Code": "ExpiredIteratorException", "Message": "too old"}}, "GetRecords")
        return changed(self)

    monkeypatch.setattr(Stream, "changed", sometimes)

    async def look() -> None:
        nonlocal broken
        async with watching(place) as (watcher, _):
            await until(lambda: watcher.trouble)
            place.put("Orders", order("meanwhile", {"TEA-100": 1}))
            broken = False
            await until(lambda: "meanwhile" in watcher.rows and not watcher.trouble)

    asyncio.run(look())


def test_whoever_stops_listening_is_told_nothing_more(place: FakePlace) -> None:
    async def look() -> None:
        async with watching(place) as (watcher, told):
            mine: list[set[str]] = []
            stop = watcher.subscribe(mine.append)
            stop()
            stop()
            place.put("Orders", order("o-1", {"TEA-100": 2}))
            await until(lambda: told)
            assert not mine

    asyncio.run(look())


def test_an_order_that_somebody_looks_at_is_told_again_and_again_until_it_has_ended(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LINGERS_SECONDS", 0.0)
    place.put("Orders", order("o-1", {"TEA-100": 2}))

    async def look() -> None:
        async with watching(place) as (watcher, told):
            stop = watcher.follow("o-1")
            await until(lambda: len(told) > 5)
            place.put("OrderStates", decided("o-1", "CANCELLED"))
            await until(lambda: watcher.rows["o-1"].status == "CANCELLED")
            await asyncio.sleep(0.2)
            ended = len(told)
            await asyncio.sleep(0.2)
            assert len(told) == ended
            stop()
            stop()

    asyncio.run(look())


def test_it_looks_less_often_once_nothing_has_changed_for_a_while(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CALM_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(watch, "CALM", 3600.0)

    async def look() -> None:
        looks: list[int] = []

        def changed(_: object) -> set[str]:
            looks.append(1)
            return set()

        monkeypatch.setattr(watch, "_changed", changed)
        async with watching(place) as (watcher, _):
            await until(lambda: looks)
            await asyncio.sleep(0.3)
            assert len(looks) <= 2
            for _page in range(3):
                seen = len(looks)
                watcher.subscribe(lambda _: None)  # whoever opens a page has it looked at once
                await until(lambda: len(looks) > seen)  # noqa: B023 - it is awaited in here

    asyncio.run(look())


def test_one_page_that_fails_and_what_nobody_has_foreseen_stop_no_one_else_s_news(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [True]
    scan = Watch._scan

    def sometimes(self: Watch) -> dict[str, Row]:
        if failing:
            raise RuntimeError("nobody has thought of this")
        return scan(self)

    monkeypatch.setattr(Watch, "_scan", sometimes)

    def fails(_: set[str]) -> None:
        raise RuntimeError("this page can't draw it")

    async def look() -> None:
        told: list[set[str]] = []
        watcher = Watch(place)
        watcher.subscribe(fails)
        watcher.subscribe(told.append)
        task = asyncio.create_task(watcher.run())
        await until(lambda: "nobody has thought of this" in watcher.trouble)
        failing.clear()
        for order_id in ("o-1", "o-2"):
            place.put("Orders", order(order_id, {"TEA-100": 2}))
            await until(lambda: {order_id} in told)  # noqa: B023 - it is awaited in here
        assert not watcher.trouble
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(look())


# ── On AWS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("embedded", "streams"), [(True, ["Orders", "OrderStates"]), (False, ["Orders"])])
def test_on_aws_it_takes_nothing_from_the_two_readers_of_the_states(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch, embedded: bool, streams: list[str]
) -> None:
    opened: list[str] = []

    class Opened(Stream):
        def __init__(self, place: Place, table: str) -> None:
            opened.append(table)
            super().__init__(place, table)

    monkeypatch.setattr(watch, "Stream", Opened)
    for name in ("Bus", "Mailbox"):
        monkeypatch.setattr(watch, name, lambda _: Silent())
    place.put("Orders", order("o-1", {"TEA-100": 2}))

    async def look() -> None:
        async with watching(replace(place, embedded=embedded)) as (watcher, told):
            told.clear()
            place.put("OrderStates", decided("o-1", "CONFIRMED"))
            await until(lambda: {"o-1"} in told)
            assert watcher.rows["o-1"].status == "CONFIRMED"

    asyncio.run(look())
    assert opened == [place.outputs[f"{name}TableName"] for name in streams]


class Silent:
    """A bus on which nothing comes by, and a mailbox without mail."""

    def seen(self) -> list[Any]:
        return []

    def fetch(self) -> None:
        return None

    def close(self) -> None:
        """There is nothing to take away."""


def test_on_aws_each_order_that_may_change_has_its_turn_and_the_one_that_is_looked_at_each_time(
    place: FakePlace,
) -> None:
    watcher = Watch(place)
    statuses = ["PLACED"] * 250 + ["CONFIRMED"] * 250 + ["ARCHIVED"] * 50
    rows = [model.row(str(number), {}, {"status": status}) for number, status in enumerate(statuses)]
    watcher.rows = {row.order_id: row for row in rows}
    watcher.follow("499")
    turns = [set(watcher._in_turn()) for _ in range(20)]
    assert all(len(turn) <= watch.BATCH and "499" in turn for turn in turns)
    assert set().union(*turns) == {str(number) for number in range(500)}


# ── A stream whose shards end ───────────────────────────────────────────────────────────────────────────────────────


class Shards:
    """A client of DynamoDB Streams: shard `a` ends after its first records, and `b` follows it."""

    def __init__(self) -> None:
        self.there = [{"ShardId": "old", "SequenceNumberRange": {"EndingSequenceNumber": "9"}}, {"ShardId": "a"}]

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"LatestStreamArn": "arn"}}

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        return {"StreamDescription": {"Shards": list(self.there)}}

    def get_shard_iterator(self, *, ShardId: str, ShardIteratorType: str, **_: Any) -> dict[str, str]:  # noqa: N803
        return {"ShardIterator": f"{ShardId}:{ShardIteratorType}"}

    def get_records(self, *, ShardIterator: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        match ShardIterator:
            case "a:LATEST":
                self.there.append({"ShardId": "b"})
                return {"Records": [_record("last-of-a")]}
            case "b:TRIM_HORIZON":
                return {"Records": [_record("first-of-b")], "NextShardIterator": "b:2"}
            case "b:2":
                return {"Records": [], "NextShardIterator": "b:2"}
        raise AssertionError(ShardIterator)


def _record(order_id: str) -> dict[str, Any]:
    return {"dynamodb": {"Keys": {"order_id": {"S": order_id}}}}


def test_where_a_shard_ends_its_follower_is_read_from_its_beginning(
    place: FakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Shards()
    monkeypatch.setattr(FakePlace, "client", lambda *_: shards)
    stream = Stream(place, "table")
    assert [stream.changed() for _ in range(3)] == [{"last-of-a"}, {"first-of-b"}, set()]


# ── What is shown of anything ───────────────────────────────────────────────────────────────────────────────────────

anything = st.recursive(
    st.none() | st.booleans() | st.decimals(allow_nan=False, allow_infinity=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    order=st.fixed_dictionaries({}, optional=dict.fromkeys(("total", "currency", "lines", "placed_at"), anything)),
    state=st.fixed_dictionaries({}, optional=dict.fromkeys(("status", "decision", "history"), anything)),
    to_do=st.fixed_dictionaries({}, optional=dict.fromkeys(("stuck", "sweeps", "review"), anything)),
)
def test_an_item_may_say_anything_and_has_a_row_of_short_texts(
    order: dict[str, Any], state: dict[str, Any], to_do: dict[str, Any]
) -> None:
    for value in model.row("o-1", order, state, to_do).as_dict().values():
        assert isinstance(value, str)
        assert len(value) <= 2 * model.LONGEST + 1


@pytest.mark.parametrize(
    ("total", "currency", "shown"),
    [
        (Decimal(1990), "EUR", "19.90 EUR"),
        (Decimal(1990), "JPY", "1990 JPY"),
        (Decimal("19.5"), "EUR", "19.5 EUR"),
        (Decimal(890), "<b>EUR</b>", "890 <b>EUR</b>"),
        ("12.50", None, "12.50"),
        (Decimal("1E+125"), "EUR", "1E+125 EUR"),
    ],
)
def test_an_amount_is_shown_as_money_only_where_it_is_some(total: Any, currency: Any, shown: str) -> None:
    assert model.amount(total, currency) == shown


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"detail": 1, "detail-type": "x"}', '{"detail": {}}'])
def test_an_event_of_another_form_is_passed_over(body: str) -> None:
    assert bus._read({"Body": body}) is None


def test_an_emulator_that_is_gone_is_said_to_be_gone(place: FakePlace) -> None:
    gone = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    said = Watch(replace(place, embedded=True, endpoint_url="http://127.0.0.1:1"))._why(gone)
    assert said.startswith("The stack does not answer (http://127.0.0.1:1)")
    assert Watch(place)._why(gone).startswith("The stack can't be read")
