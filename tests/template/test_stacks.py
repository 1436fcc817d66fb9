"""What holds for every stack: the pipeline's, and each that plugs into it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.template.stack import FUNCTIONS, ROOT, TEMPLATES, TransformedTemplate, transformed
from tests.workflow.definitions import DEFINITIONS

FOURTEEN_DAYS = 14 * 24 * 60 * 60
each_template = pytest.mark.parametrize("name", TEMPLATES)


# ── Parameters and outputs ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_output_is_exported_under_the_stacks_name_and_its_own(stack: TransformedTemplate) -> None:
    exported = {name: output["Export"]["Name"] for name, output in stack.outputs.items()}
    assert exported == {name: f"{stack.name}-{name}" for name in stack.outputs}


@each_template
def test_every_parameter_has_a_default_that_it_allows(name: str) -> None:
    for parameter_name, parameter in transformed(name).get("Parameters", {}).items():
        assert "Default" in parameter, parameter_name
        assert parameter["Default"] in parameter.get("AllowedValues", [parameter["Default"]]), parameter_name


@each_template
def test_every_parameter_and_output_says_what_it_is_for(name: str) -> None:
    for section in ("Parameters", "Outputs"):
        assert all(entry["Description"] for entry in transformed(name).get(section, {}).values())


@each_template
def test_sam_is_the_only_transform(name: str) -> None:
    assert yaml_parse(TEMPLATES[name].read_text("utf-8"))["Transform"] == "AWS::Serverless-2016-10-31"


@each_template
@pytest.mark.parametrize("attribute", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_what_becomes_of_a_resource_is_written_out(name: str, attribute: str) -> None:
    # An intrinsic function there needs the transform AWS::LanguageExtensions, which refuses it on a resource with a
    # condition: https://github.com/aws-cloudformation/cloudformation-language-discussion/issues/124
    policies = [resource.get(attribute, "Delete") for resource in transformed(name)["Resources"].values()]
    assert [policy for policy in policies if not isinstance(policy, str)] == []


# ── Tables and queues ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_table_can_be_restored_to_any_point_in_time_and_is_billed_by_use(stack: TransformedTemplate) -> None:
    for name, table in stack.of_type("AWS::DynamoDB::Table").items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["BillingMode"] == "PAY_PER_REQUEST", name


def test_tables_outlive_the_stack_but_not_a_first_deployment_that_failed(stack: TransformedTemplate) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    tables = {name: stack.resources[name] for name in stack.of_type("AWS::DynamoDB::Table")}
    assert {name: table["DeletionPolicy"] for name, table in tables.items()} == dict.fromkeys(
        tables, "RetainExceptOnCreate"
    )
    # An update that replaces a table never takes the data with it.
    assert {name: table["UpdateReplacePolicy"] for name, table in tables.items()} == dict.fromkeys(tables, "Retain")


def test_what_waits_in_a_queue_waits_fourteen_days_for_a_person(stack: TransformedTemplate) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert {name: queue["MessageRetentionPeriod"] for name, queue in queues.items()} == dict.fromkeys(
        queues, FOURTEEN_DAYS
    )


# ── Functions and workflows ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("package", sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py")))
def test_every_folder_with_a_handler_is_a_function_of_a_stack(
    stacks: dict[str, TransformedTemplate], package: str
) -> None:
    # Of several, if each has a list of its own to sweep and to close.
    assert [name for name, stack in stacks.items() if package in stack.functions], package


def test_every_functions_handler_is_a_function_in_a_file(stack: TransformedTemplate) -> None:
    for function in stack.functions.values():
        _, _, handler = function.properties["Handler"].rpartition(".")
        assert function.file.is_file(), f"{function.id}: there is no {function.file.relative_to(ROOT)}"
        tree = ast.parse(function.file.read_text("utf-8"))
        assert handler in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, function.id


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_definition_is_a_workflow_of_one_stack(stacks: dict[str, TransformedTemplate], path: Path) -> None:
    used = [workflow.file for stack in stacks.values() for workflow in stack.workflows.values()]
    assert used.count(path) == 1, path.name


def test_no_two_functions_of_a_stack_share_a_folder(stack: TransformedTemplate) -> None:
    assert len(stack.functions) == len(stack.of_type("AWS::Lambda::Function"))


def test_every_function_has_a_role_of_its_own(stack: TransformedTemplate) -> None:
    assert len({function.role for function in stack.functions.values()}) == len(stack.functions)


@each_template
@pytest.mark.parametrize(("parameter", "value"), [("Architecture", "arm64"), ("PythonRuntime", "provided.al2023")])
def test_runtime_and_processor_of_every_function_are_parameters(name: str, parameter: str, value: str) -> None:
    template = transformed(name)
    if any(resource["Type"] == "AWS::Lambda::Function" for resource in template["Resources"].values()):
        for function in TransformedTemplate(template, name, **{parameter: value}).functions.values():
            assert value in (function.properties["Runtime"], *function.properties["Architectures"])


def test_functions_run_python_on_common_machines_by_default(stacks: dict[str, TransformedTemplate]) -> None:
    for stack in stacks.values():
        for function in stack.functions.values():
            assert (function.properties["Runtime"], function.properties["Architectures"]) == ("python3.13", ["x86_64"])


def test_a_warm_function_ends_before_the_workflow_stops_waiting_for_it(stack: TransformedTemplate) -> None:
    # A task that waits for its token has a time for that, and not for its function: it goes on after the function has
    # ended. One whose function was cut off waits on, and is woken by whoever finds out what happened meanwhile.
    for workflow in stack.workflows.values():
        for name, task in workflow.tasks.items():
            if task["Resource"].endswith(":lambda:invoke"):
                function = stack.properties_of("AWS::Lambda::Function", task["Arguments"]["FunctionName"])
                # With room for the call itself, and for a part of a cold start, which is not in the function's time.
                assert task["TimeoutSeconds"] == function["Timeout"] + 3, name


# ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_a_target_never_takes_is_kept(stack: TransformedTemplate) -> None:
    targets = [target for rule in stack.of_type("AWS::Events::Rule").values() for target in rule["Targets"]]
    kept = [target.get("DeadLetterConfig", {}).get("Arn") for target in targets]
    assert kept == [stack.arn_of("AWS::SQS::Queue", arn) if arn else "a queue" for arn in kept]
