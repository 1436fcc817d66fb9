"""What a night puts in place: a day's tables, its summary and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobs import bucket, load, parts, places, scan, schema, summary
from jobs.begin import read_counters
from jobs.extract import Incomplete
from jobs.findings import Code
from jobs.load import OtherColumns
from jobs.parts import PartCounts, PartMissing
from jobs.summary import Decided, Money, Sold, Summary, Told, Waited
from tests.jobs.arranging import AS_OF, DAY, RUN
from tests.jobs.reconciled import a_finding, a_line, an_order, columns_of, put_part, put_parts, read_rows, write_rows

HOSTILE = '<script>alert("1")</script>\n\x1b[31m\u202e\'; DROP TABLE found; --'


@pytest.fixture(autouse=True)
def _counters(plan, tables):
    # Ten came in, seven are there, and orders hold three.
    tables["InventoryTable"].put_item(Item={"pk": "SKU#mug", "sk": "STOCK", "available": 7, "received": 10})
    read_counters(plan.run, scan.Pace(1_000_000))


HELD = {"sku": "mug", "held": 3, "moving": 0}


def objects() -> dict[str, bytes]:
    """What is in the bucket, but for the work of runs."""
    return {key: bucket.get(key) or b"" for key in bucket.keys("") if not key.startswith("work/")}


def the_summary() -> Summary:
    return summary.read(bucket.get(places.summary(DAY)) or b"")


def the_report() -> str:
    return (bucket.get(places.report(DAY)) or b"").decode()


def rows_of(table: str, name: str = "") -> list[dict[str, Any]]:
    return read_rows(bucket.get(places.day_file(table, DAY, name or f"{table}.parquet")) or b"")


def test_the_figures_are_those_of_the_orders(plan):
    orders = [
        an_order("a", seconds_to_told=1.0),
        an_order("b", seconds_to_told=2.0, refunded=1000),
        an_order("c", seconds_to_told=4.0, outcome="CANCELLED", reason="OUT_OF_STOCK", captured=0),
        an_order("d", seconds_to_told=100.0, currency="JPY", total=3000, captured=3000),
        an_order("e", seconds_to_told=None, outcome=None, reason=None, captured=None, refunded=None),
    ]
    lines = [
        a_line("a"),
        a_line("b", quantity=1, returned=1),
        a_line("b", "tea", quantity=2, unit_price=500),
        a_line("c"),
        a_line("d", quantity=3),
        a_line("e"),
    ]
    put_part(plan, 0, orders=orders[:3], lines=lines[:4], held=[HELD], under_way=1)
    put_part(plan, 1, orders=orders[3:], lines=lines[4:])
    load.load(plan)
    found = the_summary()
    assert (found.orders, found.placed, found.under_way, found.rows) == (5, 5, 1, 50)
    assert found.outcomes == (
        Decided("", "", 1),
        Decided("CANCELLED", "OUT_OF_STOCK", 1),
        Decided("CONFIRMED", "ACCEPTED", 3),
    )
    assert found.conversion == 0.6
    assert found.money == (Money("EUR", 2, 4000, 4000, 1000, 1), Money("JPY", 1, 3000, 3000, 0, 0))
    assert found.sold == (
        Sold("EUR", "mug", 1, 2, 3, 3000, 1),
        Sold("EUR", "tea", 1, 1, 2, 1000, 0),
        Sold("JPY", "mug", 1, 1, 3, 3000, 0),
    )
    # Between 4 and 100 seconds, as far as the third of four is from the fourth: exact, and not of a sketch.
    assert found.told == (
        Told("", 4, 3.0, 85.6, 97.12, 100.0),
        Told("CANCELLED", 1, 4.0, 4.0, 4.0, 4.0),
        Told("CONFIRMED", 3, 2.0, 90.2, 98.04, 100.0),
    )
    assert [each for each in found.waited if each.orders] == [Waited(2, 1), Waited(5, 2), Waited(300, 1)]
    assert (found.found, found.verdict) == (0, "The books agree")
    assert rows_of("sales")[0] == {
        "sku": "mug",
        "currency": "EUR",
        "outcome": "",
        "orders": 1,
        "units": 2,
        "amount": 2000,
        "returned": 0,
    }
    assert sum(row["amount"] for row in rows_of("sales")) == sum(
        line["quantity"] * line["unit_price"] for line in lines
    )


def test_the_run_says_what_it_came_to(plan, tables):
    put_parts(plan, findings=[a_finding(Code.HOLD_LOST, "a")], held=[HELD])
    load.load(plan)
    item = tables["BookRunsTable"].get_item(Key={"id": "RUN#a-night"})["Item"]
    assert (item["findings"], item["repaired"]) == (1, 0)
    assert item["report"] == f"s3://books/reports/{DAY}.html"
    assert item["summary"] == f"s3://books/summaries/{DAY}.json"
    assert "finished_at" in tables["BookRunsTable"].get_item(Key={"id": f"DAY#{DAY}"})["Item"]


def test_the_same_run_makes_the_same_bytes(plan):
    orders = [an_order(f"o-{n}", seconds_to_told=n / 7) for n in range(300)]
    findings = [a_finding(Code.HOLD_LOST, f"o-{n}", found=n) for n in range(50)]
    put_part(plan, 0, orders=orders[:150], lines=[a_line(order["order_id"]) for order in orders], findings=findings)
    put_part(plan, 1, orders=orders[150:], held=[HELD])
    load.load(plan)
    first = objects()
    load.load(plan)
    assert objects() == first


def test_a_day_that_is_run_again_replaces_itself(plan):
    larger = replace(plan, partitions=4)
    put_parts(larger, orders=[an_order("old")])
    load.load(larger)
    put_parts(plan, orders=[an_order("new")], held=[HELD])
    load.load(plan)
    assert [key for key in objects() if key.startswith("orders/")] == [
        f"orders/day={DAY}/part-00000.parquet",
        f"orders/day={DAY}/part-00001.parquet",
    ]
    assert [row["order_id"] for row in rows_of("orders", "part-00000.parquet")] == ["new"]


def test_other_days_stay(plan):
    for key in ("orders/day=2026-01-10/part-00009.parquet", "findings/day=2025-12-31/findings.parquet"):
        bucket.put(key, b"another day's")
    put_parts(plan)
    load.load(plan)
    assert bucket.get("orders/day=2026-01-10/part-00009.parquet") == b"another day's"
    assert bucket.get("findings/day=2025-12-31/findings.parquet") == b"another day's"


def test_a_day_without_an_order_has_the_same_columns(plan):
    put_parts(plan, held=[HELD])
    load.load(plan)
    for table, name in (
        ("orders", "part-00001"),
        ("lines", "part-00000"),
        ("sales", "sales"),
        ("findings", "findings"),
    ):
        content = bucket.get(places.day_file(table, DAY, f"{name}.parquet")) or b""
        assert columns_of(content) == [*schema.TABLES[table].items()]
        assert read_rows(content) == []
    assert the_summary().conversion is None
    assert "No order was placed on this day." in the_report()


def test_sales_have_their_columns(plan):
    put_parts(plan, orders=[an_order("a")], lines=[a_line("a")], held=[HELD])
    load.load(plan)
    for table in ("sales", "findings"):
        content = bucket.get(places.day_file(table, DAY, f"{table}.parquet")) or b""
        assert columns_of(content) == [*schema.TABLES[table].items()]


def test_nothing_is_put_while_a_part_is_missing(plan):
    put_part(plan, 0)
    with pytest.raises(PartMissing, match="1 of 2 partitions are not reconciled: 1"):
        load.load(plan)
    assert objects() == {}


def test_nothing_is_put_without_the_counters(plan):
    put_parts(plan)
    bucket.delete([places.segment_file(plan.run, "stock", 0)])
    with pytest.raises(Incomplete):
        load.load(plan)
    assert objects() == {}


def test_a_part_with_other_columns_fails(plan, tmp_path):
    put_parts(plan)
    older = {name: kind for name, kind in schema.ORDERS.items() if name != "reason"}
    for table, columns in parts.TABLES.items():
        write_rows(tmp_path / f"{table}.parquet", older if table == "orders" else columns, [])
    bucket.delete([places.part(plan.run, 1, "part.json")])
    parts.put(plan, 1, tmp_path, PartCounts(0, 0, 0, 0, 0))
    with pytest.raises(OtherColumns):
        load.load(plan)
    assert objects() == {}


def test_a_run_that_lost_the_day_puts_nothing(plan, tables):
    put_parts(plan)
    tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": RUN + "-another", "claimed_at": AS_OF})
    load.load(plan)
    assert objects() == {}


def test_a_run_that_loses_the_day_while_it_reads_puts_nothing(plan, tables, monkeypatch):
    put_parts(plan)
    build = load.build

    def slowly(*arguments: Any) -> Any:
        built = build(*arguments)
        tables["BookRunsTable"].put_item(Item={"id": f"DAY#{DAY}", "run": RUN + "-another", "claimed_at": AS_OF})
        return built

    monkeypatch.setattr(load, "build", slowly)
    load.load(plan)
    assert objects() == {}


def test_stock_that_does_not_add_up_is_a_finding(plan):
    put_part(plan, 0, held=[HELD | {"held": 1}])
    put_part(plan, 1, held=[HELD | {"held": 1}])
    load.load(plan)
    [finding] = rows_of("findings")
    assert (finding["code"], finding["subject"]) == ("STOCK_DOES_NOT_ADD_UP", "mug")
    assert (finding["expected"], finding["found"]) == (10, 9)
    assert finding["advice"]
    assert the_summary().codes == {"STOCK_DOES_NOT_ADD_UP": 1}


def test_stock_of_which_nobody_says_what_came_in_is_counted(plan, tables):
    put_parts(plan, held=[HELD, {"sku": "tea", "held": 1, "moving": 0}])
    load.load(plan)
    assert (the_summary().found, the_summary().stock_not_checked) == (0, 1)
    assert "The stock of 1 SKU was not checked" in the_report()


def test_what_orders_say_is_shown_as_text(plan):
    order = an_order(HOSTILE, currency=HOSTILE, reason=HOSTILE)
    finding = a_finding(Code.HOLD_LOST, HOSTILE, subject=HOSTILE, currency=HOSTILE, detail=HOSTILE)
    put_parts(plan, orders=[order], lines=[a_line(HOSTILE, HOSTILE)], findings=[finding], held=[HELD])
    load.load(plan)
    report = the_report()
    assert "<script" not in report
    assert "&lt;script&gt;" in report
    assert not {"\x1b", "\u202e"} & set(report)
    assert [row["sku"] for row in rows_of("sales")] == [HOSTILE]
    assert [row["order_id"] for row in rows_of("findings")] == [HOSTILE]


def test_amounts_that_no_card_can_be_charged_count_for_nothing(plan):
    most = 2**63 - 1
    orders = [an_order(f"o-{n}", outcome="REJECTED", total=most, currency="EUR") for n in range(3)]
    lines = [a_line(order["order_id"], quantity=most, unit_price=-most) for order in orders]
    lines += [a_line(order["order_id"], quantity=most, unit_price=most) for order in orders]
    put_parts(plan, orders=orders, lines=lines, held=[HELD])
    load.load(plan)
    [row] = rows_of("sales")
    assert (row["units"], row["amount"]) == (0, 0)


def test_amounts_are_those_of_their_currency(plan):
    orders = [
        an_order("y", currency="JPY", total=123_456, captured=123_456),
        an_order("k", currency="KWD", total=123_450, captured=123_450, refunded=1_010),
    ]
    put_parts(plan, orders=orders, held=[HELD])
    load.load(plan)
    report = the_report()
    assert "123,456 JPY" in report
    assert "123.450 KWD" in report
    assert "1.010 KWD" in report


def test_findings_are_cut_in_the_report_and_whole_in_the_file(plan):
    findings = [a_finding(Code.HOLD_LOST, f"o-{n:04}") for n in range(load.SHOWN + 5)]
    put_parts(plan, findings=[*findings, a_finding(Code.CAPTURED_TWICE, "o")], held=[HELD])
    load.load(plan)
    assert len(rows_of("findings")) == load.SHOWN + 6
    assert the_summary().codes == {"HOLD_LOST": load.SHOWN + 5, "CAPTURED_TWICE": 1}
    assert len(the_summary().findings) == load.SHOWN + 1
    assert f"the first {load.SHOWN} of {load.SHOWN + 5}" in the_report()
    assert f"5 more are in <code>s3://books/findings/day={DAY}/" in the_report()


def test_skus_beyond_the_first_are_one_line(plan):
    lines = [a_line("a", f"sku-{n:03}", unit_price=n) for n in range(1, 31)]
    put_parts(plan, orders=[an_order("a")], lines=lines, held=[HELD])
    load.load(plan)
    sold = the_summary().sold
    assert [line.sku for line in sold[:2]] == ["sku-030", "sku-029"]
    assert sold[-1] == Sold("EUR", "", 10, 10, 20, 2 * sum(range(1, 11)), 0)
    assert "10 other SKUs" in the_report()


def test_a_summary_is_read_as_it_was_written(plan):
    put_parts(plan, orders=[an_order("a")], findings=[a_finding(Code.HOLD_LOST, "a")], held=[HELD])
    load.load(plan)
    written = bucket.get(places.summary(DAY)) or b""
    assert summary.write(summary.read(written)) == written
    later = json.loads(written) | {"version": 2, "something": "new"}
    assert summary.read(json.dumps(later).encode()).found == 1


def test_what_came_of_repairs_is_in_the_findings(plan, tables):
    plan = replace(plan, repair=True)
    findings = [
        a_finding(Code.HOLD_OF_A_FINISHED_ORDER, "done", subject="pi_1", repair="void"),
        a_finding(Code.HOLD_OF_A_FINISHED_ORDER, "failed", subject="pi_2", repair="void"),
        a_finding(Code.ORDER_LOST, "asked", repair="send again"),
        a_finding(Code.ORDER_LOST, "left", repair="send again"),
        a_finding(Code.HOLD_LOST, "done"),
    ]
    put_parts(plan, findings=findings, held=[HELD])
    for code, what, status in (
        ("HOLD_OF_A_FINISHED_ORDER", "done#pi_1", "DONE"),
        ("HOLD_OF_A_FINISHED_ORDER", "failed#pi_2", "FAILED"),
        ("ORDER_LOST", "asked", "ASKED"),
    ):
        tables["BookRunsTable"].put_item(Item={"id": f"REPAIR#a-night#{code}#{what}", "status": status})
    load.load(plan)
    assert {(row["code"], row["order_id"]): row["repaired"] for row in rows_of("findings")} == {
        ("HOLD_LOST", "done"): "",
        ("HOLD_OF_A_FINISHED_ORDER", "done"): "DONE",
        ("HOLD_OF_A_FINISHED_ORDER", "failed"): "FAILED",
        ("ORDER_LOST", "asked"): "FAILED",
        ("ORDER_LOST", "left"): "",
    }
    assert the_summary().repairs == summary.Repairs(wanted=True, possible=4, done=1, failed=2, left=1)
    assert tables["BookRunsTable"].get_item(Key={"id": "RUN#a-night"})["Item"]["repaired"] == 1


def test_a_load_that_dies_anywhere_is_made_good_by_the_next(plan, monkeypatch):
    put_parts(plan, orders=[an_order("a")], lines=[a_line("a")], held=[HELD])
    load.load(plan)
    whole = objects()
    stale = places.day_file("orders", DAY, "part-00007.parquet")
    for survived in range(len(whole) + 1):
        bucket.delete(whole)
        bucket.put(stale, b"a part of a run with more partitions")
        with monkeypatch.context() as patched:
            _die_after(survived, patched)
            with pytest.raises(KeyboardInterrupt):
                load.load(plan)
        load.load(plan)
        assert objects() == whole


def _die_after(survived: int, patched: pytest.MonkeyPatch) -> None:
    """Let so many writes to the bucket happen, and the next one not."""
    left = survived

    def count(write: Any) -> Any:
        def counting(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return write(*arguments, **options)

        return counting

    for name in ("put", "delete"):
        patched.setattr(bucket, name, count(getattr(bucket, name)))
