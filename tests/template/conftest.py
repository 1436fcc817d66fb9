"""The stacks that the tests of templates look at."""

from __future__ import annotations

import pytest

from simulation.stack import PIPELINE
from tests.template.stack import TEMPLATES, TransformedTemplate, parameter_sets, pipeline_by_default, transformed


def _looked_at(names: list[str]) -> list[object]:
    """Each template with each of its sets of parameters."""
    return [
        pytest.param((name, parameters), id=f"{name}-{label}")
        for name in names
        for label, parameters in parameter_sets(name).items()
    ]


@pytest.fixture(scope="session", params=_looked_at([*TEMPLATES]))
def stack(request: pytest.FixtureRequest) -> TransformedTemplate:
    """Every template with each of its sets of parameters in turn."""
    name, parameters = request.param
    return TransformedTemplate(transformed(name), name, **parameters)


@pytest.fixture(scope="session", params=_looked_at([PIPELINE]))
def pipeline(request: pytest.FixtureRequest) -> TransformedTemplate:
    """The pipeline's template with each of its sets of parameters in turn."""
    name, parameters = request.param
    return TransformedTemplate(transformed(name), name, **parameters)


@pytest.fixture(scope="session")
def defaults() -> TransformedTemplate:
    """The pipeline as it is deployed by pressing Enter."""
    return pipeline_by_default()


@pytest.fixture(scope="session")
def stacks() -> dict[str, TransformedTemplate]:
    """Every stack as it is deployed by pressing Enter, by name."""
    return {name: TransformedTemplate(transformed(name), name) for name in TEMPLATES}
