"""The stock of a SKU in several counters: still one stock."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from unittest.mock import DEFAULT, Mock, patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws import clients
from inventory import shards, table
from orders.errors import TransactionConflict, Unrecoverable
from orders.tables import stock_key
from tests.unit.faults import SandboxDied, die, dies_before, just_after, just_before
from tests.unit.stocking import HELD, release, reserve

pytestmark = pytest.mark.usefixtures("inventory")

SOLD_OUT = {"held": False, "reason": "OUT_OF_STOCK"}
ORDER_OF_SHARD = {0: "B", 1: "A", 2: "H", 3: "E"}  # of four


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"StockShards": "4"}


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The stack is deployed with another number of shards."""

    def deploy(count: int) -> None:
        monkeypatch.setenv("STOCK_SHARDS", str(count))
        shards.count.cache_clear()

    return deploy


@pytest.fixture
def units(inventory: Any) -> Callable[..., list[int]]:
    """What each shard has. Shards that don't exist have nothing."""

    def read(sku: str = "TEA", count: int = 4) -> list[int]:
        items = {(item["pk"], item["sk"]): int(item.get("available", 0)) for item in inventory.scan()["Items"]}
        keys = [stock_key(sku, shard) for shard in range(count)]
        return [items.get((key["pk"]["S"], key["sk"]["S"]), 0) for key in keys]

    return read


@pytest.fixture
def lies(sells: Any, inventory: Any) -> Callable[..., None]:
    """`lies("TEA", 5, 0, 1)` puts five pieces into shard 0 and one into shard 2."""

    def put(sku: str, *units: int) -> None:
        sells(sku, available=units[0], shards=len(units))
        for shard, available in enumerate(units[1:], 1):
            inventory.put_item(Item={"pk": f"SHARD#{shard}#{sku}", "sk": "SHARD", "available": available})

    return put


# ── Which shard ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_meets_the_same_shard_in_every_sandbox_and_release_of_python():
    assert {shards.home(order_id): order_id for order_id in "BAHE"} == ORDER_OF_SHARD


def test_a_retry_meets_the_same_shard(lies, units):
    lies("TEA", 5, 5, 5, 5)
    with dies_before(clients.dynamodb(), "transact_write_items"):
        reserve("E", TEA=2)

    assert [reserve("E", TEA=2), reserve("E", TEA=2)] == [HELD, HELD]
    assert units() == [5, 5, 5, 3]


def test_orders_spread_over_all_shards():
    met = Counter(shards.home(f"order-{number}") for number in range(1000))
    assert met.keys() == {0, 1, 2, 3}
    assert min(met.values()) > 200


SKUS = st.text(st.characters(min_codepoint=ord("!"), max_codepoint=ord("~")), min_size=1, max_size=8)


@given(st.tuples(SKUS, st.integers(0, 99)), st.tuples(SKUS, st.integers(0, 99)))
def test_no_sku_makes_a_shards_key_anothers(one, other):
    assert (stock_key(*one) == stock_key(*other)) == (one == other)


# ── One shard: nothing changes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def requests() -> list[str]:
    """The names of the requests that the handler makes."""
    made: list[str] = []
    events: Any = clients.dynamodb().meta.events
    events.register("before-parameter-build", lambda model, **_: made.append(model.name))
    return made


def test_without_shards_there_is_one_item_and_one_request(split, sells, inventory, requests):
    split(1)
    sells("TEA", available=3)

    assert [reserve("A", TEA=2), reserve("B", TEA=2)] == [HELD, SOLD_OUT]

    assert requests == ["TransactWriteItems"] * 2
    assert {(item["pk"], item["sk"]) for item in inventory.scan()["Items"]} == {
        ("SKU#TEA", "STOCK"),
        ("ORDER#A", "RESERVATION"),
    }
    assert "shard" not in inventory.get_item(Key={"pk": "ORDER#A", "sk": "RESERVATION"})["Item"]


def test_with_shards_that_have_enough_there_is_one_request_as_well(lies, requests):
    lies("TEA", 5, 5, 5, 5)

    assert reserve("A", TEA=2) == HELD
    assert requests == ["TransactWriteItems"]


def test_a_sold_out_sku_takes_two_looks_and_one_at_the_reservation(lies, requests):
    lies("TEA", 0, 0, 0, 0)

    assert reserve("A", TEA=1) == SOLD_OUT
    assert requests == ["TransactWriteItems", "BatchGetItem", "BatchGetItem", "GetItem"]


# ── Units elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order_id", "lie"), [("A", (3, 0, 0, 0)), ("A", (1, 0, 1, 1)), ("B", (0, 2, 0, 1)), ("E", (0, 0, 2, 1))]
)
def test_the_last_units_are_found_wherever_they_are(order_id, lie, lies, units):
    lies("TEA", *lie)

    assert reserve(order_id, TEA=3) == HELD
    assert units() == [0, 0, 0, 0]


