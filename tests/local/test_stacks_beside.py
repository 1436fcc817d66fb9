"""Stacks that take something of others come after those, and some do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import templates
from local.session import without
from local.stack import ROOT
from local.templates import Template

LATER = """\
Parameters:
  OrdersStack: { Type: String, Default: orders }
  BooksStack: { Type: String, Default: books }
  ZebraStack: { Type: String, Default: zebra }
Conditions:
  HasZebra: !Not [!Equals [!Ref ZebraStack, ""]]
Resources: {}
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three further stacks, of which the first takes something of the others."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "audit.yaml").write_text(LATER)
    for name in ("books", "zebra"):
        (tmp_path / "stacks" / f"{name}.yaml").write_text("Resources: {}\n")
    (tmp_path / "samconfig.toml").write_text("[audit]\n[books]\n[zebra]\n")
    monkeypatch.setattr(templates, "STACKS", tmp_path / "stacks")
    monkeypatch.setattr(templates, "SAMCONFIG", tmp_path / "samconfig.toml")
    return tmp_path


@pytest.mark.parametrize("named", [None, "audit books zebra", "zebra audit books"])
def test_a_stack_is_deployed_after_those_that_it_stands_beside(house: Path, named: str | None) -> None:
    order = [template.name for template in templates.beside(named)]
    assert sorted(order) == ["audit", "books", "zebra"]
    assert order[-1] == "audit"


def test_a_stack_that_is_not_wanted_is_not_waited_for(house: Path) -> None:
    assert [template.name for template in templates.beside("audit zebra")] == ["zebra", "audit"]


def test_a_template_says_which_other_stacks_it_can_do_without(house: Path) -> None:
    [audit] = templates.beside("audit")
    assert audit.stands_beside == {"OrdersStack": "orders", "BooksStack": "books", "ZebraStack": "zebra"}
    assert {name for name in audit.stands_beside if audit.does_without(name)} == {"ZebraStack"}


def test_a_stack_is_told_of_those_that_are_not_there_as_far_as_it_does_without(house: Path) -> None:
    [audit] = templates.beside("audit")
    assert without(audit, {"orders", "audit"}) == {"ZebraStack": ""}
    assert without(audit, {"orders", "audit", "zebra"}) == {}


def test_the_books_do_without_the_others_and_come_last() -> None:
    there = templates.beside(None)
    assert there[-1].name == "books"
    [books] = templates.beside("books")
    assert without(books, {"orders", "books"}) == {"FrontdoorStack": "", "ShippingStack": ""}


def test_shipping_does_not_do_without_its_front_door() -> None:
    shipping = Template("shipping", ROOT / "stacks" / "shipping.yaml", "shipping", "shipping-local")
    assert without(shipping, {"orders"}) == {}
