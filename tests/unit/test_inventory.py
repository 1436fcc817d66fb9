import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from inventory import app
from orders.errors import TransactionConflict, Unrecoverable
from orders.retention import RETENTION_SECONDS
from orders.tables import reservation_key
from tests.unit.faults import dies_after, dies_before, just_before
from tests.unit.stack import MotoStack

HELD = {"held": True}


@pytest.fixture(autouse=True)
def inventory(stack: MotoStack) -> Any:
    stack.run_as("InventoryFunction")
    return stack.table("InventoryTable")


@pytest.fixture
def in_stock(inventory: Any) -> Callable[[str], int]:
    return lambda sku: int(inventory.get_item(Key={"pk": f"SKU#{sku}", "sk": "STOCK"})["Item"]["available"])


@pytest.fixture
def reservation(inventory: Any) -> Callable[[], dict[str, Any] | None]:
    return lambda: inventory.get_item(Key={"pk": "ORDER#order-1", "sk": "RESERVATION"}).get("Item")


def reserve(order_id: str = "order-1", **quantities: int) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return app.handler({"action": "reserve", "order_id": order_id, "lines": lines}, None)


def release(order_id: str = "order-1", reason: str = "PAYMENT_DECLINED") -> dict[str, Any]:
    return app.handler({"action": "release", "order_id": order_id, "reason": reason}, None)


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


def released(reason: str) -> dict[str, Any]:
    return {"released": True, "reason": reason}


@contextmanager
def transactions_cancelled_with(*reasons: dict[str, Any]) -> Iterator[None]:
    """DynamoDB cancels every transaction with these reasons. moto knows neither conflicts nor throttling."""
    response: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": list(reasons)}
    error = clients.dynamodb().exceptions.TransactionCanceledException(response, "TransactWriteItems")
    with patch.object(clients.dynamodb(), "transact_write_items", side_effect=error):
        yield


def test_a_reserve_takes_every_line_from_stock(sells, in_stock):
    sells("TEA", available=10)
    sells("POT", available=3)

    assert reserve(TEA=4, POT=1) == HELD

    assert (in_stock("TEA"), in_stock("POT")) == (6, 2)


def test_a_reserve_leaves_a_reservation_that_never_expires(sells, reservation):
    sells("TEA")

    reserve(TEA=4)

    assert reservation() == {
        "pk": "ORDER#order-1",
        "sk": "RESERVATION",
        "status": "RESERVED",
        "lines": [{"sku": "TEA", "quantity": 4}],
    }


def test_a_repeated_reserve_takes_nothing_more(sells, in_stock):
    sells("TEA", available=10)

    assert [reserve(TEA=4) for _ in range(3)] == [HELD, HELD, HELD]

    assert in_stock("TEA") == 6


def test_a_repeated_reserve_after_sell_out_keeps_the_reservation(sells, in_stock):
    sells("TEA", available=5)
    reserve("order-1", TEA=4)
    reserve("order-2", TEA=1)

    assert reserve("order-1", TEA=4) == HELD
    assert in_stock("TEA") == 0


def test_a_reserve_that_cannot_have_every_line_takes_none(sells, in_stock, reservation):
    sells("TEA", available=10)
    sells("POT", available=1)

    assert reserve(TEA=4, POT=2) == refused("OUT_OF_STOCK")

    assert (in_stock("TEA"), in_stock("POT")) == (10, 1)
    assert reservation() is None


def test_the_last_unit_goes_to_one_order(sells, in_stock):
    sells("TEA", available=1)

    assert reserve("order-1", TEA=1) == HELD
    assert reserve("order-2", TEA=1) == refused("OUT_OF_STOCK")
    assert in_stock("TEA") == 0


def test_an_order_that_was_out_of_stock_may_be_reserved_later(sells):
    sells("TEA", available=1)
    reserve(TEA=2)
    sells("TEA", available=2)

    assert reserve(TEA=2) == HELD


def test_a_sku_that_is_not_sold_is_out_of_stock(sells, in_stock):
    sells("TEA", available=10)

    assert reserve(TEA=1, GHOST=1) == refused("OUT_OF_STOCK")
    assert in_stock("TEA") == 10


@pytest.mark.parametrize("changed", [{"TEA": 5}, {"TEA": 4, "POT": 1}, {"POT": 4}])
def test_other_lines_under_the_same_order_are_refused(changed, sells, in_stock):
    sells("TEA", available=10)
    sells("POT", available=10)
    reserve(TEA=4)

    assert reserve(**changed) == refused("ORDER_CHANGED")
    assert (in_stock("TEA"), in_stock("POT")) == (6, 10)


def test_the_same_lines_in_another_sequence_are_the_same_order(sells):
    sells("TEA")
    sells("POT")
    reserve(TEA=4, POT=1)

    assert reserve(POT=1, TEA=4) == HELD


