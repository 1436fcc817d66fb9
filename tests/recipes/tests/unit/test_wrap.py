"""Wrapping a confirmed order."""

import pytest
from wrap import app

from tests.unit.builders import an_order
from tests.unit.stack import MotoStack


@pytest.fixture(autouse=True)
def orders(stack: MotoStack):
    stack.run_as("WrapFunction")
    return stack.table("OrdersTable")


def test_an_order_is_wrapped_as_often_as_it_is_asked_for(orders):
    orders.put_item(Item=an_order())

    assert [app.handler({"order_id": "order-1"}, None) for _ in range(2)] == [{"wrapped": True}] * 2


def test_an_order_that_was_deleted_needs_nobody(orders):
    assert app.handler({"order_id": "order-1"}, None) == {"wrapped": False}
