"""The template as CloudFormation would see it, and enough of CloudFormation to compare what it says.

aws-sam-translator expands the serverless resources, as the SAM transform does on AWS; no account and no network are
needed. `Stack` then replaces intrinsic functions by what they would answer: names, ARNs and URLs in which a resource's
logical id stands for the name that CloudFormation would generate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
REGION = "eu-west-1"
ACCOUNT = "123456789012"

SENDER = "shop@example.com"
STRIPE_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stripe-a1b2c3"
PARAMETER_SETS: dict[str, Json] = {
    "defaults": {},
    "providers": {"SenderEmail": SENDER, "StripeSecretArn": STRIPE_SECRET, "AlertEmail": "oncall@example.com"},
    "express": {"WorkflowType": "EXPRESS"},
}

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "orders",
}
REF = ""  # stands for !Ref where the others are attributes
# What a resource answers. https://docs.aws.amazon.com/service-authorization/latest/reference/
_SQS = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
_ANSWERS: dict[str, dict[str, str]] = {
    "AWS::DynamoDB::Table": {
        REF: "{name}",
        "Arn": "arn:aws:dynamodb:{region}:{account}:table/{name}",
        "StreamArn": "arn:aws:dynamodb:{region}:{account}:table/{name}/stream/2026-01-01T00:00:00.000",
    },
    "AWS::Events::EventBus": {REF: "{name}", "Arn": "arn:aws:events:{region}:{account}:event-bus/{name}"},
    "AWS::Events::Rule": {REF: "{name}", "Arn": "arn:aws:events:{region}:{account}:rule/{name}"},
    "AWS::IAM::Role": {REF: "{name}", "Arn": "arn:aws:iam::{account}:role/{name}"},
    "AWS::KMS::Key": {REF: "{name}", "Arn": "arn:aws:kms:{region}:{account}:key/{name}"},
    "AWS::Lambda::Function": {REF: "{name}", "Arn": "arn:aws:lambda:{region}:{account}:function:{name}"},
    "AWS::Logs::LogGroup": {REF: "{name}", "Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"},
    "AWS::SNS::Topic": {REF: "arn:aws:sns:{region}:{account}:{name}"},
    "AWS::SQS::Queue": {
        REF: _SQS + "/{name}",
        "Arn": "arn:aws:sqs:{region}:{account}:{name}",
        "QueueName": "{name}",
    },
    "AWS::StepFunctions::StateMachine": {REF: "arn:aws:states:{region}:{account}:stateMachine:{name}"},
}
_NAME_PROPERTIES = {"AWS::Events::EventBus": "Name", "AWS::Logs::LogGroup": "LogGroupName"}
_NO_VALUE = object()


def transformed() -> Json:
    """template.yaml after the SAM transform, its intrinsic functions as they are. A copy of one's own."""
    copy: Json = json.loads(_transformed())
    return copy


@cache
def _transformed() -> str:
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    # `sam package` uploads the local folders and leaves addresses in their place.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/functions.zip"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://bucket/definition.json"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    # Through JSON, so that what YAML's anchors share is shared no more.
    return json.dumps(translator.translate(template, parameter_values={}))


class Function(NamedTuple):
    """A Lambda function: its logical id, the folder of its code, its properties and its role's logical id."""

    id: str
    package: str
    properties: Json
    role: str

    @property
    def environment(self) -> dict[str, str]:
        variables: dict[str, str] = self.properties["Environment"]["Variables"]
        return variables


