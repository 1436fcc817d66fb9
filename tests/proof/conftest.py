"""The simulation takes over the process that it runs in; other tests get it back untouched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulation.world import world


@pytest.fixture(autouse=True, scope="module")
def _give_the_process_back() -> Iterator[None]:
    yield
    if world.cache_info().currsize:
        world().leave()
