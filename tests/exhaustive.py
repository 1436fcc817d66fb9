"""What `make test` leaves to `make prove`: every test that bears the mark `exhaustive`.

`make test` runs the tests without it (pyproject.toml), `make prove` those with it, so each is run by one of the two
(tests/docs/test_make_test.py). Where every case of many is tried, `make test` has a share of them, in which every way
to fail is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

exhaustive = pytest.mark.exhaustive
NAME = exhaustive.name
LEFT_OUT = f"not {NAME}"  # as pyproject.toml has it


def sampled(cases: Iterable[Any], every: int = 4) -> list[Any]:
    """The values of a parameter. `make test` tries the second of each group of `every`, `make prove` the others."""
    return [case if number % every == 1 else _marked(case) for number, case in enumerate(cases)]


def _marked(case: Any) -> Any:
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, id=case.id, marks=(*case.marks, exhaustive))
    return pytest.param(case, marks=exhaustive)
