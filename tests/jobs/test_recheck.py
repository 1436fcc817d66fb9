"""What looks wrong is read again, consistently, and in an order in which nothing that happens meanwhile looks wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jobs import services
from jobs.cases import Case
from jobs.recheck import look_again
from jobs.reconcile import what_is_wrong
from jobs.sources import SOURCES
from tests.exhaustive import sampled
from tests.jobs import a_shop
from tests.jobs.damage import EVERY, Damage
from tests.jobs.victims import NoVictim, Shop
from tests.unit.stack import aws

ORDERS = ("K-0", "R-1", "O-1", "D-1")


@pytest.fixture(autouse=True, scope="module")
def _before_there_is_no_network() -> None:
    with a_shop.with_sockets():
        a_shop.in_the_evening()


@pytest.fixture
def written(tables: Mapping[str, Any]) -> Callable[[a_shop.Tables], None]:
    """Writes into the real tables what is there of some orders."""

    def write(there: a_shop.Tables) -> None:
        for source in SOURCES:
            for item in there[source.table]:
                if source.key(item) in (*ORDERS, "nobody-paid", "nobody-sent", "nobody-reserved"):
                    aws("dynamodb").put_item(TableName=tables[source.table].name, Item=item)

    return write


def evening() -> a_shop.Tables:
    return a_shop.in_the_evening()[0]


def broken(do: Callable[[Shop], str]) -> tuple[str, a_shop.Tables]:
    """A shop of these orders, one of which is damaged."""
    tables, now = a_shop.in_the_evening()
    few = {
        source.table: [item for item in tables[source.table] if source.key(item) in ORDERS or not source.key(item)]
        for source in SOURCES
    }
    shop = Shop(a_shop.InMemory(few), {name: name for name in few}, now)
    where = do(shop)
    return where, {name: [*shop.items(name)] for name in few}


def the_case(order_id: str, tables: a_shop.Tables) -> Case:
    _, as_of = a_shop.in_the_evening()
    return next(case for case in a_shop.cases(tables, as_of) if case.order_id == order_id)


def sorted_items(case: Case) -> dict[str, list[str]]:
    return {source: sorted(map(str, items)) for source, items in case.items.items()}


@pytest.mark.parametrize("order_id", ORDERS)
def test_an_order_that_has_not_changed_is_read_as_it_was(
    order_id: str, written: Callable[[a_shop.Tables], None]
) -> None:
    written(evening())
    case = the_case(order_id, evening())
    again = look_again(case)
    assert sorted_items(again) == sorted_items(case)
    assert what_is_wrong(again) == []


OF_ORDERS = [each for each in EVERY if not each.code.startswith("STOCK")]


@pytest.mark.parametrize("each", sampled(OF_ORDERS), ids=lambda each: each.what)
def test_what_is_wrong_still_is_when_it_is_read_again(each: Damage, written: Callable[[a_shop.Tables], None]) -> None:
    try:
        order_id, tables = broken(each.do)
    except NoVictim:
        pytest.skip("none of these orders")
    written(tables)
    [finding] = what_is_wrong(look_again(the_case(order_id, tables)))
    assert (finding.code, finding.repair) == (each.code, each.repair)


@pytest.mark.parametrize("each", sampled(OF_ORDERS), ids=lambda each: each.what)
def test_what_was_read_half_is_right_when_it_is_read_again(
    each: Damage, written: Callable[[a_shop.Tables], None]
) -> None:
    try:
        order_id, tables = broken(each.do)
    except NoVictim:
        pytest.skip("none of these orders")
    written(evening())
    case = the_case(order_id, tables)
    assert what_is_wrong(case) != []
    assert what_is_wrong(look_again(case)) == []


def test_every_read_but_the_indexs_is_consistent_and_the_list_is_read_before_the_decision(
    written: Callable[[a_shop.Tables], None], tables: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(evening())
    names = {table.name: name for name, table in tables.items()}
    read: list[str] = []

    def noting(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            read.append(names[request["TableName"]])
            assert request.get("ConsistentRead") or request.get("IndexName")
            return real(**request)

        return call

    for operation in ("get_item", "query"):
        monkeypatch.setattr(services.dynamodb(), operation, noting(getattr(services.dynamodb(), operation)))
    look_again(the_case("R-1", evening()))
    assert read.index("OpenOrdersTable") < read.index("OrderStatesTable") < read.index("PaymentsTable")
    assert read.index("OpenShipmentsTable") < read.index("OrderStatesTable") < read.index("InventoryTable")


def test_what_a_real_provider_and_a_real_carrier_have_is_as_it_was(
    written: Callable[[a_shop.Tables], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(evening())
    for variable in ("SIMULATED_GATEWAY_TABLE", "SIMULATED_CARRIER_TABLE"):
        monkeypatch.setenv(variable, "")
    case = the_case("R-1", evening())
    assert sorted_items(look_again(case)) == sorted_items(case)


def test_a_return_that_is_on_the_list_is_found_by_its_order(
    written: Callable[[a_shop.Tables], None], tables: Mapping[str, Any]
) -> None:
    written(evening())
    case = the_case("R-1", evening())
    [return_id] = case.items["returns"][0]["returns"]["M"]
    entry = {"order_id": {"S": f"R-1/{return_id}"}, "return_id": {"S": return_id}, "occurred_at": {"S": "now"}}
    aws("dynamodb").put_item(TableName=tables["OpenShipmentsTable"].name, Item=entry)
    assert look_again(case).items["open_shipments"] == [entry]


def test_a_hold_that_the_first_look_did_not_see_is_found_by_the_order(
    written: Callable[[a_shop.Tables], None], tables: Mapping[str, Any]
) -> None:
    written(evening())
    case = the_case("K-0", evening())
    [intent] = case.items["provider"]
    aws("dynamodb").put_item(TableName=tables["SimulatedGatewayTable"].name, Item={**intent, "id": {"S": "pi_more"}})
    assert len(look_again(case).items["provider"]) == 2