class Stack:
    """A transformed template, resolved for one set of parameters. Only resources that would exist are in it."""

    def __init__(self, template: Json, **parameters: Any) -> None:
        declared = template["Parameters"]
        assert parameters.keys() <= declared.keys()
        self._template = template
        self._values = (
            {name: declaration["Default"] for name, declaration in declared.items()} | parameters | _PSEUDO_PARAMETERS
        )
        self.resources: dict[str, Json] = self._existing("Resources")
        self.outputs: dict[str, Json] = self._existing("Outputs")

    def of_type(self, resource_type: str) -> dict[str, Json]:
        """The properties of the resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == resource_type
        }

    def ref(self, logical_id: str) -> str:
        """What `!Ref` answers."""
        return self.attribute(logical_id, REF)

    def attribute(self, logical_id: str, attribute: str) -> str:
        """What `!GetAtt` answers."""
        resource = self._template["Resources"][logical_id]
        exists = "Condition" not in resource or self._holds(resource["Condition"])
        assert exists, f"{logical_id} is referred to and does not exist with these parameters"
        return _ANSWERS[resource["Type"]][attribute].format(
            name=self._name(logical_id, resource), region=REGION, account=ACCOUNT
        )

    def arn(self, logical_id: str) -> str:
        """The resource's ARN."""
        is_arn = self.ref(logical_id).startswith("arn:")
        return self.ref(logical_id) if is_arn else self.attribute(logical_id, "Arn")

    def id_of(self, resource_type: str, answer: str) -> str:
        """The logical id of the resource that `!Ref` or its ARN stands for."""
        [logical_id] = [name for name in self.of_type(resource_type) if answer in (self.ref(name), self.arn(name))]
        return logical_id

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions, by the folder of their code."""
        functions = (
            Function(
                logical_id,
                properties["Handler"].partition(".")[0],
                properties,
                self.id_of("AWS::IAM::Role", properties["Role"]),
            )
            for logical_id, properties in self.of_type("AWS::Lambda::Function").items()
        )
        return {function.package: function for function in functions}

    @cached_property
    def definition(self) -> Json:
        """The workflow's definition with the template's substitutions."""
        text = (ROOT / "statemachine" / "order.asl.json").read_text("utf-8")
        [workflow] = self.of_type("AWS::StepFunctions::StateMachine").values()
        substitutions = workflow["DefinitionSubstitutions"]
        definition: Json = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: substitutions[match[1]], text))
        return definition

    @cached_property
    def states(self) -> dict[str, Json]:
        """Every state of the definition, those inside of branches too, by name."""
        return dict(_every_state(self.definition["States"]))

    @property
    def tasks(self) -> dict[str, Json]:
        """Every state that calls something."""
        return {name: state for name, state in self.states.items() if state["Type"] == "Task"}

    def _existing(self, section: str) -> dict[str, Json]:
        return {
            name: self._resolve(entry)
            for name, entry in self._template[section].items()
            if "Condition" not in entry or self._holds(entry["Condition"])
        }

    def _holds(self, condition: str) -> bool:
        holds = self._resolve(self._template["Conditions"][condition])
        assert isinstance(holds, bool)
        return holds

    def _name(self, logical_id: str, resource: Json) -> str:
        if resource["Type"] == "AWS::Events::Rule":
            return f"{self._resolve(resource['Properties']['EventBusName'])}/{logical_id}"
        given = _NAME_PROPERTIES.get(resource["Type"])
        return self._resolve(resource["Properties"][given]) if given else logical_id

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", "AWS::NoValue")]:
                return _NO_VALUE
            case [("Ref", name)]:
                return self._values[name] if name in self._values else self.ref(name)
            case [("Fn::GetAtt", [name, attribute])]:
                return self.attribute(name, attribute)
            case [("Fn::Sub", str(text))]:
                return re.sub(r"\$\{([\w:]+)(?:\.(\w+))?\}", self._substitute, text)
            case [("Fn::If", [condition, then, otherwise])]:
                return self._resolve(then if self._holds(condition) else otherwise)
            case [("Fn::Equals", [left, right])]:
                return self._resolve(left) == self._resolve(right)
            case [("Fn::Not", [condition])]:
                return not self._resolve(condition)
            case [(function, _)] if function.startswith("Fn::"):
                raise NotImplementedError(f"teach Stack to resolve {function}")
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _substitute(self, match: re.Match[str]) -> str:
        name, attribute = match.groups()
        return self.attribute(name, attribute) if attribute else str(self._resolve({"Ref": name}))


def listed(value: str | list[str]) -> list[str]:
    """Actions, resources: policies write one as it is and several as a list."""
    return [value] if isinstance(value, str) else value


def _every_state(states: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from _every_state(branch["States"])
