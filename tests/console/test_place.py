"""Where the console looks, and as whom: on this machine's emulator, or on AWS with somebody's profile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from console import place
from local.stack import Problem

REGION = "eu-west-1"
OUTPUTS = {
    "shop": {"AlertTopicArn": "arn", "Both": "the pipeline's", "OrdersTableName": "shop-orders"},
    "door": {"ApiUrl": "https://api.example.com/v1", "Both": "another"},
    "alone": {"Foreign": "of somebody else", "OrdersTableName": "alone-orders"},
}
EXPORTS = {"shop-AlertTopicArn": "shop", "shop-Unused": "shop", "alone-Foreign": "alone"}
IMPORTS = {"shop-AlertTopicArn": ["door"]}


class CloudFormation:
    """A pipeline, a stack beside it, and one that has nothing to do with them."""

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """What lists exports and imports."""
        return SimpleNamespace(paginate=getattr(self, operation))

    def list_exports(self) -> list[dict[str, Any]]:
        """Whose they are stands in the stack's ARN."""
        arn = f"arn:aws:cloudformation:{REGION}:123456789012:stack/"
        return [{"Exports": [{"Name": name, "ExportingStackId": f"{arn}{of}/1"} for name, of in EXPORTS.items()]}]

    def list_imports(self, *, ExportName: str) -> list[dict[str, Any]]:  # noqa: N803
        """An export that nobody imports is an error."""
        if ExportName not in IMPORTS:
            raise _error(f"Export '{ExportName}' is not imported by any stack.", "ListImports")
        return [{"Imports": IMPORTS[ExportName]}]

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        """A stack's outputs."""
        if StackName not in OUTPUTS:
            raise _error(f"Stack with id {StackName} does not exist", "DescribeStacks")
        outputs = OUTPUTS[StackName].items()
        return {"Stacks": [{"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs]}]}


def _error(message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


class Session(boto3.Session):
    """Somebody's session, which asks nobody for stacks."""

    def client(self, service_name: str, **how: Any) -> Any:  # type: ignore[override]
        """A client of a service."""
        create: Any = super().client
        return CloudFormation() if service_name == "cloudformation" else create(service_name, **how)


@pytest.fixture
def _account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own profile, of an account with these stacks."""
    (tmp_path / "config").write_text(f"[profile shop]\nregion = {REGION}\n")
    (tmp_path / "credentials").write_text("[shop]\naws_access_key_id = THEIRS\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(boto3, "Session", Session)


@pytest.mark.usefixtures("_account")
def test_a_stack_on_aws_comes_with_those_that_take_something_of_it_and_only_looks() -> None:
    found = place.on_aws("shop", "shop")
    assert found.stacks == ("shop", "door")
    assert found.outputs["ApiUrl"] == "https://api.example.com/v1"
    assert found.outputs["Both"] == "the pipeline's"
    assert "Foreign" not in found.outputs
    assert not found.may_write
    assert not found.embedded
    assert found.client("sqs") is found.client("sqs")
    assert found.table("OrdersTableName") == "shop-orders"
    assert found.table("ShipmentsTableName") is None
    with pytest.raises(Problem, match="embedded stack only"):
        found.running()


@pytest.mark.usefixtures("_account")
@pytest.mark.parametrize(("profile", "stack"), [("nobody", "shop"), ("shop", "nowhere"), ("shop", "door")])
def test_no_such_profile_or_pipeline_is_a_problem_that_names_it(profile: str, stack: str) -> None:
    with pytest.raises(Problem, match=r"nobody|nowhere|door has no table of orders"):
        place.on_aws(profile, stack)


@pytest.mark.usefixtures("_account")
@pytest.mark.parametrize("signed", [True, False])
def test_a_request_to_a_deployed_api_is_signed_with_the_profiles_own_keys(
    monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    sent: list[Any] = []

    def send(_: URLLib3Session, request: Any) -> SimpleNamespace:
        sent.append(request)
        return SimpleNamespace(status_code=200, headers={}, text="{}")

    monkeypatch.setattr(URLLib3Session, "send", send)
    found = place.on_aws("shop", "shop", may_write=True)
    assert found.ask("POST", "/orders", "{}", {"Idempotency-Key": "k"}, signed=signed).status == 200
    [request] = sent
    assert request.url == "https://api.example.com/v1/orders"
    assert request.headers["Idempotency-Key"] == "k"
    signature = str(request.headers.get("Authorization", ""))
    assert ("THEIRS" in signature, f"{REGION}/execute-api" in signature) == (signed, signed)


@pytest.mark.usefixtures("_account")
def test_without_a_front_door_there_is_nobody_to_ask() -> None:
    with pytest.raises(Problem, match="no front door"):
        place.on_aws("shop", "alone").ask("GET", "/orders/1")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"endpoint_url": 1}'])
def test_what_describes_no_stack_says_how_to_start_one(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "stack.json").write_text(content)
    with pytest.raises(Problem, match="make up"):
        place.embedded(tmp_path / "stack.json")
