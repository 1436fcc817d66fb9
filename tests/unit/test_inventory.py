"""What holds for both actions on stock."""

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from inventory import app
from tests.unit.stocking import release, reserve

pytestmark = pytest.mark.usefixtures("inventory")


def test_the_reservation_is_read_consistently(sells):
    with patch.object(clients.dynamodb(), "get_item", wraps=clients.dynamodb().get_item) as read:
        release()

    assert read.call_args.kwargs["ConsistentRead"] is True


def test_an_action_that_is_not_known_does_nothing():
    with pytest.raises(ValueError, match="unknown action"):
        app.handler({"action": "restock", "order_id": "order-1"}, None)


def test_the_outcome_is_logged_with_the_orders_id(sells, log):
    sells("TEA", available=1)
    reserve(TEA=2)

    release(reason="PAYMENT_DECLINED")

    refusal, undoing = log()
    assert (refusal["message"], refusal["order_id"], refusal["reason"]) == ("refused", "order-1", "OUT_OF_STOCK")
    assert (undoing["message"], undoing["order_id"], undoing["reason"]) == ("released", "order-1", "PAYMENT_DECLINED")


@given(
    history=st.lists(
        st.tuples(
            st.sampled_from([reserve, release]), st.sampled_from(["order-1", "order-2", "order-3"]), st.integers(1, 4)
        ),
        max_size=8,
    )
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stock_and_holds_always_add_up_to_what_there_was(history, inventory, sells, in_stock):
    for item in inventory.scan()["Items"]:
        inventory.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    sells("TEA", available=6)

    for action, order_id, quantity in history:
        action(order_id, TEA=quantity) if action is reserve else action(order_id)

        reservations = [item for item in inventory.scan()["Items"] if item["sk"] == "RESERVATION"]
        held = [item["lines"][0]["quantity"] for item in reservations if item["status"] == "RESERVED"]
        assert in_stock("TEA") >= 0
        assert in_stock("TEA") + sum(held) == 6
