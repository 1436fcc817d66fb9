"""A partition is reconciled to the same files, however its items came, and however often."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs import bucket, extract, parquet, parts, places, recheck, reconcile, schema
from jobs.cases import Case
from jobs.findings import ADVICE, Code
from jobs.parts import PartCounts
from jobs.reconcile import reconcile_files
from jobs.runs import OURS, Plan
from orders import iso_8601
from orders.tables import Item
from tests.jobs import a_shop, damage
from tests.jobs.arranging import RUN
from tests.jobs.victims import Shop

DAY = "2026-03-02"  # on which all of the shop's orders were placed
TABLES = {"orders": schema.ORDERS, "lines": schema.LINES, "findings": schema.FINDINGS, "held": schema.HELD}


@pytest.fixture(autouse=True, scope="module")
def _before_there_is_no_network() -> None:
    with a_shop.with_sockets():
        a_shop.in_the_evening()


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIME_ZONE", "Europe/Berlin")


def the_plan(**changes: Any) -> Plan:
    _, now = a_shop.in_the_evening()
    return replace(Plan(RUN, DAY, iso_8601(now), OURS, partitions=2, segments=2, repair=False), **changes)


def evening() -> dict[str, list[Item]]:
    tables, _ = a_shop.in_the_evening()
    return {name: [*items] for name, items in tables.items()}


def broken(*damages: Callable[[Shop], str]) -> dict[str, list[Item]]:
    tables, now = a_shop.in_the_evening()
    shop = Shop(a_shop.InMemory(tables), {name: name for name in tables}, now)
    for do in damages:
        do(shop)
    return {name: [*shop.items(name)] for name in tables}


def reconciled(
    folder: Path,
    tables: a_shop.Tables,
    plan: Plan | None = None,
    again: Callable[[Case], Case] | None = None,
) -> PartCounts:
    return part(folder, tables, 1, 0, plan, again)


def part(  # noqa: PLR0917 - as `reconcile_files`
    folder: Path,
    tables: a_shop.Tables,
    partitions: int,
    partition: int,
    plan: Plan | None = None,
    again: Callable[[Case], Case] | None = None,
) -> PartCounts:
    folder.mkdir(parents=True, exist_ok=True)
    files = a_shop.extracted(tables, folder, partitions, partition)
    return reconcile_files(files, plan or the_plan(), partition, folder, again)


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    with duckdb.connect() as database:
        answer = database.execute(f"SELECT * FROM '{folder / table}.parquet'").fetchall()
    return [dict(zip(TABLES[table], row, strict=True)) for row in answer]


def test_a_partition_has_its_orders_their_lines_what_they_hold_and_what_is_wrong(tmp_path: Path) -> None:
    counts = reconciled(tmp_path, evening())
    assert counts == PartCounts(orders=20, under_way=0, rows=counts.rows, placed=20, findings=0)
    assert {path.name for path in tmp_path.iterdir() if not path.name.endswith("gz")} == {
        *(f"{table}.parquet" for table in TABLES),
    }
    with parquet.connect(tmp_path) as database:
        assert all(parquet.columns(database, tmp_path / f"{table}.parquet") == TABLES[table] for table in TABLES)


def test_an_order_says_what_it_came_to_and_what_was_paid(tmp_path: Path) -> None:
    reconciled(tmp_path, evening())
    orders = {row["order_id"]: row for row in rows(tmp_path, "orders")}
    assert [*orders] == sorted(orders)
    ends = ("outcome", "status", "captured", "refunded")
    came_to = {order_id: tuple(row[name] for name in ends) for order_id, row in orders.items()}
    assert came_to["K-0"] == ("CONFIRMED", "ARCHIVED", 3750, 0)
    assert came_to["R-1"] == ("CONFIRMED", "ARCHIVED", 2500, 1250)
    assert came_to["W-1"] == ("CONFIRMED", "RETURNED", 1250, 1250)
    assert came_to["O-1"] == ("CANCELLED", "CANCELLED", 0, 0)
    assert came_to["D-1"] == ("CANCELLED", "CANCELLED", 0, 0)
    assert came_to["I-1"] == ("REJECTED", "REJECTED", 0, 0)
    assert {row["currency"] for row in orders.values()} == {"EUR"}
    assert (orders["I-1"]["total"], orders["I-1"]["reason"]) == (1, "ORDER_INVALID")


def test_the_lines_are_what_was_sold_or_asked_for_and_what_came_back(tmp_path: Path) -> None:
    reconciled(tmp_path, evening())
    lines = [tuple(row.values()) for row in rows(tmp_path, "lines")]
    assert lines == sorted(lines)
    assert {line for line in lines if line[0] in ("K-0", "R-1", "O-1")} == {
        ("K-0", "mug", 1, 1250, 0),
        ("K-0", "pot", 2, 1250, 0),
        ("R-1", "mug", 2, 1250, 1),
        ("O-1", "gold", 2, 1250, 0),
    }


def test_the_seconds_until_the_customer_was_told_are_those_of_the_record(tmp_path: Path) -> None:
    tables = evening()
    records = [item for item in tables["IdempotencyTable"] if '"K-' not in item.get("data", {"S": ""})["S"]]
    of_others = [_told("K-1", "DELIVERED", "2026-03-02T09:00:01Z"), _told("K-1", "CONFIRMED", "2026-03-02T09:00:03Z")]
    tables["IdempotencyTable"] = [*records, *of_others, _told("K-1", "CONFIRMED", "2026-03-02T09:00:02.250+00:00")]
    reconciled(tmp_path, tables)
    orders = {row["order_id"]: row for row in rows(tmp_path, "orders")}
    assert (orders["K-1"]["seconds_to_told"], orders["K-2"]["seconds_to_told"]) == (2.25, None)


def _told(order_id: str, outcome: str, told_at: str) -> Item:
    data = json.dumps({"message_id": "m", "order_id": order_id, "outcome": outcome, "told_at": told_at})
    return {"id": {"S": f"{order_id}, {outcome}, {told_at}"}, "data": {"S": data}}


@pytest.mark.parametrize(
    ("placed_at", "day"),
    [
        ("2026-03-01T23:00:00Z", "2026-03-02"),  # midnight in Berlin
        ("2026-03-01T22:59:59.999Z", "2026-03-01"),
        ("2026-03-02T22:59:59.999+00:00", "2026-03-02"),
        ("2026-03-02T23:00:00Z", "2026-03-03"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),  # which has 23 hours
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
    ],
)
def test_an_order_is_of_the_day_in_the_shops_time_zone_on_which_it_was_placed(
    placed_at: str, day: str, tmp_path: Path
) -> None:
    tables = evening()
    tables["OrdersTable"] = [
        item | ({"placed_at": {"S": placed_at}} if item["order_id"]["S"] == "K-0" else {"placed_at": {"S": "long ago"}})
        for item in tables["OrdersTable"]
    ]
    days = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-29", "2026-03-30"]
    placed = {one: reconciled(tmp_path / one, tables, the_plan(day=one)).placed for one in days}
    assert placed == {one: int(one == day) for one in days}


def test_what_orders_hold_is_what_they_took_and_did_not_send_back(tmp_path: Path) -> None:
    reconciled(tmp_path, evening())
    held = {row["sku"]: (row["held"], row["moving"]) for row in rows(tmp_path, "held")}
    assert held["pot"] == (20, 0)  # ten orders of two, and one that was sent back
    assert held["mug"] == (11, 0)


def test_findings_have_their_advice(tmp_path: Path) -> None:
    counts = reconciled(tmp_path, broken(damage.capture_twice, damage.lose_the_order))
    found = rows(tmp_path, "findings")
    assert [row["code"] for row in found] == [Code.CAPTURED_TWICE, Code.ORDER_LOST]
    assert [row["advice"] for row in found] == [ADVICE[Code(row["code"])] for row in found]
    assert [(row["repair"], row["repaired"]) for row in found] == [("", ""), ("send again", "")]
    assert counts.findings == 2


def test_an_order_under_way_is_counted_and_not_judged_and_its_units_may_move(tmp_path: Path) -> None:
    tables = broken(damage.capture_twice)
    [twice] = [item for item in tables["SimulatedGatewayTable"] if item["id"]["S"] == "pi_twice"]
    to_do = {"order_id": twice["order_id"], "occurred_at": {"S": the_plan().as_of}, "sweeps": {"N": "0"}}
    tables["OpenOrdersTable"].append(to_do)
    counts = reconciled(tmp_path, tables)
    assert (counts.under_way, counts.findings, counts.orders) == (1, 0, 20)
    assert {row["sku"]: row["moving"] for row in rows(tmp_path, "held") if row["moving"]} == {"tea": 2}


def test_the_partitions_together_are_the_whole(tmp_path: Path) -> None:
    tables = broken(damage.capture_twice, damage.carry_for_nobody, damage.lose_the_money)
    whole = reconciled(tmp_path / "whole", tables)
    parts = [part(tmp_path / str(number), tables, 3, number) for number in range(3)]
    for name in ("orders", "rows", "placed", "findings"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    for table in ("orders", "lines", "findings"):
        together = [row for number in range(3) for row in rows(tmp_path / str(number), table)]
        assert sorted(map(str, together)) == sorted(map(str, rows(tmp_path / "whole", table)))


def test_the_files_are_the_same_byte_for_byte_in_whatever_order_the_items_came(tmp_path: Path) -> None:
    tables = broken(damage.capture_twice, damage.hold_again, damage.lose_the_order)
    [twice] = [item for item in tables["SimulatedGatewayTable"] if item["id"]["S"] == "pi_twice"]
    tables["SimulatedGatewayTable"].append({**twice, "id": {"S": "pi_thrice"}})
    reconciled(tmp_path / "one", tables)
    reconciled(tmp_path / "other", {name: items[::-1] for name, items in tables.items()})
    for name in (f"{table}.parquet" for table in TABLES):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_partition_without_orders_has_empty_files(tmp_path: Path) -> None:
    counts = reconciled(tmp_path, {name: [] for name in evening()})
    assert counts == PartCounts(0, 0, 0, 0, 0)
    assert all(rows(tmp_path, table) == [] for table in TABLES)


# ── Twice ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_looks_wrong_is_looked_at_again_and_counts_if_it_still_is(tmp_path: Path) -> None:
    wrong, right = broken(damage.capture_twice, damage.forget_what_it_came_to), evening()
    looked: list[str] = []

    def as_it_is_in(tables: a_shop.Tables) -> Callable[[Case], Case]:
        def again(case: Case) -> Case:
            looked.append(case.order_id)
            now = {one.order_id: one for one in a_shop.cases(tables, case.night.as_of)}
            return replace(now[case.order_id], night=case.night)

        return again

    assert reconciled(tmp_path / "still", wrong, None, as_it_is_in(wrong)).findings == 2
    assert reconciled(tmp_path / "no longer", wrong, None, as_it_is_in(right)).findings == 0
    assert len(looked) == 4


def test_when_too_much_looks_wrong_the_rest_counts_as_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "SECOND_LOOKS", 1)
    wrong = broken(damage.capture_twice, damage.lose_the_money)
    now = {one.order_id: one for one in a_shop.cases(evening(), a_shop.in_the_evening()[1])}
    assert reconciled(tmp_path, wrong, None, lambda case: now[case.order_id]).findings == 1


def test_an_item_that_nobody_understands_is_a_finding_and_holds_nothing_up(tmp_path: Path) -> None:
    tables = evening()
    tables["PaymentsTable"] = [
        item | ({"status": {"S": "LOST"}} if item["order_id"]["S"] == "K-0" else {}) for item in tables["PaymentsTable"]
    ]
    assert reconciled(tmp_path, tables).orders == 19
    [finding] = rows(tmp_path, "findings")
    assert (finding["code"], finding["order_id"]) == (Code.INVARIANT_BROKEN, "K-0")
    assert "not understood" in finding["detail"]


def test_whatever_an_order_has_for_an_id_it_is_read(tmp_path: Path) -> None:
    strange = "O'Neill\n\"; DROP TABLE orders; --\tü€𝄞"
    tables = evening()
    [order] = [item for item in tables["OrdersTable"] if item["order_id"]["S"] == "I-1"]
    tables["OrdersTable"].append(
        {**order, "order_id": {"S": strange}, "total": {"N": "9" * 30}, "lines": {"S": "none"}}
    )
    assert reconciled(tmp_path, tables).findings == 1
    [finding] = rows(tmp_path, "findings")
    assert (finding["code"], finding["order_id"]) == (Code.ORDER_LOST, strange)


# ── In the bucket ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def there(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of a run that has extracted the shop."""
    tables = broken(damage.capture_twice)

    def extracted(run: str, source: str, partition: int, segments: int, folder: Path) -> list[Path]:
        files = a_shop.extracted(tables, folder, plan.partitions, partition)
        return files.get(source, [])

    monkeypatch.setattr(extract, "extracted", extracted)
    monkeypatch.setattr(recheck, "look_again", lambda case: case)
    return the_plan(partitions=plan.partitions)


