"""`make books`: the trade that comes before a night, and what its command answers."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo import __main__ as commands
from demo import books, shop, trade
from jobs.summary import Found, Summary
from local import left_running
from local.left_running import LeftRunning
from local.stack import RunningStack
from orders import Outcome
from tests.printing import printed_to

OUTPUTS = {"BooksWorkflowArn": "workflow", "BooksQueueArn": "queue", "BooksBucketName": "bucket"}
TODAY = date(2026, 11, 25)


def test_of_everything_in_the_catalogue_it_is_known_what_came_in() -> None:
    items = json.loads(shop.CATALOGUE_FILE.read_text("utf-8"))["InventoryTableName"]
    assert {item["pk"]: item.get("received") for item in items} == {item["pk"]: item["available"] for item in items}


def test_a_days_trade_has_orders_of_every_kind_and_each_its_own_id() -> None:
    customers = trade.visits(60, "monday-")
    assert len(customers) == 60
    ids = [visit.placement.order_id for visit in customers]
    assert len(set(ids)) == 60
    assert all(order_id.startswith("monday-") for order_id in ids)
    ends = Counter(visit.then for visit in customers if Outcome.CONFIRMED in visit.placement.expected)
    assert ends.keys() == {trade.keeps, trade.returns_one, trade.returns_everything, trade.regrets}
    assert {visit.approver for visit in customers} == {"approve", "deny"}
    assert {shown.title for shown in shop.showcase()} <= {visit.placement.title for visit in customers}


def test_a_small_trade_has_each_kind_once() -> None:
    kinds = [visit.placement.title for visit in trade.visits(1)]
    assert len(kinds) == len(set(kinds)) > 10
    assert shop.GENERATED not in kinds


# ── The command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def a_summary(*codes: str) -> Summary:
    found = [Found(code, "o-1", "", "EUR", 1, 2, "It differs.", "Look.", "", "") for code in codes]
    return Summary(
        day=TODAY.isoformat(),
        time_zone="Etc/UTC",
        as_of=f"{TODAY}T03:30:00.000Z",
        run="run",
        orders=1,
        under_way=0,
        rows=1,
        placed=1,
        stock_not_checked=0,
        report="s3://bucket/report",
        tables={"findings": "s3://bucket/findings"},
        codes=Counter(codes),
        findings=tuple(found),
    )


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run the command on a stack that is left running, whose night comes to a summary; answers its exit status and what
    it printed.
    """

    def run(*arguments: str, came: Summary, outputs: Mapping[str, str] = OUTPUTS) -> tuple[int, str]:
        @contextmanager
        def started(stack: RunningStack, day: str, *, repair: bool) -> Iterator[Any]:
            nights.append((day, repair))
            yield SimpleNamespace()

        stack = RunningStack("http://nowhere", "orders", dict(outputs))
        monkeypatch.setattr(left_running, "find", lambda: LeftRunning(None, SimpleNamespace()))  # type: ignore[arg-type]
        monkeypatch.setattr(left_running, "running", lambda: stack)
        monkeypatch.setattr(books, "today", lambda _: TODAY)
        monkeypatch.setattr(books, "started", started)
        monkeypatch.setattr(books, "watch", lambda _: None)
        monkeypatch.setattr(books, "keep", lambda *_: (Path("/kept/report.html"), came))
        out = io.StringIO()
        with printed_to(out):
            return commands.main(["books", *arguments]), out.getvalue()

    nights: list[tuple[str, bool]] = []
    run.nights = nights  # type: ignore[attr-defined]
    return run


def test_books_that_agree_are_well(close: Any) -> None:
    status, said = close(came=a_summary())
    assert status == 0
    assert "The books agree" in said
    assert "/kept/report.html" in said
    assert close.nights == [("2026-11-25", False)]


def test_books_that_do_not_agree_have_a_status_of_their_own(close: Any) -> None:
    status, said = close("--day", "2026-11-24", "--repair", "yes", came=a_summary("AMOUNT_DIFFERS"))
    assert status == books.FINDINGS == 3
    assert "AMOUNT_DIFFERS" in said
    assert close.nights == [("2026-11-24", True)]


def test_a_day_that_has_not_begun_has_no_books(close: Any) -> None:
    status, said = close("--day", "2026-11-26", came=a_summary())
    assert status == 1
    assert "has not begun" in said
    assert close.nights == []


def test_a_stack_without_books_says_how_to_start_one_that_has_them(close: Any) -> None:
    status, said = close(came=a_summary(), outputs={})
    assert status == 1
    assert "make up" in said


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "20261125x"])
def test_what_is_no_day_is_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(["books", "--day", text])
    assert ended.value.code == 2
    assert "is no day" in capsys.readouterr().err
