"""Putting back what comes back of an order."""

from collections.abc import Callable
from typing import Any

import pytest

from aws import clients, logger
from inventory import shards
from orders.errors import Unrecoverable
from orders.shipping import CANCELLATION
from orders.tables import stock_key
from tests.unit.faults import dies_after, dies_before, just_before
from tests.unit.stocking import HELD, RESTOCKED, release, reserve, restock

pytestmark = pytest.mark.usefixtures("inventory")


@pytest.fixture
def sold(sells: Any) -> None:
    """order-1 took four of ten packets of tea and one of three pots."""
    sells("TEA", available=10)
    sells("POT", available=3)
    reserve(TEA=4, POT=1)


@pytest.fixture
def back(inventory: Any) -> Callable[..., Any]:
    """What says that a return of order-1 was put back, if anything does."""
    return lambda return_id="r-1": inventory.get_item(Key={"pk": "ORDER#order-1", "sk": f"RESTOCKED#{return_id}"}).get(
        "Item"
    )


# ── What is put back ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_return_is_of_goes_back_and_nothing_else(sold, in_stock):
    assert restock(TEA=3) == RESTOCKED

    assert (in_stock("TEA"), in_stock("POT")) == (9, 2)


def test_a_return_of_several_lines_goes_back_whole(sold, in_stock):
    restock(TEA=3, POT=1)

    assert (in_stock("TEA"), in_stock("POT")) == (9, 3)


def test_a_cancellation_puts_back_everything_that_was_held(sold, in_stock, back):
    assert restock(CANCELLATION) == RESTOCKED

    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)
    assert back(CANCELLATION)["units"] == {"TEA": 4, "POT": 1}


def test_several_returns_of_an_order_each_go_back(sold, in_stock):
    assert [restock("r-1", TEA=1), restock("r-2", TEA=1, POT=1), restock("r-3", TEA=2)] == [RESTOCKED] * 3

    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)


def test_two_lines_of_one_sku_go_back_together(sold, in_stock):
    from inventory import app

    lines = [{"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": 2}]
    app.handler({"action": "restock", "order_id": "order-1", "return_id": "r-1", "lines": lines}, None)

    assert in_stock("TEA") == 9


def test_what_was_put_back_is_written_down_for_ever_beside_the_reservation(sold, back, reservation):
    bought = reservation()

    restock(TEA=3)

    assert back() == {"pk": "ORDER#order-1", "sk": "RESTOCKED#r-1", "units": {"TEA": 3}}
    assert reservation() == bought


def test_the_orders_reserve_that_comes_late_still_finds_what_it_bought_and_takes_nothing(sold, in_stock):
    restock(CANCELLATION)

    assert reserve(TEA=4, POT=1) == HELD
    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)


# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeated_restock_puts_nothing_more_back(sold, in_stock):
    assert [restock(TEA=3) for _ in range(3)] == [RESTOCKED] * 3

    assert in_stock("TEA") == 9


def test_a_repeated_cancellation_puts_nothing_more_back(sold, in_stock):
    assert [restock(CANCELLATION) for _ in range(2)] == [RESTOCKED] * 2

    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)


def test_a_restock_that_comes_again_when_all_is_sold_puts_nothing_more_back(sold, in_stock):
    restock(TEA=3)
    reserve("order-2", TEA=9)

    assert restock(TEA=3) == RESTOCKED
    assert in_stock("TEA") == 0


def test_a_restock_that_comes_again_after_everything_else_came_back_is_answered_as_before(sold, in_stock):
    restock("r-1", TEA=3)
    restock("r-2", TEA=1, POT=1)

    assert restock("r-1", TEA=3) == RESTOCKED
    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)


def test_a_restock_that_died_before_its_write_may_be_repeated(sold, in_stock):
    with dies_before(clients.dynamodb(), "transact_write_items"):
        restock(TEA=3)
    assert in_stock("TEA") == 6

    assert restock(TEA=3) == RESTOCKED
    assert in_stock("TEA") == 9


def test_a_restock_whose_answer_was_lost_is_not_repeated(sold, in_stock):
    with dies_after(clients.dynamodb(), "transact_write_items"):
        restock(TEA=3)

    assert restock(TEA=3) == RESTOCKED
    assert in_stock("TEA") == 9


@pytest.mark.parametrize("quantities", [{"TEA": 3}, {}], ids=["a return", "everything"])
def test_of_two_restocks_at_once_one_puts_back_and_both_are_answered(quantities, sold, in_stock):
    answers = []

    with just_before(clients.dynamodb(), "transact_write_items", lambda: answers.append(restock(**quantities))):
        answers.append(restock(**quantities))

    assert answers == [RESTOCKED] * 2
    assert in_stock("TEA") == 6 + quantities.get("TEA", 4)


@pytest.mark.parametrize("other", [{"TEA": 2}, {"TEA": 4}, {"TEA": 3, "POT": 1}, {"POT": 1}], ids=str)
def test_the_same_return_with_other_lines_needs_a_person(other, sold, in_stock):
    restock(TEA=3)

    with pytest.raises(Unrecoverable, match=r"^the return was restocked with other lines$"):
        restock(**other)

    assert (in_stock("TEA"), in_stock("POT")) == (9, 2)