def test_one_more_than_all_shards_have_is_out_of_stock_and_nothing_moves(lies, units):
    lies("TEA", 1, 0, 1, 1)

    assert reserve("A", TEA=4) == SOLD_OUT
    assert units() == [1, 0, 1, 1]


def test_nothing_moves_for_an_order_that_cannot_have_every_line(lies, units):
    lies("TEA", 8, 0, 0, 0)
    lies("POT", 1, 0, 0, 0)

    assert reserve("A", TEA=1, POT=2) == SOLD_OUT
    assert (units("TEA"), units("POT")) == ([8, 0, 0, 0], [1, 0, 0, 0])


def test_the_first_order_that_is_short_spreads_the_stock_evenly(sells, units, inventory):
    sells("TEA", available=100)

    assert reserve("E", TEA=1) == HELD
    assert units() == [25, 25, 25, 24]
    assert inventory.get_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})["Item"]["shards"] == 4


def test_a_restock_is_spread_by_the_first_order_that_is_short(lies, units):
    lies("TEA", 80, 12, 0, 1)

    assert reserve("H", TEA=2) == HELD
    assert units() == [35, 12, 21, 23]


def test_each_short_line_is_fetched(sells, units):
    sells("TEA", available=4)
    sells("POT", available=4)

    assert reserve("A", TEA=2, POT=3) == HELD
    assert sum(units("TEA")) == 2
    assert sum(units("POT")) == 1


def test_a_sku_that_is_not_sold_any_more_is_out_of_stock(inventory):
    inventory.put_item(Item={"pk": "SHARD#2#TEA", "sk": "SHARD", "available": 5})

    assert reserve("A", TEA=1) == SOLD_OUT


def test_a_move_does_not_bring_a_deleted_sku_back(lies, inventory):
    lies("TEA", 0, 0, 2, 0)
    spread = shards.look("TEA", 2)
    assert spread
    inventory.delete_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})

    with pytest.raises(clients.dynamodb().exceptions.TransactionCanceledException):
        clients.dynamodb().transact_write_items(TransactItems=shards.move("TEA", 0, 2, spread))

    assert "Item" not in inventory.get_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})


# ── What happens in between ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_reserve_that_died_after_its_move_finds_the_units_where_they_are(sells, units):
    sells("TEA", available=4)
    move = shards.move

    def then_die(*look: Any) -> Any:
        clients.dynamodb().transact_write_items(TransactItems=move(*look))
        die()

    with patch.object(shards, "move", then_die), pytest.raises(SandboxDied):
        reserve("A", TEA=3)
    assert units() == [1, 3, 0, 0]

    assert reserve("A", TEA=3) == HELD
    assert units() == [1, 0, 0, 0]


def test_a_move_that_comes_twice_changes_no_sum(sells, units):
    sells("TEA", available=8)
    spread = shards.look("TEA", 1)
    assert spread
    moves = [shards.move("TEA", shard, 1, spread) for shard in (1, 2)]

    reserve("A", TEA=1)
    for move in moves:
        with suppress(clients.dynamodb().exceptions.TransactionCanceledException):
            clients.dynamodb().transact_write_items(TransactItems=move)

    assert sum(units()) == 7
    assert min(units()) >= 0


def test_units_that_others_took_before_the_move_are_looked_for_again(lies, units):
    lies("TEA", 2, 0, 0, 1)

    with just_after(clients.dynamodb(), "batch_get_item", lambda: reserve("B", TEA=2)):
        assert reserve("A", TEA=1) == HELD

    assert units() == [0, 0, 0, 0]


def test_an_order_whose_units_are_taken_again_and_again_is_a_conflict_and_not_out_of_stock(lies):
    lies("TEA", 5, 0, 0, 0)

    with patch.object(shards, "move", lambda *_: []), pytest.raises(TransactionConflict, match="others took"):
        reserve("A", TEA=1)


def test_units_that_move_while_they_are_counted_are_not_missed(lies, inventory):
    """The first look sees shard 0 before units come to it, and shard 2 after they have left."""
    lies("TEA", 0, 0, 3, 0)
    read = clients.dynamodb().batch_get_item

    def torn() -> Any:
        keys = [stock_key("TEA", shard) for shard in range(4)]
        answer: Any = read(RequestItems={table.name(): {"Keys": keys}})
        for item in answer["Responses"][table.name()]:
            if item["pk"]["S"] == "SHARD#2#TEA":
                item["available"], item["moved"] = {"N": "0"}, {"N": "1"}
        return answer

    with patch.object(clients.dynamodb(), "batch_get_item", Mock(side_effect=[torn(), DEFAULT, DEFAULT], wraps=read)):
        assert reserve("A", TEA=3) == HELD


