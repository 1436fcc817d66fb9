"""What customers and the rest of the world do. Each module in here has its scenarios, and all of them are run."""

from __future__ import annotations

import importlib
import pkgutil

from simulation.scenarios.world import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in pkgutil.iter_modules(__path__)
    for scenario in getattr(importlib.import_module(f"{__name__}.{module.name}"), "SCENARIOS", ())
}
