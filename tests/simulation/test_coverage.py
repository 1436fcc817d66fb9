"""What is deployed is simulated: a function, a workflow or a stack that no scenario runs is named here."""

from __future__ import annotations

import pytest

from simulation.explore import fault_free
from simulation.schedule import run
from simulation.stack import PIPELINE, ROOT, templates
from simulation.world import world


@pytest.fixture(scope="module")
def ran() -> set[str]:
    """The names of the functions and the ARNs of the workflows that any scenario runs when nothing goes wrong."""
    found: set[str] = set()
    for schedule in fault_free(["once"]):
        run(schedule)
        found |= {invocation.function for invocation in world().invocations}
        found |= {execution["stateMachineArn"] for execution in world().executions()}
    return found


def test_every_function_that_is_deployed_is_run_by_a_scenario(ran: set[str]) -> None:
    assert [handler for name, handler in world().stack.handlers.items() if name not in ran] == []


def test_every_workflow_that_is_deployed_is_run_by_a_scenario(ran: set[str]) -> None:
    assert [name for name, arn in world().stack.workflows.items() if arn not in ran] == []


def test_every_function_and_every_definition_is_deployed() -> None:
    handlers = {handler.split(".")[0] for handler in world().stack.handlers.values()}
    text = "".join(path.read_text() for path in templates().values())

    assert {path.parent.name for path in ROOT.glob("functions/*/app.py")} - handlers == set()
    assert [path.name for path in ROOT.glob("statemachine/*.asl.json") if path.name not in text] == []


def test_the_stacks_are_the_pipeline_and_whatever_plugs_into_it() -> None:
    assert list(templates()) == [PIPELINE, *sorted(path.stem for path in ROOT.glob("stacks/*.yaml"))]
