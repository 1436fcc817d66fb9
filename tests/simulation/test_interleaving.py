"""Several orders for the same few things at once, and Hypothesis decides who makes the next request.

The schedules elsewhere interleave by latency; here every single step is a choice, so that Hypothesis can look for the
order of requests that breaks a promise, and shrink it.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from simulation import deliveries
from simulation.deliveries import DELIVERIES, HOUR
from simulation.faults import KINDS, Injector
from simulation.patching import patched_environment
from simulation.scenarios.world import Scenario, order, place_again, restock, split_over, stock_item
from simulation.schedule import finish
from simulation.world import world

SKUS = ("mug", "pot", "tea")
STOCK = 3
ANY = frozenset(("CONFIRMED", "CANCELLED", "REJECTED"))
CARDS = st.sampled_from(("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"))
LINES = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 2), min_size=1)


class Shop(RuleBasedStateMachine):
    """Customers, a warehouse, and a world in which anything may fail or come again at any moment."""

    shards = 1

    @initialize()
    def open(self) -> None:
        self.world = world()
        self.world.begin(0, Injector(()))
        self.environment = ExitStack()
        self.environment.enter_context(patched_environment({"STOCK_SHARDS": str(self.shards)}))
        self.pollers = deliveries.install(self.world, DELIVERIES["once"])
        self.orders: list[dict[str, Any]] = []
        for sku in SKUS:
            self.world.put("InventoryTable", stock_item(sku, STOCK))

    @precondition(lambda self: len(self.orders) < 4)
    @rule(lines=LINES, card=CARDS)
    def place(self, lines: dict[str, int], card: str) -> None:
        item = order(f"O{len(self.orders)}", lines, card)
        self.orders.append(item)
        self.world.put("OrdersTable", item)

    @rule(choices=st.lists(st.integers(0, 7), min_size=1, max_size=40))
    def go_on(self, choices: list[int]) -> None:
        for choice in choices:
            if not self.world.loop.step(choice):
                break

    @rule(kind=st.sampled_from(sorted(KINDS)))
    def fail_next(self, kind: str) -> None:
        self.world.injector.armed = kind

    @precondition(lambda self: self.world.matched)
    @rule(which=st.integers(0, 7))
    def deliver_again(self, which: int) -> None:
        event = self.world.matched[which % len(self.world.matched)]
        self.world.start_target(event)

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 7))
    def put_again(self, which: int) -> None:
        place_again(self.orders[which % len(self.orders)])(self.world)

    @rule()
    def rewind_the_stream(self) -> None:
        self.pollers.rewind()

    @rule(sku=st.sampled_from(SKUS))
    def restock(self, sku: str) -> None:
        restock(sku, 1)(self.world)

    @rule()
    def let_zombies_go_on(self) -> None:
        self.world.wake_all_zombies()

    @rule()
    def six_hours_pass(self) -> None:
        self.world.loop.settle()
        self.world.loop.now += 6 * HOUR
        self.world.expire()

    @precondition(lambda self: self.shards > 1)
    @rule(shards=st.sampled_from((1, 2, 3)))
    def deploy_with_other_shards(self, shards: int) -> None:
        split_over(shards)(self.world)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.environment:
            self.close()

    def close(self) -> None:
        orders = tuple(self.orders)
        outcomes = {item["order_id"]["S"]: ANY for item in orders}
        try:
            violations = finish(
                self.world, Scenario("shop", orders, dict.fromkeys(SKUS, STOCK), outcomes), self.pollers
            )
        finally:
            self.world.loop.close()
        assert not violations, violations


class ShopWithShards(Shop):
    """The same, with the stock split over three items, and sometimes over more or fewer than a moment before."""

    shards = 3


@pytest.mark.parametrize("shop", [Shop, ShopWithShards])
def test_no_interleaving_of_several_orders_breaks_a_promise(shop: type[Shop]) -> None:
    run_state_machine_as_test(
        shop,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
