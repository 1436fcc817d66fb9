"""A run begins: its day, its claim, its plan."""

import gzip
import json
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from jobs import begin as begins
from jobs import bucket, runs, scan, services
from jobs.begin import begin, size_of_array
from jobs.extract import extracted
from jobs.runs import OURS, TAKEN
from jobs.settings import Problem
from tests.jobs.arranging import DAY, dies_at
from tests.unit.builders import a_product, an_order
from tests.unit.faults import die, dies_before, just_before

AFTER_MIDNIGHT = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables", "books_bucket")


@pytest.fixture
def run(executions):
    return executions.start("one")


@pytest.fixture
def counters(run, tmp_path):
    """What `begin` has read of the stock: the available units of each counter."""

    def read():
        [path] = extracted(run, "stock", 0, 2, tmp_path)
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        return sorted((line["key"], int(line["item"]["available"]["N"])) for line in lines)

    return read


def placed(tables, number):
    for each in range(number):
        tables["OrdersTable"].put_item(Item=an_order(order_id=f"order-{each}"))


def day_of(run, day=None, at=AFTER_MIDNIGHT):
    return begin(run, day, at, repair=False).day


class TestTheDay:
    @pytest.mark.parametrize(
        ("zone", "at", "day"),
        [
            ("Europe/Berlin", datetime(2026, 1, 2, 2, 30, tzinfo=UTC), "2026-01-01"),
            ("Europe/Berlin", datetime(2026, 1, 1, 23, 0, tzinfo=UTC), "2026-01-01"),
            ("Europe/Berlin", datetime(2026, 1, 1, 22, 59, tzinfo=UTC), "2025-12-31"),
            ("Pacific/Auckland", datetime(2026, 1, 1, 11, 0, tzinfo=UTC), "2026-01-01"),
            ("America/Los_Angeles", datetime(2026, 1, 2, 7, 59, tzinfo=UTC), "2025-12-31"),
            ("Europe/Berlin", datetime(2026, 3, 29, 22, 30, tzinfo=UTC), "2026-03-29"),  # it had 23 hours
        ],
    )
    def test_is_yesterday_where_the_shop_is(self, zone, at, day, run, monkeypatch):
        monkeypatch.setenv("TIME_ZONE", zone)

        assert day_of(run, at=at) == day

    def test_without_a_schedule_is_seen_from_now(self, run, monkeypatch):
        now = SimpleNamespace(now=AFTER_MIDNIGHT.astimezone)
        monkeypatch.setattr(begins, "datetime", now)

        assert day_of(run, at=None) == "2026-01-01"

    def test_that_somebody_names_is_that_one(self, run):
        assert day_of(run, "2025-06-30") == "2025-06-30"

    def test_that_is_not_over_may_be_looked_at(self, run, monkeypatch):
        monkeypatch.setattr(begins, "datetime", SimpleNamespace(now=AFTER_MIDNIGHT.astimezone))

        assert day_of(run, "2026-01-02") == "2026-01-02"

    def test_that_has_not_begun_is_refused(self, run, monkeypatch):
        monkeypatch.setattr(begins, "datetime", SimpleNamespace(now=AFTER_MIDNIGHT.astimezone))

        with pytest.raises(Problem, match="2026-01-03 has not begun in Europe/Berlin"):
            day_of(run, "2026-01-03")

    @pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", ""])
    def test_needs_a_time_zone_that_there_is(self, zone, run, monkeypatch):
        monkeypatch.setenv("TIME_ZONE", zone)

        with pytest.raises(Problem, match="TIME_ZONE"):
            day_of(run)


class TestThePlan:
    def test_is_the_smallest_for_a_small_shop(self, run, tables):
        placed(tables, 3)

        plan = begin(run, DAY, None, repair=True)

        assert (plan.standing, plan.partitions, plan.segments, plan.repair) == (OURS, 2, 2, True)
        assert runs.plan(run) == plan
        assert runs.holds(plan)

    def test_grows_with_the_orders(self, run, tables, monkeypatch):
        monkeypatch.setenv("ORDERS_PER_CONTAINER", "2")
        placed(tables, 31)

        plan = begin(run, DAY, None, repair=False)

        assert (plan.partitions, plan.segments) == (16, 4)

    def test_has_no_more_containers_to_extract_than_its_read_units_keep_busy(self, run, tables, monkeypatch):
        monkeypatch.setenv("ORDERS_PER_CONTAINER", "2")
        monkeypatch.setenv("READ_UNITS", "750")
        placed(tables, 31)

        plan = begin(run, DAY, None, repair=False)

        assert (plan.partitions, plan.segments) == (16, 3)

    def test_of_many_orders_is_what_dynamodb_says_of_them(self, run, tables, monkeypatch):
        monkeypatch.setenv("ORDERS_PER_CONTAINER", "1000")
        monkeypatch.setattr(scan, "count", lambda *_: (6000, False))
        monkeypatch.setattr(
            services.dynamodb(),
            "describe_table",
            lambda TableName: {"Table": {"ItemCount": 1_000_000}},  # noqa: N803
        )

        plan = begin(run, DAY, None, repair=False)

        assert (plan.partitions, plan.segments) == (1000, 50)

    def test_is_never_for_fewer_orders_than_were_counted(self, run, monkeypatch):
        monkeypatch.setattr(scan, "count", lambda *_: (6000, False))

        assert begin(run, DAY, None, repair=False).partitions == 6  # DynamoDB's count says none yet

    @pytest.mark.parametrize(("things", "jobs"), [(0, 2), (2000, 2), (2001, 3), (10_000_000, 10_000), (10**9, 10_000)])
    def test_keeps_to_what_an_array_may_have(self, things, jobs):
        assert size_of_array(things, 1000) == jobs

    def test_begins_when_the_day_was_claimed(self, run, tables):
        plan = begin(run, DAY, None, repair=False)

        assert tables["BookRunsTable"].get_item(Key={"id": f"DAY#{DAY}"})["Item"]["claimed_at"] == plan.as_of


