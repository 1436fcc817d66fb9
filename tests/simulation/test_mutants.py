"""The simulation notices what it is there to notice."""

from __future__ import annotations

import pytest

from simulation.mutants import MUTANTS, broken_by
from simulation.mutants.ways import Mutant
from tests.exhaustive import sampled


def test_there_are_enough_mutants_and_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


@pytest.mark.parametrize("mutant", sampled(MUTANTS), ids=lambda mutant: mutant.name)
def test_the_mutant_is_killed_by_the_promise_that_it_breaks(mutant: Mutant) -> None:
    assert mutant.killed_by in broken_by(mutant, mutant.hint)
