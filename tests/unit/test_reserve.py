"""Taking stock."""

import pytest

from aws import clients
from tests.unit.faults import dies_after, dies_before
from tests.unit.stocking import HELD, PRICES, refused, reserve

pytestmark = pytest.mark.usefixtures("inventory")


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
        "lines": [{"sku": "TEA", "quantity": 4, "unit_price": 450}],
    }


def test_what_is_held_is_worth_what_it_was_sold_for_whatever_the_catalogue_says_later(sells, reservation):
    sells("TEA")
    reserve(TEA=4, prices={"TEA": 450})
    sells("TEA", unit_price=500)

    assert [int(line["unit_price"]) for line in reservation()["lines"]] == [450]


@pytest.mark.parametrize(("first", "then"), [(None, PRICES), (PRICES, None)], ids=["added", "left out"])
def test_a_price_that_was_not_written_down_makes_no_other_order(first, then, sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4, prices=first)

    assert reserve(TEA=4, prices=then) == HELD
    assert in_stock("TEA") == 6


def test_the_same_units_at_another_price_are_another_order(sells, in_stock):
    sells("TEA", available=10)
    reserve(TEA=4, prices={"TEA": 450})

    assert reserve(TEA=4, prices={"TEA": 449}) == refused("ORDER_CHANGED")
    assert in_stock("TEA") == 6


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


def test_a_sku_whose_stock_is_below_zero_is_sold_out(sells):
    sells("TEA", available=-5)

    assert reserve(TEA=1) == refused("OUT_OF_STOCK")
