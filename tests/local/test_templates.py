"""Stacks beside the pipeline: found by their templates, named by people, and never mixed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import deploy, templates
from local.deploy import merged
from local.stack import Problem
from local.templates import PIPELINE, Template

ONE = """\
Parameters: { OrdersStack: { Type: String, Default: orders } }
Globals: { Function: { CodeUri: ../functions/ } }
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Function: { Type: AWS::Serverless::Function, Properties: { Handler: loyalty.app.handler } }
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two further stacks, of which samconfig.toml knows one."""
    (tmp_path / "stacks").mkdir()
    for name in ("books", "loyalty"):
        (tmp_path / "stacks" / f"{name}.yaml").write_text(ONE)
    (tmp_path / "samconfig.toml").write_text('[loyalty.global.parameters]\nstack_name = "loyalty"\n')
    monkeypatch.setattr(templates, "STACKS", tmp_path / "stacks")
    monkeypatch.setattr(templates, "SAMCONFIG", tmp_path / "samconfig.toml")
    return tmp_path


def names(found: list[Template]) -> list[str]:
    return [template.name for template in found]


def test_stacks_are_those_that_are_named_each_once(house: Path) -> None:
    assert names(templates.beside("loyalty loyalty")) == ["loyalty"]
    assert names(templates.beside("")) == []


def test_without_a_name_all_stacks_are_meant(house: Path) -> None:
    (house / "samconfig.toml").write_text("[books]\n[loyalty]\n")
    assert names(templates.beside(None)) == ["books", "loyalty"]


def test_an_unknown_stack_is_told_from_those_that_there_are(house: Path) -> None:
    with pytest.raises(Problem, match=r"no stack named shoes. There are: books, loyalty"):
        templates.beside("loyalty shoes")


def test_a_stack_without_an_environment_says_which_to_write(house: Path) -> None:
    with pytest.raises(Problem, match=r"no environment for stacks/books.yaml"):
        templates.beside("books")


def test_a_template_says_what_it_is_built_from_and_what_it_takes(house: Path) -> None:
    [loyalty] = templates.beside("loyalty")
    assert loyalty.parameters == {"OrdersStack"}
    assert loyalty.resource_count == 2
    assert loyalty.sources == {house / "functions"}
    assert "WorkflowType" in PIPELINE.parameters


def test_outputs_of_all_stacks_are_one_and_a_clash_is_named() -> None:
    assert merged("an output", {"a": {"One": "1"}, "b": {"Two": "2"}}) == {"One": "1", "Two": "2"}
    with pytest.raises(Problem, match="a and b both have an output named One"):
        merged("an output", {"a": {"One": "1"}, "b": {"One": "2"}})


@pytest.mark.parametrize("change", ["functions/app.py", "stacks/loyalty.yaml", "samconfig.toml"])
def test_whatever_a_build_depends_on_makes_another_build(house: Path, change: str) -> None:
    (house / "functions").mkdir()
    [loyalty] = templates.beside("loyalty")
    before = deploy._fingerprint(loyalty)
    assert deploy._fingerprint(loyalty) == before
    with (house / change).open("a") as file:
        file.write("\n")
    assert deploy._fingerprint(loyalty) != before