def test_of_two_at_once_that_differ_in_their_lines_one_needs_a_person(sold, in_stock):
    with (
        pytest.raises(Unrecoverable, match="other lines"),
        just_before(clients.dynamodb(), "transact_write_items", lambda: restock(TEA=3)),
    ):
        restock(TEA=2)

    assert in_stock("TEA") == 9


# ── Never more than is out ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "quantities",
    [{"TEA": 5}, {"TEA": 1, "POT": 2}, {"CUP": 1}, {"TEA": 0}, {"TEA": -1}, {"TEA": 1, "POT": -1}],
    ids=str,
)
def test_what_was_not_bought_is_not_put_back(quantities, sold, sells, in_stock, back):
    sells("CUP", available=1)

    with pytest.raises(Unrecoverable, match=r"^cannot restock more than is out: (TEA|POT|CUP)$"):
        restock(**quantities)

    assert (in_stock("TEA"), in_stock("POT"), in_stock("CUP")) == (6, 2, 1)
    assert back() is None


def test_what_came_back_already_does_not_come_back_with_another_return(sold, in_stock, back):
    restock("r-1", TEA=3)

    with pytest.raises(Unrecoverable, match=r"more than is out: TEA$"):
        restock("r-2", TEA=2)

    assert in_stock("TEA") == 9
    assert back("r-2") is None


def test_an_order_of_which_something_came_back_is_not_put_back_whole(sold, in_stock):
    restock("r-1", TEA=1)

    with pytest.raises(Unrecoverable, match=r"more than is out: TEA$"):
        restock(CANCELLATION)

    assert (in_stock("TEA"), in_stock("POT")) == (7, 2)


def test_an_order_that_holds_nothing_gives_nothing_back(sells, in_stock, back):
    sells("TEA", available=10)

    with pytest.raises(Unrecoverable, match="not reserved"):
        restock(TEA=1)

    assert in_stock("TEA") == 10
    assert back() is None


def test_what_was_released_is_not_put_back_a_second_time(sold, in_stock, back):
    release()

    with pytest.raises(Unrecoverable, match="not reserved"):
        restock(TEA=1)

    assert (in_stock("TEA"), in_stock("POT")) == (10, 3)
    assert back() is None


def test_another_orders_units_are_not_put_back(sold, in_stock):
    reserve("order-2", POT=2)
    restock("r-1", POT=1)

    with pytest.raises(Unrecoverable):
        restock("r-2", POT=1)

    assert in_stock("POT") == 1


# ── Where to ────────────────────────────────────────────────────────────────────────────────────────────────────────

FOUR = pytest.mark.parametrize("parameters", [{"StockShards": "4"}])
IN_SHARD_2 = "H"  # an order that meets it, of four


@pytest.fixture
def split(sells: Any, inventory: Any) -> Callable[[], list[int]]:
    """Ten packets of tea lie in each of four counters; answers how many do."""
    sells("TEA", available=10, shards=4)
    for shard in (1, 2, 3):
        key = stock_key("TEA", shard)
        inventory.put_item(Item={"pk": key["pk"]["S"], "sk": key["sk"]["S"], "available": 10})

    def read() -> list[int]:
        items = {(item["pk"], item["sk"]): item for item in inventory.scan()["Items"]}
        keys = [stock_key("TEA", shard) for shard in range(4)]
        return [int(items[key["pk"]["S"], key["sk"]["S"]]["available"]) for key in keys]

    return read


@FOUR
def test_units_go_back_to_the_counter_that_they_were_taken_from(split):
    reserve(IN_SHARD_2, TEA=4)
    assert split() == [10, 10, 6, 10]

    restock(order_id=IN_SHARD_2, TEA=3)

    assert split() == [10, 10, 9, 10]


@FOUR
def test_units_go_back_there_when_the_stock_is_split_otherwise_by_now(split, monkeypatch):
    reserve(IN_SHARD_2, TEA=4)
    monkeypatch.setenv("STOCK_SHARDS", "1")
    shards.count.cache_clear()

    assert restock(CANCELLATION, IN_SHARD_2) == RESTOCKED

    assert split() == [10, 10, 10, 10]


def test_a_sku_that_is_no_longer_sold_needs_a_person_and_nothing_is_put_back(sold, in_stock, inventory, back):
    inventory.delete_item(Key={"pk": "SKU#POT", "sk": "STOCK"})

    with pytest.raises(Unrecoverable, match=r"no longer in the inventory: POT$"):
        restock(TEA=1, POT=1)

    assert in_stock("TEA") == 6
    assert back() is None


def test_a_sku_that_is_sold_again_takes_back_what_it_could_not(sold, in_stock, inventory, sells):
    inventory.delete_item(Key={"pk": "SKU#POT", "sk": "STOCK"})
    with pytest.raises(Unrecoverable):
        restock(POT=1)
    sells("POT", available=0)

    assert restock(POT=1) == RESTOCKED
    assert in_stock("POT") == 1


# ── What is said of it ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_put_back_is_in_the_log_once(sold, log, caplog):
    caplog.set_level("DEBUG", logger=logger.name)
    restock(TEA=3)
    restock(TEA=3)

    lines = [(line["level"], line["message"], line["order_id"], line["return_id"]) for line in log()[1:]]
    assert lines == [
        ("INFO", "restocked", "order-1", "r-1"),
        ("DEBUG", "restocked before", "order-1", "r-1"),
    ]
