"""What the stacks are told when they are started, and what a person is told then."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from local import __main__ as commands
from local import deploy, relax
from local.emulator import Emulator
from local.processes import Identity
from local.templates import Template

EMULATOR = Emulator(Identity(1, 0.0), "http://127.0.0.1:4566", Path("nowhere"))


def template(folder: Path, *parameters: str) -> Template:
    """A template with these parameters and nothing else."""
    path = folder / "door.yaml"
    path.write_text(json.dumps({"Parameters": {name: {"Type": "String"} for name in parameters}, "Resources": {}}))
    return Template("door", path, "door", "door-local")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the SAM CLI is given at last; it is not run."""
    given: list[str] = []
    monkeypatch.setattr(deploy, "_sam", lambda *arguments: given.extend(arguments[4:]))
    monkeypatch.setattr(deploy, "environment", lambda folder, **variables: variables)
    monkeypatch.setattr(deploy, "_outputs", lambda *_: {})
    for name in ("allow_sending_email", "allow_answering_tasks", "allow_plain_http"):
        monkeypatch.setattr(relax, name, lambda stack: None)
    return given


def deployed(one: Template, **parameters: str) -> None:
    deploy.deploy(EMULATOR, Path("built"), lambda line: None, one, **parameters)


def test_a_template_is_told_what_it_asks_for_and_nothing_else(told: list[str], tmp_path: Path) -> None:
    deployed(template(tmp_path, "ApproverEmail", "SenderEmail", "Other"), JwtIssuer="none")
    assert told[-2:] == ["SenderEmail=orders@example.com", "ApproverEmail=approver@example.com"]


def test_a_stack_knows_where_its_api_will_be(told: list[str], tmp_path: Path) -> None:
    deployed(template(tmp_path, "ApiUrl"))
    assert told[-1] == "ApiUrl=http://127.0.0.1:4566/_aws/execute-api/door-local"


def test_large_orders_wait_for_a_person_only_where_one_is_asked(tmp_path: Path) -> None:
    asks = template(tmp_path, "ApproverEmail")
    assert commands.approval_limit([asks]) == {"ApprovalLimit": "100000"}
    assert commands.approval_limit([]) == {}


def test_an_order_is_archived_soon_and_cancelled_while_it_can_be_only_where_one_ships(tmp_path: Path) -> None:
    ships = template(tmp_path, "ReturnDays")
    assert commands.after_sale([ships]) == {"ReturnDays": "0.0014", "AfterSale": "yes"}
    assert commands.after_sale([template(tmp_path, "ApproverEmail")]) == {}


def test_a_stack_is_told_which_others_it_stands_beside(told: list[str], tmp_path: Path) -> None:
    deployed(template(tmp_path, "FrontdoorStack", "OrdersStack"), OrdersStack="another")
    assert set(told[-2:]) == {"FrontdoorStack=frontdoor-local", "OrdersStack=another"}


def test_what_is_empty_is_said_as_the_sam_cli_takes_it(told: list[str], tmp_path: Path) -> None:
    deployed(template(tmp_path, "ShippingStack", "ImageUri"), ShippingStack="")
    assert set(told[-2:]) == {'ShippingStack=""', "ImageUri=local"}


def test_the_command_for_the_api_is_one_that_a_shell_understands() -> None:
    url = "http://127.0.0.1:4566/_aws/execute-api/door-local"
    words = shlex.split(commands.request(url))
    assert words[words.index("--aws-sigv4") + 1] == "aws:amz:us-east-1:execute-api"
    assert json.loads(words[words.index("--json") + 1])["lines"] == [{"sku": "TEA-100", "quantity": 2}]
    assert words[-1] == f"{url}/orders"