def everything() -> dict[str, bytes | None]:
    return {key: bucket.get(key) for key in sorted(bucket.keys("work/"))}


def test_a_partitions_files_are_put_once_and_its_part_json_last(there: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[str] = []
    real = bucket.put

    def noted(key: str, content: bytes | Path, *, once: bool = False) -> bool:
        assert once
        put.append(key)
        return real(key, content, once=once)

    monkeypatch.setattr(bucket, "put", noted)
    reconcile.reconcile(there, 1)
    assert put[-1] == places.part(there.run, 1, "part.json")
    assert sorted(put) == sorted(everything())
    before = everything()
    reconcile.reconcile(there, 1)
    assert (everything(), len(put)) == (before, 5)


def test_a_job_that_died_before_its_part_was_whole_leaves_the_same_files_as_one_that_did_not(there: Plan) -> None:
    reconcile.reconcile(there, 0)
    whole = everything()
    bucket.delete([key for key in whole if "part.json" in key or "/held-" in key])
    reconcile.reconcile(there, 0)
    assert everything() == whole


def test_of_two_jobs_that_saw_the_shop_differently_the_part_is_what_one_of_them_saw(
    there: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes to its end while the first has put no more than one file."""
    seen = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(seen):
        folder.mkdir()
        for table in parts.TABLES:
            (folder / f"{table}.parquet").write_text(f"what {number} saw in {table}")
    counts = [PartCounts(number, 0, 0, 0, 0) for number in range(2)]
    real = bucket.put

    def put_beside_another(key: str, content: bytes | Path, *, once: bool = False) -> bool:
        answer = real(key, content, once=once)
        monkeypatch.setattr(bucket, "put", real)
        parts.put(there, 0, seen[1], counts[1])
        return answer

    monkeypatch.setattr(bucket, "put", put_beside_another)
    parts.put(there, 0, seen[0], counts[0])
    parts.put(there, 1, seen[1], counts[0])
    one = replace(there, partitions=1)
    files = [parts.download(one, table, tmp_path)[0].read_text() for table in parts.TABLES]
    assert files == [f"what 1 saw in {table}" for table in parts.TABLES]
    assert parts.counts(one) == counts[1]


def test_nothing_is_put_while_a_segment_is_missing(there: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def incomplete(*_: object) -> list[Path]:
        raise extract.Incomplete("segment 1")

    monkeypatch.setattr(extract, "extracted", incomplete)
    with pytest.raises(extract.Incomplete):
        reconcile.reconcile(there, 0)
    assert everything() == {}