class TestTheCounters:
    def test_are_read_without_the_reservations(self, run, tables, counters):
        inventory = tables["InventoryTable"]
        inventory.put_item(Item=a_product("TEA", available=7))
        inventory.put_item(Item=a_product("POT", available=1) | {"pk": "SHARD#3#POT", "sk": "SHARD"})
        inventory.put_item(Item={"pk": "ORDER#order-1", "sk": "RESERVATION", "status": "RESERVED", "lines": []})
        inventory.put_item(Item={"pk": "ORDER#order-1", "sk": "RESTOCKED#return-1", "units": {}})

        begin(run, DAY, None, repair=False)

        assert counters() == [("POT", 1), ("TEA", 7)]

    def test_are_read_after_the_claim_and_before_the_plan(self, run, tables, counters):
        tables["InventoryTable"].put_item(Item=a_product(available=7))

        with dies_before(runs, "keep"):
            begin(run, DAY, None, repair=False)

        assert counters() == [("TEA", 7)]
        with dies_before(services.dynamodb(), "scan"):
            begin(run, "2025-12-31", None, repair=False)
        assert "Item" in tables["BookRunsTable"].get_item(Key={"id": "DAY#2025-12-31"})

    def test_are_read_consistently(self, run, monkeypatch):
        scanning = Mock(wraps=services.dynamodb().scan)
        monkeypatch.setattr(services.dynamodb(), "scan", scanning)

        begin(run, DAY, None, repair=False)

        asked = [call.kwargs for call in scanning.call_args_list]
        assert [one["ConsistentRead"] for one in asked if one["TableName"] == "InventoryTable"] == [True]


class TestARunThatBeginsAgain:
    def test_has_the_plan_that_it_had(self, run, tables):
        plan = begin(run, DAY, None, repair=True)
        placed(tables, 5)

        assert begin(run, "2025-12-31", None, repair=False) == plan

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_after_it_died_at_any_request_has_a_plan_of_its_first_claim(self, when, executions, tables):
        tables["InventoryTable"].put_item(Item=a_product())
        for request in range(20):
            run, day = executions.start(f"run-{request}"), f"2025-12-{request + 1:02}"
            died = dies_at(request, when, partial(begin, run, day, None, repair=False))
            claimed = tables["BookRunsTable"].get_item(Key={"id": f"DAY#{day}"}).get("Item")

            plan = begin(run, day, None, repair=False)

            assert plan.standing == OURS
            assert not claimed or claimed["claimed_at"] == plan.as_of
            if not died:
                break
        assert 5 < request < 19

    def test_beside_itself_has_one_plan_and_one_reading_of_the_stock(self, run, tables, counters):
        tables["InventoryTable"].put_item(Item=a_product(available=7))
        plans = []

        def beside():
            plans.append(begin(run, DAY, None, repair=False))
            tables["InventoryTable"].put_item(Item=a_product(available=3))

        with just_before(bucket, "replace", beside):
            plans.append(begin(run, DAY, None, repair=False))

        assert plans[0] == plans[1]
        assert counters() == [("TEA", 7)]


class TestADayThatIsTaken:
    def test_is_left_to_the_run_that_has_it(self, run, executions):
        begin(executions.start("another"), DAY, None, repair=False)

        plan = begin(run, DAY, None, repair=False)

        assert plan.standing == TAKEN
        assert runs.plan(run).standing == TAKEN
        assert not runs.holds(plan)

    def test_reads_nothing(self, run, executions, monkeypatch):
        begin(executions.start("another"), DAY, None, repair=False)
        monkeypatch.setattr(services.dynamodb(), "scan", lambda **_: die())

        begin(run, DAY, None, repair=False)

    def test_by_a_run_that_died_is_taken_over(self, run, executions):
        another = executions.start("another")
        begin(another, DAY, None, repair=False)
        executions.stop(another)

        assert begin(run, DAY, None, repair=False).standing == OURS
