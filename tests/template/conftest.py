"""The stacks that the template's tests look at."""

from __future__ import annotations

import pytest

from tests.template.stack import PARAMETER_SETS, Stack, transformed


@pytest.fixture(scope="session", params=PARAMETER_SETS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """The template with each set of parameters in turn."""
    return Stack(transformed(), **PARAMETER_SETS[request.param])


@pytest.fixture(scope="session")
def defaults() -> Stack:
    """The template as it is deployed by pressing Enter."""
    return Stack(transformed())
