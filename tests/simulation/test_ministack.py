"""What the simulation leans on in MiniStack is there, and stands in one file."""

from __future__ import annotations

import re

import pytest

from simulation import ministack
from simulation.ministack import Private
from simulation.stack import ROOT
from simulation.world import world

NAMES = [one for one in vars(ministack).values() if isinstance(one, Private)] + list(ministack.OF_TEXT)


@pytest.mark.parametrize("name", NAMES, ids=lambda one: f"{one.service}.{one.name}")
def test_ministack_has_it(name: Private) -> None:
    world()

    assert hasattr(name.owner, name.name), f"it was needed so: {name.why}"


def test_no_other_file_of_the_simulation_names_it() -> None:
    private = "|".join(one.name for one in NAMES if one.name.startswith("_"))
    used = re.compile(rf"\w+\.(?:{private})\b|[\"'](?:{private})[\"']")

    found = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "simulation").rglob("*.py")
        if path.name != "ministack.py"
        for line in path.read_text().splitlines()
        if used.search(line) and "self._" not in line
    ]
    assert found == []
