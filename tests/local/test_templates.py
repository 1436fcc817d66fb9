"""Stacks beside the pipeline are found, never listed; and two of them can't mean different things by one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import deploy, templates
from local.stack import Problem

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters: { OrdersStack: { Type: String } }
Globals: { Function: { CodeUri: ../functions/ } }
Resources:
  Job: { Type: "AWS::Serverless::Function", Properties: { CodeUri: ../jobs/ } }
  Other: { Type: "AWS::Serverless::Function", Properties: { Handler: !Sub "x" } }
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stacks and their environments."""
    for folder in ("stacks", "functions", "jobs"):
        (tmp_path / folder).mkdir()
    for name in ("shipping", "books"):
        (tmp_path / "stacks" / f"{name}.yaml").write_text(TEMPLATE)
    (tmp_path / "samconfig.toml").write_text("[books.deploy.parameters]\n[shipping.deploy.parameters]\n")
    monkeypatch.setattr(templates, "STACKS", tmp_path / "stacks")
    monkeypatch.setattr(templates, "SAMCONFIG", tmp_path / "samconfig.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (None, ["books", "shipping"]),
        ("", []),
        ("shipping", ["shipping"]),
        (" shipping  books shipping ", ["shipping", "books"]),
    ],
)
@pytest.mark.usefixtures("repository")
def test_all_stacks_run_beside_the_pipeline_unless_some_or_none_are_named(named: str | None, found: list[str]) -> None:
    assert [template.name for template in templates.beside(named)] == found


@pytest.mark.usefixtures("repository")
def test_an_unknown_stack_is_a_problem_that_lists_those_there_are() -> None:
    with pytest.raises(Problem, match=r"no stack named boks\. There are: books, shipping\."):
        templates.beside("boks shipping")


def test_where_there_are_no_stacks_an_unknown_one_is_a_problem_as_well(repository: Path) -> None:
    for template in (repository / "stacks").iterdir():
        template.unlink()
    assert templates.beside(None) == []
    with pytest.raises(Problem, match=r"no stack named books\. There is none beside the pipeline"):
        templates.beside("books")


def test_a_stack_without_an_environment_is_a_problem(repository: Path) -> None:
    (repository / "samconfig.toml").write_text("[books.deploy.parameters]\n")
    with pytest.raises(Problem, match=r"no environment for stacks/shipping\.yaml"):
        templates.beside(None)


def test_a_template_says_its_parameters_its_size_and_what_it_is_built_from(repository: Path) -> None:
    [books] = templates.beside("books")
    assert books.parameters == {"OrdersStack"}
    assert books.resource_count == 2
    assert books.sources == {repository / "functions", repository / "jobs"}


@pytest.mark.parametrize("change", ["functions/app.py", "jobs/run.py", "stacks/books.yaml", "samconfig.toml"])
def test_whatever_a_build_depends_on_makes_another_build(repository: Path, change: str) -> None:
    [books] = templates.beside("books")
    before = deploy._fingerprint(books)
    assert deploy._fingerprint(books) == before
    with (repository / change).open("a") as file:
        file.write("\n")
    assert deploy._fingerprint(books) != before


def test_what_two_stacks_share_is_merged_and_what_they_mean_differently_is_a_problem() -> None:
    pipeline, books = {"Bus": "b", "Table": "t"}, {"Bus": "b", "Bucket": "c"}
    assert deploy.merged("an output", {"orders": pipeline, "books": books}) == pipeline | books
    with pytest.raises(Problem, match="books has an output named Table, which means another one"):
        deploy.merged("an output", {"orders": pipeline, "books": {"Table": "another"}})
