"""What holds for all actions on stock."""

from contextlib import suppress
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from inventory import app
from orders.errors import Unrecoverable
from tests.unit.stocking import release, reserve, restock

pytestmark = pytest.mark.usefixtures("inventory")


def test_the_reservation_is_read_consistently(sells):
    with patch.object(clients.dynamodb(), "get_item", wraps=clients.dynamodb().get_item) as read:
        release()

    assert read.call_args.kwargs["ConsistentRead"] is True


def test_the_reservation_and_what_came_back_are_read_consistently(sells):
    sells("TEA")
    reserve(TEA=1)
    with patch.object(clients.dynamodb(), "query", wraps=clients.dynamodb().query) as read:
        restock(TEA=1)

    assert [call.kwargs["ConsistentRead"] for call in read.call_args_list] == [True]


def test_an_action_that_is_not_known_does_nothing():
    with pytest.raises(ValueError, match="unknown action"):
        app.handler({"action": "recount", "order_id": "order-1"}, None)


def test_the_outcome_is_logged_with_the_orders_id(sells, log):
    sells("TEA", available=1)
    reserve(TEA=2)

    release(reason="PAYMENT_DECLINED")

    refusal, undoing = log()
    assert (refusal["message"], refusal["order_id"], refusal["reason"]) == ("refused", "order-1", "OUT_OF_STOCK")
    assert (undoing["message"], undoing["order_id"], undoing["reason"]) == ("released", "order-1", "PAYMENT_DECLINED")


def returned(return_id):
    """An action: a return that puts so many units back, if so many are still out."""

    def put_back(order_id, TEA):  # noqa: N803
        with suppress(Unrecoverable):
            restock(return_id, order_id, TEA=TEA)

    return put_back


ACTIONS = [reserve, lambda order_id, **_: release(order_id), returned("r-1"), returned("r-2")]


@given(
    history=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.sampled_from(["order-1", "order-2", "order-3"]), st.integers(1, 4)),
        max_size=8,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stock_and_what_is_out_always_add_up_to_what_there_was(history, inventory, sells, in_stock):
    for item in inventory.scan()["Items"]:
        inventory.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    sells("TEA", available=6)

    for action, order_id, quantity in history:
        # The workflows never release what a return may come back of: that order is confirmed.
        if action is ACTIONS[1] and any("RESTOCKED" in item["sk"] for item in of(order_id, inventory)):
            continue
        action(order_id, TEA=quantity)

        out = 0
        for item in (item for each in ("order-1", "order-2", "order-3") for item in of(each, inventory)):
            if item["sk"] == "RESERVATION":
                out += item["lines"][0]["quantity"] if item["status"] == "RESERVED" else 0
            else:
                out -= item["units"]["TEA"]
        assert in_stock("TEA") >= 0
        assert in_stock("TEA") + out == 6


def of(order_id, inventory):
    """The items of an order."""
    return [item for item in inventory.scan()["Items"] if item["pk"] == f"ORDER#{order_id}"]
