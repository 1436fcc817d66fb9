"""Every template as CloudFormation would see it, and enough of CloudFormation to compare what they say.

aws-sam-translator expands the serverless resources, as the SAM transform does on AWS; no account and no network are
needed. `TransformedTemplate` then replaces intrinsic functions by what they would answer: names, ARNs and URLs made of
the stack's name and the resource's logical id. What a stack imports is what another one exports, whose name it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from simulation.stack import PIPELINE, templates
from tests.workflow.retries import every_state

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
REGION = "eu-west-1"
ACCOUNT = "123456789012"

SENDER = "shop@example.com"
STRIPE_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stripe-a1b2c3"
TEMPLATES = templates()

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop/books:2026-11-25"
REF = ""  # stands for !Ref where the others are attributes
# What a resource answers. https://docs.aws.amazon.com/service-authorization/latest/reference/
_SQS = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
_ANSWERS: dict[str, dict[str, str]] = {
    "AWS::ApiGatewayV2::Api": {REF: "{name}", "ApiEndpoint": "https://{name}.execute-api.{region}.amazonaws.com"},
    "AWS::ApiGatewayV2::Authorizer": {REF: "{name}"},
    "AWS::ApiGatewayV2::Integration": {REF: "{name}"},
    "AWS::Batch::ComputeEnvironment": {REF: "arn:aws:batch:{region}:{account}:compute-environment/{name}"},
    "AWS::Batch::JobDefinition": {REF: "arn:aws:batch:{region}:{account}:job-definition/{name}:1"},
    "AWS::Batch::JobQueue": {REF: "arn:aws:batch:{region}:{account}:job-queue/{name}"},
    "AWS::DynamoDB::Table": {
        REF: "{name}",
        "Arn": "arn:aws:dynamodb:{region}:{account}:table/{name}",
        "StreamArn": "arn:aws:dynamodb:{region}:{account}:table/{name}/stream/2026-01-01T00:00:00.000",
    },
    "AWS::EC2::InternetGateway": {REF: "{name}"},
    "AWS::EC2::RouteTable": {REF: "{name}"},
    "AWS::EC2::SecurityGroup": {REF: "{name}", "GroupId": "{name}"},
    "AWS::EC2::Subnet": {REF: "{name}"},
    "AWS::EC2::VPC": {REF: "{name}"},
    "AWS::Events::EventBus": {REF: "{name}", "Arn": "arn:aws:events:{region}:{account}:event-bus/{name}"},
    "AWS::Events::Rule": {REF: "{name}", "Arn": "arn:aws:events:{region}:{account}:rule/{name}"},
    "AWS::Glue::Database": {REF: "{name}"},
    "AWS::IAM::Role": {REF: "{name}", "Arn": "arn:aws:iam::{account}:role/{name}"},
    "AWS::KMS::Key": {REF: "{name}", "Arn": "arn:aws:kms:{region}:{account}:key/{name}"},
    "AWS::Lambda::Function": {REF: "{name}", "Arn": "arn:aws:lambda:{region}:{account}:function:{name}"},
    "AWS::Logs::LogGroup": {REF: "{name}", "Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"},
    "AWS::S3::Bucket": {REF: "{name}", "Arn": "arn:aws:s3:::{name}"},
    "AWS::SecretsManager::Secret": {
        REF: "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
        "Id": "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
    },
    "AWS::Scheduler::Schedule": {REF: "{name}", "Arn": "arn:aws:scheduler:{region}:{account}:schedule/default/{name}"},
    "AWS::Scheduler::ScheduleGroup": {
        REF: "{name}",
        "Arn": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
    },
    "AWS::SNS::Topic": {REF: "arn:aws:sns:{region}:{account}:{name}"},
    "AWS::SQS::Queue": {
        REF: _SQS + "/{name}",
        "Arn": "arn:aws:sqs:{region}:{account}:{name}",
        "QueueName": "{name}",
        "QueueUrl": _SQS + "/{name}",
    },
    "AWS::StepFunctions::StateMachine": {REF: "arn:aws:states:{region}:{account}:stateMachine:{name}"},
}
_NAME_PROPERTIES = {
    "AWS::Batch::JobDefinition": "JobDefinitionName",
    "AWS::Events::EventBus": "Name",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
_NO_VALUE = object()
_OF_LISTS: dict[str, Callable[..., Any]] = {
    "Fn::GetAZs": lambda _: [f"{REGION}{zone}" for zone in "abc"],
    "Fn::Select": lambda index, items: items[index],
    "Fn::Split": lambda delimiter, text: text.split(delimiter),
}


def transformed(name: str = PIPELINE) -> Json:
    """A stack's template after the SAM transform, its intrinsic functions as they are. A copy of one's own."""
    copy: Json = json.loads(_transformed(TEMPLATES[name]))
    return copy


@cache
def _transformed(path: Path) -> str:
    template = yaml_parse(path.read_text("utf-8"))
    # `sam package` uploads what is local and leaves addresses in its place. These say what was there.
    local = [template.get("Globals", {}).get("Function", {})]
    local += [resource.get("Properties", {}) for resource in template["Resources"].values()]
    for properties in local:
        for uri in ("CodeUri", "DefinitionUri"):
            if uri in properties:
                place = (path.parent / properties[uri]).resolve().relative_to(ROOT)
                properties[uri] = f"s3://bucket/{place.as_posix()}"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    # Through JSON, so that what YAML's anchors share is shared no more.
    return json.dumps(translator.translate(template, parameter_values={}))


def parameter_sets(name: str) -> dict[str, Json]:
    """The sets of parameters with which a stack's template is looked at: the defaults, everything given that may be
    left out, each other value of a choice, and without each other stack that it does without.
    """
    declared = transformed(name).get("Parameters", {})
    optional = {each: _sample(each) for each, declaration in declared.items() if declaration.get("Default") == ""}
    sets: dict[str, Json] = {"defaults": {}} | ({"everything": optional} if optional else {})
    for each, declaration in declared.items():
        if declaration["Type"] == "String":
            others = [value for value in declaration.get("AllowedValues", []) if value != declaration.get("Default")]
            sets |= {f"{each}={value}": {each: value} for value in others}
    asked_for = json.dumps(transformed(name).get("Conditions", {}))
    for each in declared:
        if each.endswith("Stack") and f'{{"Ref": "{each}"}}' in asked_for:
            sets[f"without {each}"] = {each: ""}
    return sets


def _sample(parameter: str) -> str:
    """What a parameter might be, by what its name ends with."""
    samples = {
        "Email": SENDER,
        "SecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{parameter}-a1b2c3",
        "Url": "https://aws.example.com",
        "Issuer": "https://issuer.example.com",
        "Origin": "https://shop.example.com",
        "ImageUri": IMAGE,
    }
    return next((sample for ending, sample in samples.items() if parameter.endswith(ending)), "given")


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

    @property
    def file(self) -> Path:
        """The module that its handler is in."""
        module, _, _ = self.properties["Handler"].rpartition(".")
        folder: str = self.properties["Code"]["S3Key"]
        return ROOT / folder / f"{module.replace('.', '/')}.py"


class Workflow(NamedTuple):
    """A state machine: its logical id, its properties, and its definition with the template's substitutions."""

    id: str
    properties: Json
    file: Path
    definition: Json

    @property
    def states(self) -> dict[str, Json]:
        """Every state of the definition, those inside of branches too, by name."""
        return dict(every_state(self.definition["States"]))

    @property
    def tasks(self) -> dict[str, Json]:
        """Every state that calls something."""
        return {name: state for name, state in self.states.items() if state["Type"] == "Task"}


