"""Many orders at once, through fewer invocations at a time than they need: a new account has a concurrency of ten."""

from __future__ import annotations

import time
from dataclasses import dataclass

from orders import Outcome
from simulation import deliveries
from simulation.faults import Injector
from simulation.patching import patched_environment
from simulation.scenarios.world import Scenario, order, stock_item
from simulation.schedule import Violation, check
from simulation.world import world


@dataclass(frozen=True)
class Burst:
    """What came of it. `seconds` pass for the orders, from the first one placed to the last one told; `took` for us."""

    orders: int
    concurrency: int
    seconds: float
    throttled: int  # invocations that were turned away
    sweeps: int  # times that an order was started again
    violations: list[Violation]
    took: float


def run(orders: int, concurrency: int, seed: int = 0) -> Burst:
    """Place so many orders in one moment, and let everything come to its end. There is stock for all of them."""
    begun = time.perf_counter()
    here = world()
    placed = tuple(order(f"order-{number}", {"mug": 1}) for number in range(orders))
    confirmed = frozenset([str(Outcome.CONFIRMED)])
    scenario = Scenario("burst", placed, {"mug": orders}, {f"order-{number}": confirmed for number in range(orders)})
    here.begin(seed, Injector(()))
    here.concurrency = concurrency
    with patched_environment({"STOCK_SHARDS": "1"}):
        try:
            deliveries.install(here, deliveries.DELIVERIES["once"])
            told: list[float] = []
            here.watchers.append(lambda one: told.append(here.loop.now) if one.step == "notify" else None)
            here.put("InventoryTable", stock_item("mug", orders))
            for item in scenario.orders:
                here.put("OrdersTable", item)
            here.loop.settle()
            return Burst(
                orders,
                concurrency,
                seconds=max(told) - here.born,
                throttled=here.throttled,
                sweeps=len(here.claims),
                violations=check(here, scenario),
                took=time.perf_counter() - begun,
            )
        finally:
            here.loop.close()
