"""The model of DynamoDB's bill against the examples that the developer guide works out itself.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html (sizes)
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html (reads, writes)
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-capacity-handling
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.units import (
    Index,
    Item,
    Request,
    Table,
    Units,
    item_size,
    number_size,
    read_units,
    touched,
    units_of,
    value_size,
)

TABLES = {
    "T": Table(("id",)),
    "U": Table(("id",)),
    "indexed": Table(("id",), (Index(("by",)),)),
    "sparse": Table(("id",), (Index(("by",), frozenset({"shown"})),)),
}
KB = 1024


def item(size: int, key: str = "1") -> Item:
    """An item of exactly `size` bytes."""
    made = {"id": {"S": key}, "pad": {"S": ""}}
    made["pad"]["S"] = "x" * (size - item_size(made))
    return made


def bill(
    operation: str,
    params: dict[str, Any],
    before: dict[str, Item] | None = None,
    after: dict[str, Item] | None = None,
    **outcome: Any,
) -> tuple[float, float]:
    """The whole bill of a request, reads and writes; `before` and `after` are the items by the value of their key."""
    was = before or {}
    now = was if after is None else after
    keys = [named.key["id"]["S"] for named in touched(operation, params, TABLES)]
    request = Request(operation, params, [was.get(key) for key in keys], [now.get(key) for key in keys], **outcome)
    charged = units_of(request, TABLES)
    total = sum((units for _, units in charged), Units())
    return total.reads, total.writes


# ── Sizes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_string_is_its_name_and_its_utf8_bytes() -> None:
    assert item_size({"name": {"S": "Käse"}}) == 4 + 5


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 1), ("1", 2), ("27", 2), ("123", 3), ("-27", 2), ("1200", 2), ("0.0012", 2), ("10203", 4), ("9" * 38, 20)],
)
def test_a_number_takes_a_byte_for_two_significant_digits_and_one_more(text: str, size: int) -> None:
    assert number_size(text) == size


@pytest.mark.parametrize("value", [{"BOOL": True}, {"NULL": True}])
def test_a_boolean_and_a_null_take_one_byte(value: Item) -> None:
    assert value_size(value) == 1


def test_a_binary_value_counts_before_its_base64() -> None:
    assert value_size({"B": "AAECAwQ="}) == 5


@pytest.mark.parametrize("value", [{"L": []}, {"M": {}}])
def test_an_empty_list_or_map_takes_three_bytes(value: Item) -> None:
    assert value_size(value) == 3


def test_each_element_of_a_list_or_map_takes_one_byte_more() -> None:
    assert value_size({"L": [{"S": "abc"}, {"N": "7"}]}) == 3 + (1 + 3) + (1 + 2)
    assert value_size({"M": {"ab": {"S": "c"}, "d": {"L": []}}}) == 3 + (1 + 2 + 1) + (1 + 1 + 3)


def test_a_set_takes_what_its_members_take() -> None:
    assert value_size({"SS": ["ab", "c"]}) == 3
    assert value_size({"NS": ["12", "3"]}) == 4


# ── Reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("consistent", "units"), [(True, 1), (False, 0.5)])
def test_reading_up_to_4_kb_takes_one_unit_or_half_of_it(consistent: bool, units: float) -> None:
    for size in (1, 3500, 4 * KB):
        assert read_units(size, consistent=consistent) == units


def test_an_item_of_8_kb_takes_two_units_read_consistently() -> None:
    get = {"TableName": "T", "Key": {"id": {"S": "1"}}}
    before = {"1": item(8 * KB)}
    assert bill("GetItem", {**get, "ConsistentRead": True}, before) == (2, 0)
    assert bill("GetItem", get, before) == (1, 0)


def test_3_5_kb_are_read_as_4_and_10_kb_as_12() -> None:
    assert read_units(3584, consistent=True) == 1
    assert read_units(10 * KB, consistent=True) == 3


def test_a_batch_rounds_each_item_so_1_5_and_6_5_kb_are_12() -> None:
    keys = [{"id": {"S": "1"}}, {"id": {"S": "2"}}]
    before = {"1": item(1536), "2": item(6656, "2")}
    params = {"RequestItems": {"T": {"Keys": keys, "ConsistentRead": True}}}
    assert bill("BatchGetItem", params, before) == (3, 0)


def test_a_query_rounds_once_so_ten_items_of_40_8_kb_are_44() -> None:
    items = [item(4178) for _ in range(10)]  # 40.8 KB
    assert bill("Query", {"TableName": "T", "ConsistentRead": True}, answer={"Items": items}) == (11, 0)


def test_a_query_of_1500_items_of_64_bytes_is_96_kb() -> None:
    items = [item(64) for _ in range(1500)]
    assert bill("Query", {"TableName": "T", "ConsistentRead": True}, answer={"Items": items}) == (24, 0)


def test_reading_what_is_not_there_takes_a_unit_all_the_same() -> None:
    get = {"TableName": "T", "Key": {"id": {"S": "1"}}, "ConsistentRead": True}
    assert bill("GetItem", get) == (1, 0)
    assert bill("Query", {"TableName": "T"}, answer={"Items": []}) == (0.5, 0)


def test_a_query_whose_reading_cannot_be_seen_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        bill("Query", {"TableName": "T", "FilterExpression": "a = :a"}, answer={"Items": []})


def test_a_scan_takes_what_it_went_over_whatever_it_filtered_out() -> None:
    scan = {"TableName": "T", "FilterExpression": "a = :a"}
    went_over = [item(2 * KB, str(number)) for number in range(5)]  # 10 KB are three times 4 KB begun
    assert bill("Scan", scan, answer={"Items": []}, read=went_over) == (1.5, 0)
    assert bill("Scan", {**scan, "ConsistentRead": True}, answer={"Items": []}, read=went_over) == (3, 0)


# ── Writes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("size", "units"), [(500, 1), (KB, 1), (KB + 1, 2), (2 * KB, 2)])
def test_a_write_takes_a_unit_for_each_kb_begun(size: int, units: int) -> None:
    assert bill("PutItem", {"TableName": "T", "Item": item(size)}, {}, {"1": item(size)}) == (0, units)


def test_a_put_over_a_larger_item_takes_what_that_one_takes() -> None:
    assert bill("PutItem", {"TableName": "T", "Item": item(500)}, {"1": item(3 * KB)}, {"1": item(500)}) == (0, 3)


@pytest.mark.parametrize(("before", "after"), [(500, 2 * KB), (2 * KB, 500)])
def test_an_update_takes_the_larger_of_before_and_after(before: int, after: int) -> None:
    update = {"TableName": "T", "Key": {"id": {"S": "1"}}}
    assert bill("UpdateItem", update, {"1": item(before)}, {"1": item(after)}) == (0, 2)


def test_a_delete_takes_what_the_item_takes_and_one_for_nothing() -> None:
    delete = {"TableName": "T", "Key": {"id": {"S": "1"}}}
    assert bill("DeleteItem", delete, {"1": item(2 * KB)}, {}) == (0, 2)
    assert bill("DeleteItem", delete) == (0, 1)


def test_a_condition_that_failed_takes_the_larger_of_what_is_there_and_what_was_to_be_written() -> None:
    failed = "ConditionalCheckFailedException"
    put = {"TableName": "T", "Item": item(310 * KB)}
    assert bill("PutItem", put, {"1": item(300 * KB)}, error=failed) == (0, 310)
    assert bill("UpdateItem", {"TableName": "T", "Key": {"id": {"S": "1"}}}, error=failed) == (0, 1)


def test_what_was_refused_for_another_reason_takes_nothing() -> None:
    assert bill("PutItem", {"TableName": "T", "Item": item(500)}, error="ThrottlingException") == (0, 0)


def test_a_transaction_of_three_items_of_500_bytes_takes_six_units() -> None:
    puts = [{"Put": {"TableName": "T", "Item": item(500, key)}} for key in "123"]
    after = {key: item(500, key) for key in "123"}
    assert bill("TransactWriteItems", {"TransactItems": puts}, {}, after) == (0, 6)


def test_a_transaction_that_is_cancelled_takes_what_it_would_have_taken() -> None:
    check = {"ConditionCheck": {"TableName": "U", "Key": {"id": {"S": "2"}}}}
    params = {"TransactItems": [{"Put": {"TableName": "T", "Item": item(500)}}, check]}
    assert bill("TransactWriteItems", params, error="TransactionCanceledException") == (0, 4)


def test_the_units_are_told_by_table() -> None:
    puts = [{"Put": {"TableName": name, "Item": item(size)}} for name, size in (("T", 100), ("U", 2 * KB))]
    charged = units_of(Request("TransactWriteItems", {"TransactItems": puts}, [None] * 2, [None] * 2), TABLES)
    assert dict(charged) == {"T": Units(0, 2), "U": Units(0, 4)}


def test_an_operation_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="ExecuteStatement"):
        bill("ExecuteStatement", {})


def test_a_batch_of_writes_takes_what_its_items_take_one_by_one() -> None:
    writes = [{"PutRequest": {"Item": item(500, "1")}}, {"DeleteRequest": {"Key": {"id": {"S": "2"}}}}]
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    batch = {"RequestItems": {"T": writes}}
    assert bill("BatchWriteItem", batch, {"2": item(2 * KB, "2")}, {"1": item(500)}, answer=answer) == (0, 1 + 2)


def test_what_a_batch_of_writes_did_not_take_costs_nothing() -> None:
    first, second = ({"PutRequest": {"Item": item(500, key)}} for key in "12")
    answer = {"UnprocessedItems": {"T": [first]}}
    batch = {"RequestItems": {"T": [first, second]}}
    assert bill("BatchWriteItem", batch, {}, {"2": item(500, "2")}, answer=answer) == (0, 1)


# ── Indexes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "before", "after", "units"),
    [
        ("indexed", None, {"by": "a"}, 1 + 1),  # put into the index
        ("indexed", {"by": "a"}, {"by": "b"}, 1 + 2),  # taken out, and put in
        ("indexed", {"by": "a"}, {}, 1 + 1),  # taken out
        ("indexed", {"by": "a"}, {"by": "a", "other": "x"}, 1 + 1),  # what is projected changed
        ("sparse", {"by": "a"}, {"by": "a", "other": "x"}, 1),  # what is not projected changed
        ("sparse", {"by": "a"}, {"by": "a", "shown": "x"}, 1 + 1),
        ("sparse", {}, {"other": "x"}, 1),  # never in the index
    ],
)
def test_an_index_is_written_when_what_it_projects_changes(
    table: str, before: dict[str, str] | None, after: dict[str, str], units: int
) -> None:
    def made(attributes: dict[str, str] | None) -> dict[str, Item]:
        if attributes is None:
            return {}
        return {"1": {"id": {"S": "1"}, **{name: {"S": value} for name, value in attributes.items()}}}

    update = {"TableName": table, "Key": {"id": {"S": "1"}}}
    assert bill("UpdateItem", update, made(before), made(after)) == (0, units)