class TransformedTemplate:
    """A transformed template, resolved for one set of parameters. Only resources that would exist are in it."""

    def __init__(self, template: Json, name: str = PIPELINE, **parameters: Any) -> None:
        declared = template.get("Parameters", {})
        assert parameters.keys() <= declared.keys()
        self.name = name
        self._template = template
        given = {each: declaration["Default"] for each, declaration in declared.items()} | parameters
        lists = [each for each, declaration in declared.items() if declaration["Type"] == "CommaDelimitedList"]
        self._values = (
            given | {each: given[each].split(",") for each in lists} | _PSEUDO_PARAMETERS | {"AWS::StackName": name}
        )
        self.resources: dict[str, Json] = self._existing("Resources")
        self.outputs: dict[str, Json] = self._existing("Outputs")

    @property
    def pipeline(self) -> TransformedTemplate:
        """What it imports from."""
        return self if self.name == PIPELINE else pipeline_by_default()

    @property
    def exports(self) -> dict[str, str]:
        """What other stacks can import."""
        return {output["Export"]["Name"]: output["Value"] for output in self.outputs.values() if "Export" in output}

    def parameter(self, name: str) -> Any:
        """What a parameter is; the stack's name and the like are some too."""
        return self._values[name]

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

    def properties_of(self, resource_type: str, answer: str) -> Json:
        """The properties of the resource, this stack's or another one's, that `!Ref` or its ARN stands for."""
        owner = self._owner(resource_type, answer)
        return owner.of_type(resource_type)[owner.id_of(resource_type, answer)]

    def arn_of(self, resource_type: str, answer: str) -> str:
        """The ARN of the resource, this stack's or another one's, that `!Ref` or its ARN stands for."""
        owner = self._owner(resource_type, answer)
        return owner.arn(owner.id_of(resource_type, answer))

    def _owner(self, resource_type: str, answer: str) -> TransformedTemplate:
        others = (by_default(name) for name in (PIPELINE, *TEMPLATES) if name != self.name)
        return next(stack for stack in (self, *others) if stack._has(resource_type, answer))

    def _has(self, resource_type: str, answer: str) -> bool:
        return any(answer in (self.ref(name), self.arn(name)) for name in self.of_type(resource_type))

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
    def workflows(self) -> dict[str, Workflow]:
        """The state machines, by logical id."""
        return {
            logical_id: self._workflow(logical_id, properties)
            for logical_id, properties in self.of_type("AWS::StepFunctions::StateMachine").items()
        }

    def _workflow(self, logical_id: str, properties: Json) -> Workflow:
        file = ROOT / properties["DefinitionS3Location"]["Key"]
        substitutions = properties["DefinitionSubstitutions"]
        text = re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions[match[1]]), file.read_text("utf-8"))
        return Workflow(logical_id, properties, file, json.loads(text))

    def _existing(self, section: str) -> dict[str, Json]:
        return {
            name: self._resolve(entry)
            for name, entry in self._template.get(section, {}).items()
            if "Condition" not in entry or self._holds(entry["Condition"])
        }

    def _holds(self, condition: str) -> bool:
        holds = self._resolve(self._template["Conditions"][condition])
        assert isinstance(holds, bool)
        return holds

    def _name(self, logical_id: str, resource: Json) -> str:
        if resource["Type"] == "AWS::Events::Rule":
            return f"{self._resolve(resource['Properties']['EventBusName'])}/{self.name}-{logical_id}"
        given = resource.get("Properties", {}).get(_NAME_PROPERTIES.get(resource["Type"]))
        return self._resolve(given) if given else f"{self.name}-{logical_id}"

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
            case [("Fn::Sub", text)]:
                return self._substitute(*([text, {}] if isinstance(text, str) else self._resolve(text)))
            case [("Fn::Select" | "Fn::Split" | "Fn::GetAZs" as function, arguments)]:
                return _OF_LISTS[function](*listed(self._resolve(arguments)))
            case [("Fn::ImportValue", export)]:
                return imported(self._resolve(export))
            case [("Fn::If", [condition, then, otherwise])]:
                return self._resolve(then if self._holds(condition) else otherwise)
            case [("Fn::Equals", sides)]:
                return len({*map(str, self._resolve(sides))}) == 1
            case [("Fn::Not", [condition])]:
                return not self._resolve(condition)
            case [(function, _)] if function.startswith("Fn::"):
                raise NotImplementedError(f"teach TransformedTemplate to resolve {function}")
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _substitute(self, text: str, names: Json) -> str:
        """What `!Sub` answers, with names of its own besides those of the template."""

        def answer(match: re.Match[str]) -> str:
            name, attribute = match.groups()
            if attribute:
                return self.attribute(name, attribute)
            return str(names[name] if name in names else self._resolve({"Ref": name}))

        return re.sub(r"\$\{([\w:]+)(?:\.(\w+))?\}", answer, text).replace("${!", "${")


@cache
def imported(export: str) -> Any:
    """What another stack exports: as it is deployed by pressing Enter or, if it has no such thing then, with the first
    of its sets of parameters with which it has. Its name is the stack's, a hyphen, and the output's.
    """
    name, _, _ = export.rpartition("-")
    stacks = (TransformedTemplate(transformed(name), name, **each) for each in parameter_sets(name).values())
    return next(stack.exports[export] for stack in stacks if export in stack.exports)


def listed(value: str | list[str]) -> list[str]:
    """Actions, resources: policies write one as it is and several as a list."""
    return [value] if isinstance(value, str) else value


def pipeline_by_default() -> TransformedTemplate:
    """The pipeline as it is deployed by pressing Enter."""
    return by_default(PIPELINE)


@cache
def by_default(name: str) -> TransformedTemplate:
    """A stack as it is deployed by pressing Enter."""
    return TransformedTemplate(transformed(name), name)
