"""The points': an order that is confirmed, and one that is not."""

from __future__ import annotations

from orders import Outcome
from simulation.scenarios.world import Scenario, order

SCENARIOS = (
    Scenario(
        "a point for one of two",
        (order("A", {"mug": 1}), order("B", {"mug": 1}, "pm_card_chargeDeclined")),
        {"mug": 5},
        {"A": frozenset({Outcome.CONFIRMED}), "B": frozenset({Outcome.CANCELLED})},
    ),
)
