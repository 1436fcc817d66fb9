"""Putting stock back."""

import time

import pytest

from aws import clients
from orders.errors import TransactionConflict, Unrecoverable
from orders.retention import RETENTION_SECONDS
from tests.unit.faults import dies_after, dies_before, just_before
from tests.unit.stocking import refused, release, released, reserve

pytestmark = pytest.mark.usefixtures("inventory")


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
        "lines": [{"sku": "TEA", "quantity": 4, "unit_price": 450}],
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
