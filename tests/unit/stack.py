"""The templates' tables, queues, topics, keys, APIs and bus, made in an account of account.py.

Keys, indexes, streams and the functions' variables are read from the templates and not written down again: a handler
whose variable the template does not set fails here as it would on AWS.
"""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from tests.unit import account

REGION = account.REGION
ROOT = Path(__file__).parents[2]
TEMPLATES = [ROOT / "template.yaml", *sorted(ROOT.glob("stacks/*.yaml"))]
# Of the tests' own clients of the tables. To sign a request and to say who asks takes longer than to answer it; moto
# finds the region of all others in the signature.
PLAIN = Config(signature_version=UNSIGNED, user_agent="tests")


@cache
def template() -> dict[str, Any]:
    """The pipeline's template with its intrinsic functions as mappings; shared, so not to be changed."""
    return _templates()[0]


@cache
def _templates() -> list[dict[str, Any]]:
    return [yaml_parse(path.read_text("utf-8")) for path in TEMPLATES]


def template_of(resource: str) -> dict[str, Any]:
    """The template that has a resource of this name: the pipeline's, or that of a stack beside it."""
    return next(each for each in _templates() if resource in each["Resources"])


@cache
def aws(service: str) -> Any:
    """The tests' own client: what a test arranges and looks at goes past the handlers' clients."""
    client: Any = _session().client
    return client(service, config=PLAIN if service == "dynamodb" else None)


class MotoStack:
    """What `sam deploy` with these parameters would have made, as far as handlers see it; made when first asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **parameters: str) -> None:
        self._monkeypatch = monkeypatch
        defaults = {
            name: spec["Default"]
            for each in reversed(_templates())
            for name, spec in each.get("Parameters", {}).items()
        }
        self._references = {"AWS::StackName": "orders"} | defaults | parameters
        if sender := self._references["SenderEmail"]:
            aws("sesv2").create_email_identity(EmailIdentity=sender)

    def __getitem__(self, name: str) -> str:
        """What `!Ref` answers for a parameter or a resource."""
        if name not in self._references:
            home = template_of(name)
            resource = home["Resources"][name]
            assert self._is_true(home, resource.get("Condition")), f"this stack has no {name}"
            self._references[name] = _create(name, resource["Type"], resource["Properties"])
        return str(self._references[name])

    def attribute(self, name: str, attribute: str) -> str:
        """What `!GetAtt` answers."""
        match template_of(name)["Resources"][name]["Type"], attribute:
            case "AWS::ApiGatewayV2::Api", "ApiEndpoint":
                return f"https://{self[name]}.execute-api.{REGION}.amazonaws.com"
            case "AWS::SecretsManager::Secret", "Id":
                return self[name]  # its ARN, by either
            case kind, _:
                raise NotImplementedError(f"{name}.{attribute}: {kind}")

    def table(self, name: str) -> Any:
        """One of the template's tables, in plain Python values."""
        return _tables().Table(self[name])

    def run_as(self, function: str) -> None:
        """Set the variables that the template gives to `function`, and no others."""
        home = template_of(function)
        for properties in (home.get("Globals", {}).get("Function", {}), home["Resources"][function]["Properties"]):
            for name, value in properties.get("Environment", {}).get("Variables", {}).items():
                self._monkeypatch.setenv(name, self._resolve(home, value))

    def _is_true(self, home: dict[str, Any], condition: str | None) -> bool:
        return condition is None or bool(self._resolve(home, home["Conditions"][condition]))

    def _resolve(self, home: dict[str, Any], value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return self[name]
            case {"Fn::GetAtt": [name, attribute]}:
                return self.attribute(name, attribute)
            case {"Fn::Equals": [left, right]}:
                return self._resolve(home, left) == self._resolve(home, right)
            case {"Fn::ImportValue": {"Fn::Sub": str(export)}}:
                output = template()["Outputs"][export.removeprefix("${OrdersStack}-")]
                return self._resolve(template(), output["Value"])
            case {"Fn::Not": [condition]}:
                return not self._resolve(home, condition)
            case {"Fn::If": [condition, yes, no]}:
                return self._resolve(home, yes if self._is_true(home, condition) else no)
            case _:
                return value


def secret_of(name: str) -> str:
    """What a secret of the template holds; on AWS nobody would know."""
    return f"what {name} holds"


def _create(name: str, kind: str, properties: dict[str, Any]) -> str:
    match kind:
        case "AWS::DynamoDB::Table":
            return _create_table(name, properties)
        case "AWS::SQS::Queue":
            return str(aws("sqs").create_queue(QueueName=name)["QueueUrl"])
        case "AWS::Events::EventBus":
            aws("events").create_event_bus(Name=name)
            return name
        case "AWS::ApiGatewayV2::Api":
            return name.lower()  # handlers see no more of it than its address
        case "AWS::KMS::Key":
            with patch("moto.kms.models.generate_private_key"):  # takes moto 50 ms, and a key that encrypts has none
                return str(aws("kms").create_key()["KeyMetadata"]["KeyId"])
        case "AWS::SecretsManager::Secret":
            return str(aws("secretsmanager").create_secret(Name=name, SecretString=secret_of(name))["ARN"])
        case "AWS::SNS::Topic":
            return str(aws("sns").create_topic(Name=name)["TopicArn"])
        case _:
            raise NotImplementedError(f"{name}: {kind}")


def _create_table(name: str, properties: dict[str, Any]) -> str:
    understood = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    arguments = {key: properties[key] for key in understood if key in properties}
    if stream := properties.get("StreamSpecification"):
        arguments["StreamSpecification"] = {"StreamEnabled": True, **stream}
    account.ask_tables("CreateTable", {"TableName": name, **arguments})
    if ttl := properties.get("TimeToLiveSpecification"):
        account.ask_tables("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": ttl})
    return name


@cache
def _session() -> boto3.Session:
    return boto3.Session("test", "test", region_name=REGION)


@cache
def _tables() -> Any:
    return _session().resource("dynamodb", config=PLAIN)
