"""An order's data is found in every table that there is, by the table's own keys, and its lines in every log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from console.dossier import Reader, is_about
from console.place import Place
from tests.console.executed import ORDER

REGION = "us-east-1"
LOGS = ("/aws/lambda/orders/inventory", "/aws/lambda/orders/api", "/aws/lambda/others/inventory")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Tables as the stacks have them, with what belongs to two orders; answers the outputs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        monkeypatch.setattr(Place, "client", lambda _, service: boto3.client(service, region_name=REGION))
        tables = {
            "Orders": _table("order_id"),
            "OpenShipments": _table("order_id"),
            "Inventory": _table("pk", "sk"),
            "SimulatedGateway": _table("id", index="order_id"),
            "SimulatedCarrier": _table("id"),
        }
        for other in (ORDER, f"{ORDER}0"):
            _put(tables["Orders"], order_id=other)
            _put(tables["OpenShipments"], order_id=f"{other}/r-1")
            _put(tables["Inventory"], pk=f"ORDER#{other}", sk="RESERVATION")
            _put(tables["SimulatedGateway"], id=f"pi_{other}", order_id=other)
            _put(tables["SimulatedCarrier"], id=f"SIM-{other[-1]}", reference=f"{other}/out/main")
        logs = boto3.client("logs", region_name=REGION)
        for group in LOGS:
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="one")
            lines = [f'{{"message": "reserved", "order_id": "{other}"}}' for other in (ORDER, f"{ORDER}0")]
            events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
            logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
        yield {f"{name}TableName": table for name, table in tables.items()}


def _table(hash_key: str, range_key: str = "", index: str = "") -> str:
    names = [name for name in (hash_key, range_key, index) if name]
    name = "-".join(("table", *names, str(time.monotonic_ns())))
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    more: dict[str, Any] = {}
    if range_key:
        keys.append({"AttributeName": range_key, "KeyType": "RANGE"})
    if index:
        by_order = [{"AttributeName": index, "KeyType": "HASH"}]
        projection = {"ProjectionType": "ALL"}
        more = {"GlobalSecondaryIndexes": [{"IndexName": "by-order", "KeySchema": by_order, "Projection": projection}]}
    create: Any = boto3.client("dynamodb", region_name=REGION).create_table
    create(
        TableName=name,
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in names],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


def _put(table: str, **item: str) -> None:
    written: Any = {name: {"S": value} for name, value in item.items()}
    boto3.client("dynamodb", region_name=REGION).put_item(TableName=table, Item=written)


def reader(outputs: dict[str, str], *, embedded: bool) -> Reader:
    return Reader(Place("orders", outputs, embedded, False, None, ("orders",)))


def test_an_order_is_found_by_key_index_partition_and_search(stack: dict[str, str]) -> None:
    found = reader(stack, embedded=True).read(ORDER, ["r-1"])
    assert {output: items[0] for output, items in found.items.items()} == {
        "OrdersTableName": {"order_id": ORDER},
        "OpenShipmentsTableName": {"order_id": f"{ORDER}/r-1"},
        "InventoryTableName": {"pk": f"ORDER#{ORDER}", "sk": "RESERVATION"},
        "SimulatedGatewayTableName": {"id": f"pi_{ORDER}", "order_id": ORDER},
        "SimulatedCarrierTableName": {"id": "SIM-1", "reference": f"{ORDER}/out/main"},
    }
    assert all(len(items) == 1 for items in found.items.values())
    assert found.unread == ()


def test_any_number_that_a_table_takes_is_read(stack: dict[str, str]) -> None:
    item: Any = {"order_id": {"S": "big"}, "total": {"N": "1E125"}, "price": {"N": "-1E-130"}, "n": {"N": "9" * 38}}
    boto3.client("dynamodb", region_name=REGION).put_item(TableName=stack["OrdersTableName"], Item=item)
    found = reader(stack, embedded=True).read("big").one("OrdersTableName")
    assert found == {"order_id": "big"} | {name: Decimal(item[name]["N"]) for name in ("total", "price", "n")}


def test_a_table_that_would_have_to_be_searched_is_left_alone_on_aws(stack: dict[str, str]) -> None:
    found = reader(stack, embedded=False).read(ORDER)
    assert found.unread == ("SimulatedCarrierTableName",)
    assert "SimulatedCarrierTableName" not in found.items


def test_what_the_place_s_own_functions_said_of_the_order_is_found(stack: dict[str, str]) -> None:
    lines = reader(stack, embedded=True).read(ORDER).lines
    assert sorted(line.function for line in lines) == ["api", "inventory"]
    assert {line.said["order_id"] for line in lines} == {ORDER}


@pytest.mark.parametrize(
    ("order_id", "said", "about"),
    [
        ("a", {"message": "a parcel was booked for order-1", "order_id": "order-1"}, False),
        ("a", {"message": "reserved", "order_id": "a"}, True),
        ("a", {"message": "found", "keys": [{"key": "a/r-1"}]}, True),
        ("a", {"message": "a"}, False),
        ("order-1", {"message": "a parcel was booked for order-1"}, True),
    ],
)
def test_an_id_that_is_a_word_takes_no_other_order_s_lines(order_id: str, said: dict[str, Any], about: bool) -> None:
    assert is_about(said, order_id) == about


def test_an_order_of_which_there_is_nothing_is_empty(stack: dict[str, str]) -> None:
    found = reader(stack, embedded=True).read("nobody")
    assert not any(found.items.values())
    assert found.one("OrdersTableName") == {}
