"""What the simulation doesn't run is there by name: every template deploys, and nothing of such a stack begins."""

from __future__ import annotations

from typing import Any

from samtranslator.yaml_helper import yaml_parse

from simulation import ministack, stack
from simulation.stack import ROOT, templates
from simulation.world import world


def test_a_resource_that_is_not_run_has_a_name_and_an_arn() -> None:
    world()
    kind = "AWS::Nowhere::Thing"
    try:
        assert stack._stand_in({"Resources": {"One": {"Type": kind}}})
        arn, attributes = ministack.RESOURCES.get()[kind]["create"]("One", {}, "orders")
        assert arn == "arn:aws:nowhere:us-east-1:000000000000:thing/orders-One"
        assert attributes == {"Arn": arn, "ThingArn": arn}
    finally:
        del ministack.RESOURCES.get()[kind]


def test_a_stack_of_which_everything_is_run_has_none() -> None:
    world()
    assert not stack._stand_in(
        {"Resources": {"One": {"Type": "AWS::SQS::Queue"}, "Two": {"Type": "AWS::Serverless::Api"}}}
    )


def test_a_stack_is_deployed_after_those_that_it_takes_something_of() -> None:
    contents: dict[str, Any] = {
        "books": {"Parameters": {"OrdersStack": {}, "ShippingStack": {}, "NowhereStack": {}}},
        "orders": {},
        "shipping": {"Parameters": {"OrdersStack": {}}},
    }
    assert stack._in_order(contents) == ["orders", "shipping", "books"]


def test_nothing_starts_what_a_stack_of_jobs_schedules() -> None:
    here = world()
    jobs = {
        name
        for name, path in templates().items()
        if any(one["Type"].startswith("AWS::Batch::") for one in yaml_parse(path.read_text())["Resources"].values())
    }
    assert jobs == ({"books"} if (ROOT / "stacks" / "books.yaml").exists() else set())
    assert {here.stack.stack_of(schedule.target) for schedule in here.stack.schedules} & jobs == set()
    assert {here.stack.stack_of(arn) for arn in here.stack.workflows.values()} & jobs == set()