def test_a_reserve_that_died_before_its_write_may_be_repeated(sells, in_stock):
    sells("TEA", available=10)
    with dies_before(clients.dynamodb(), "transact_write_items"):
        reserve(TEA=4)

    assert reserve(TEA=4) == HELD
    assert in_stock("TEA") == 6


def test_a_reserve_that_died_after_its_write_is_not_repeated(sells, in_stock):
    sells("TEA", available=10)
    with dies_after(clients.dynamodb(), "transact_write_items"):
        reserve(TEA=4)

    assert reserve(TEA=4) == HELD
    assert in_stock("TEA") == 6


def test_a_release_puts_every_line_back(sells, in_stock):
    sells("TEA", available=10)
    sells("POT", available=3)
    reserve(TEA=4, POT=1)

    assert release(reason="PAYMENT_DECLINED") == released("PAYMENT_DECLINED")

    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)


def test_a_release_leaves_the_reservation_with_its_lines_and_no_expiry(sells, reservation):
    sells("TEA")
    reserve(TEA=4)

    release(reason="PAYMENT_DECLINED")

    assert reservation() == {
        "pk": "ORDER#order-1",
        "sk": "RESERVATION",
        "status": "RELEASED",
        "reason": "PAYMENT_DECLINED",
        "lines": [{"sku": "TEA", "quantity": 4}],
    }


def test_a_repeated_release_puts_nothing_more_back_and_keeps_the_first_reason(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4)
    release(reason="PAYMENT_DECLINED")

    assert release(reason="REJECTED") == released("PAYMENT_DECLINED")
    assert in_stock("TEA") == 10


def test_a_late_reserve_after_the_release_takes_nothing(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4)
    release(reason="PAYMENT_DECLINED")

    assert reserve(TEA=4) == refused("PAYMENT_DECLINED")
    assert in_stock("TEA") == 10


def test_a_release_before_its_reserve_forbids_the_reserve(sells, in_stock, reservation):
    sells("TEA", available=10)

    assert release(reason="PAYMENT_DECLINED") == released("PAYMENT_DECLINED")
    assert reserve(TEA=4) == refused("PAYMENT_DECLINED")

    assert in_stock("TEA") == 10
    assert (reservation()["status"], reservation()["lines"]) == ("RELEASED", [])


def test_a_release_before_its_reserve_is_remembered_for_as_long_as_a_reserve_can_come(reservation):
    earliest = int(time.time()) + RETENTION_SECONDS
    release()
    latest = int(time.time()) + RETENTION_SECONDS

    assert earliest <= reservation()["expires_at"] <= latest


@pytest.mark.parametrize("order_id", ["o" * 2048, "😀" * 512, "o\n1", " ", "-"], ids=["longest", "emoji", *"\n -"])
def test_under_an_id_that_is_never_accepted_there_is_nothing_to_release(order_id, stack):
    assert release(order_id, "ORDER_INVALID") == released("ORDER_INVALID")

    assert stack.table("InventoryTable").scan()["Items"] == []


def test_a_repeated_release_before_its_reserve_keeps_the_first_reason():
    release(reason="PAYMENT_DECLINED")

    assert release(reason="REJECTED") == released("PAYMENT_DECLINED")


def test_a_release_that_died_before_its_write_may_be_repeated(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4)
    with dies_before(clients.dynamodb(), "transact_write_items"):
        release()

    release()

    assert in_stock("TEA") == 10


def test_a_release_that_died_after_its_write_is_not_repeated(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4)
    with dies_after(clients.dynamodb(), "transact_write_items"):
        release()

    release()

    assert in_stock("TEA") == 10


def test_a_release_that_died_after_forbidding_the_reserve_may_be_repeated():
    with dies_after(clients.dynamodb(), "put_item"):
        release(reason="PAYMENT_DECLINED")

    assert release(reason="PAYMENT_DECLINED") == released("PAYMENT_DECLINED")


def test_two_releases_at_once_put_the_stock_back_once(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4)

    with (
        pytest.raises(TransactionConflict),
        just_before(clients.dynamodb(), "transact_write_items", lambda: release(reason="PAYMENT_DECLINED")),
    ):
        release(reason="REJECTED")

    assert release(reason="REJECTED") == released("PAYMENT_DECLINED")
    assert in_stock("TEA") == 10


def test_a_reserve_that_comes_while_it_is_being_forbidden_is_released_by_the_next_attempt(sells, in_stock):
    sells("TEA", available=10)

    with pytest.raises(TransactionConflict), just_before(clients.dynamodb(), "put_item", lambda: reserve(TEA=4)):
        release(reason="PAYMENT_DECLINED")

    assert release(reason="PAYMENT_DECLINED") == released("PAYMENT_DECLINED")
    assert in_stock("TEA") == 10


