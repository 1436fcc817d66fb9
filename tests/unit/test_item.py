"""Reading items: what boto3's deserializer makes of them, without importing boto3."""

from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from aws import clients
from aws.item import plain, plain_item, read_items
from tests.unit.builders import a_state, an_order, as_image
from tests.unit.stack import MotoStack

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**30), max_value=10**30),
)
sets = st.one_of(*(st.sets(kind, min_size=1) for kind in (st.text(), st.binary(), st.integers(-(10**37), 10**37))))
values = st.recursive(scalars | sets, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(values)
def test_an_attribute_reads_as_boto3_reads_it(value):
    attribute: Any = TypeSerializer().serialize(value)

    assert plain(attribute) == TypeDeserializer().deserialize(attribute)


@pytest.mark.parametrize("number", ["0", "-1", "1E+2", "0.10", "9" * 38, f"1E-{130}"])
def test_a_number_keeps_every_digit(number):
    assert str(plain({"N": number})) == number


def test_binary_is_bytes():
    assert plain({"L": [{"B": b"\xff"}, {"BS": [b"a", b"b"]}]}) == [Binary(b"\xff"), {b"a", b"b"}]
    assert type(plain({"B": b"\xff"})) is bytes


@given(st.dictionaries(st.text(min_size=1), values, max_size=5))
def test_an_item_reads_as_boto3_reads_it(item):
    image: Any = as_image(item)

    assert plain_item(image) == {name: TypeDeserializer().deserialize(value) for name, value in image.items()}


@pytest.fixture
def tables(stack: MotoStack) -> tuple[Any, Any]:
    stack.run_as("ValidateFunction")
    return stack.table("OrdersTable"), stack.table("OrderStatesTable")


def test_what_several_tables_hold_of_an_order_comes_in_the_order_in_which_it_was_asked_for(tables):
    orders, states = tables
    orders.put_item(Item=an_order())
    states.put_item(Item=a_state())
    orders.put_item(Item=an_order(order_id="order-2"))

    order, state = read_items("order-1", "ORDERS_TABLE", "ORDER_STATES_TABLE")

    assert [plain_item(item or {}) for item in (order, state)] == [an_order(), a_state()]
    assert read_items("order-1", "ORDER_STATES_TABLE", "ORDERS_TABLE") == [state, order]


@pytest.mark.parametrize("held", ["OrdersTable", "OrderStatesTable", None])
def test_where_a_table_holds_nothing_of_an_order_there_is_nothing(held, tables, stack):
    if held:
        stack.table(held).put_item(Item={"order_id": "order-1"})

    found = read_items("order-1", "ORDERS_TABLE", "ORDER_STATES_TABLE")

    assert [item is not None for item in found] == [held == "OrdersTable", held == "OrderStatesTable"]


def test_what_is_read_in_part_is_not_taken_for_nothing(tables, stack, monkeypatch):
    tables[0].put_item(Item=an_order())
    read = clients.dynamodb().batch_get_item
    left = {stack["OrdersTable"]: {"Keys": [{"order_id": {"S": "order-1"}}]}}
    monkeypatch.setattr(
        clients.dynamodb(), "batch_get_item", lambda **request: read(**request) | {"UnprocessedKeys": left}
    )

    with pytest.raises(TimeoutError, match=r"^the order could not be read whole$"):
        read_items("order-1", "ORDERS_TABLE", "ORDER_STATES_TABLE")