def test_units_that_never_stand_still_are_a_conflict(lies):
    lies("TEA", 0, 0, 0, 0)
    looks = iter(range(100))

    def moving(sku: str) -> shards.Spread:
        return shards.Spread([0] * 4, [next(looks)] * 4, 4)

    with patch.object(shards, "_read", moving), pytest.raises(TransactionConflict, match="kept moving"):
        reserve("A", TEA=1)


def test_what_a_copy_of_the_order_took_meanwhile_is_the_orders_own(lies):
    lies("TEA", 1, 0, 0, 0)

    with just_before(clients.dynamodb(), "batch_get_item", lambda: reserve("A", TEA=1)):
        assert reserve("A", TEA=1) == HELD


def test_a_release_that_came_while_it_looked_forbids_the_reserve(lies):
    lies("TEA", 0, 0, 0, 0)

    with just_before(clients.dynamodb(), "batch_get_item", lambda: release("A")):
        assert reserve("A", TEA=1) == {"held": False, "reason": "PAYMENT_DECLINED"}


def test_shards_that_could_not_all_be_read_say_nothing(lies):
    lies("TEA", 1, 0, 0, 0)
    answer = {"Responses": {}, "UnprocessedKeys": {table.name(): {"Keys": [stock_key("TEA", 0)]}}}

    with patch.object(clients.dynamodb(), "batch_get_item", lambda **_: answer), pytest.raises(TimeoutError):
        reserve("A", TEA=1)


def test_the_shards_are_read_consistently(lies):
    lies("TEA", 1, 0, 0, 0)
    with patch.object(clients.dynamodb(), "batch_get_item", wraps=clients.dynamodb().batch_get_item) as read:
        reserve("A", TEA=1)

    assert read.call_args.kwargs["RequestItems"][table.name()]["ConsistentRead"] is True


# ── Another number of shards ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_release_puts_the_units_back_where_they_came_from(count, lies, units, split):
    lies("TEA", 5, 5, 5, 5)
    reserve("E", TEA=2)
    split(count)

    release("E")

    assert units() == [5, 5, 5, 5]


@pytest.mark.parametrize("count", [1, 2, 8])
def test_units_are_found_in_all_shards_that_ever_were(count, sells, units, split):
    sells("TEA", available=8)
    assert reserve("E", TEA=1) == HELD  # spreads it over four
    split(count)

    assert reserve("A", TEA=7) == HELD
    assert units(count=8) == [0] * 8


def test_shard_0_never_forgets_how_many_shards_there_were(lies, split, inventory):
    lies("TEA", 4, 4, 4, 0)
    split(2)
    reserve("A", TEA=6)  # is short, and moves

    assert inventory.get_item(Key={"pk": "SKU#TEA", "sk": "STOCK"})["Item"]["shards"] == 4


ACTIONS = st.tuples(
    st.sampled_from([reserve, release, "deploy"]),
    st.sampled_from("ABEH"),
    st.integers(1, 4),
    st.sampled_from([1, 2, 4]),
)


@given(history=st.lists(ACTIONS, max_size=10))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stock_and_holds_always_add_up_to_what_there_was(history, inventory, sells, split, units):
    for item in inventory.scan()["Items"]:
        inventory.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    sells("TEA", available=9)
    held: dict[str, int] = {}

    for action, order_id, quantity, count in history:
        if action == "deploy":
            split(count)
        elif action is release:
            release(order_id)
            held[order_id] = 0
        else:
            enough = sum(units()) >= quantity
            answer = reserve(order_id, TEA=quantity)
            if order_id not in held:
                assert answer == (HELD if enough else SOLD_OUT)
                held |= {order_id: quantity} if enough else {}

        assert min(units()) >= 0
        assert sum(units()) + sum(held.values()) == 9


@pytest.mark.parametrize("attribute", ["available", "moved", "shards"])
@pytest.mark.parametrize("value", ["five", "5", None, Decimal("1.5")], ids=repr)
def test_a_counter_that_holds_no_number_is_named(attribute, value, lies, inventory):
    lies("TEA", 0, 3, 0, 0)
    key = {"pk": "SKU#TEA", "sk": "STOCK"}
    inventory.put_item(Item={**inventory.get_item(Key=key)["Item"], attribute: value})

    with pytest.raises(Unrecoverable, match=rf"^SKU#TEA: {attribute} is no whole number$"):
        shards.look("TEA", 4)


def test_another_shard_that_holds_no_number_is_named(lies, inventory):
    lies("TEA", 0, 3, 0, 0)
    inventory.put_item(Item={"pk": "SHARD#2#TEA", "sk": "SHARD", "available": "5"})

    with pytest.raises(Unrecoverable, match=r"^SHARD#2#TEA: available is no whole number$"):
        reserve("B", TEA=4)