def test_a_reserved_sku_that_is_no_longer_sold_needs_a_person(sells, in_stock, inventory, reservation):
    sells("TEA", available=10)
    sells("POT", available=3)
    reserve(TEA=4, POT=1)
    inventory.delete_item(Key={"pk": "SKU#POT", "sk": "STOCK"})

    with pytest.raises(Unrecoverable, match=r"no longer in the inventory: POT$"):
        release()

    assert in_stock("TEA") == 6
    assert reservation()["status"] == "RESERVED"


def test_the_reservation_is_read_consistently(sells):
    with patch.object(clients.dynamodb(), "get_item", wraps=clients.dynamodb().get_item) as read:
        release()

    assert read.call_args.kwargs["ConsistentRead"] is True


OK = {"Code": "None"}
FAILED = {"Code": "ConditionalCheckFailed"}
CONFLICT = {"Code": "TransactionConflict"}
THROTTLED = {"Code": "ThrottlingError"}
REFUSED = {"Code": "ValidationError"}
EARLIER_RESERVATION = {
    "Code": "ConditionalCheckFailed",
    "Item": {
        **reservation_key("order-1"),
        "status": {"S": "RESERVED"},
        "lines": {"L": [{"M": {"sku": {"S": "TEA"}, "quantity": {"N": "4"}}}]},
    },
}


@pytest.mark.parametrize(
    "reasons", [(OK, CONFLICT), (CONFLICT, OK), (OK, FAILED, CONFLICT), (CONFLICT, FAILED), (OK, THROTTLED, CONFLICT)]
)
def test_a_reserve_in_the_way_of_another_transaction_is_a_conflict_and_no_refusal(reasons):
    with transactions_cancelled_with(*reasons), pytest.raises(TransactionConflict):
        reserve(TEA=4, POT=1)


@pytest.mark.parametrize("reason", [OK, CONFLICT, FAILED, THROTTLED, REFUSED])
def test_an_earlier_reservation_stands_whatever_the_stock_says(reason):
    with transactions_cancelled_with(EARLIER_RESERVATION, reason):
        assert reserve(TEA=4) == HELD


@pytest.mark.parametrize("reasons", [(OK, CONFLICT), (OK, FAILED, CONFLICT), (FAILED, CONFLICT), (FAILED, OK)])
def test_a_release_in_the_way_of_another_transaction_is_a_conflict_and_needs_nobody(reasons, sells):
    sells("TEA")
    reserve(TEA=4)

    with transactions_cancelled_with(*reasons), pytest.raises(TransactionConflict):
        release()


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "InventedLater"])
@pytest.mark.parametrize("action", [reserve, release])
def test_a_transaction_that_is_throttled_is_retried_as_what_it_is(action, code, sells):
    if action is release:
        sells("TEA")
        reserve(TEA=4)

    cancelled = clients.dynamodb().exceptions.TransactionCanceledException
    with transactions_cancelled_with(OK, {"Code": code}), pytest.raises(cancelled):
        action(**({"TEA": 4} if action is reserve else {}))


@pytest.mark.parametrize("code", ["ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"])
@pytest.mark.parametrize("other", [OK, FAILED, CONFLICT, THROTTLED])
def test_a_write_that_can_never_succeed_is_for_a_person_at_once(code, other):
    refused = rf"^DynamoDB refuses the write: {code} for SKU#POT$"
    with transactions_cancelled_with(OK, other, {"Code": code}), pytest.raises(Unrecoverable, match=refused):
        reserve(TEA=4, POT=1)


def test_a_reservation_that_can_never_be_written_is_for_a_person_at_once():
    refused = r"^DynamoDB refuses the write: ValidationError for ORDER#order-1$"
    with transactions_cancelled_with(REFUSED, OK), pytest.raises(Unrecoverable, match=refused):
        reserve(TEA=4)


def test_a_release_that_can_never_be_written_is_for_a_person_at_once(sells):
    sells("TEA")
    reserve(TEA=4)

    refused = r"^DynamoDB refuses the write: ValidationError for SKU#TEA$"
    with transactions_cancelled_with(OK, REFUSED), pytest.raises(Unrecoverable, match=refused):
        release()


NO_NUMBERS = {"text": {"S": "5"}, "nothing": {"NULL": True}, "half a unit": {"N": "0.5"}}


@pytest.mark.parametrize("available", [*NO_NUMBERS.values(), None], ids=[*NO_NUMBERS, "no stock"])
def test_a_sku_without_a_whole_number_in_stock_is_named_and_not_sold_out(available):
    counter = {"pk": {"S": "SKU#TEA"}, "sk": {"S": "STOCK"}} | ({"available": available} if available else {})

    # DynamoDB's answer: a condition that compares text with a number just fails. moto refuses the comparison.
    with (
        transactions_cancelled_with(OK, {**FAILED, "Item": counter}),
        pytest.raises(Unrecoverable, match=r"^SKU#TEA: available is no whole number$"),
    ):
        reserve(TEA=4)


def test_a_sku_whose_stock_is_below_zero_is_sold_out(sells):
    sells("TEA", available=-5)

    assert reserve(TEA=1) == refused("OUT_OF_STOCK")


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
