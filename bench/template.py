"""What the templates say about functions, without deploying them: the settings that are billed, and the variables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local import templates

PIPELINE, FRONT_DOOR = templates.PIPELINE.path, templates.STACKS / "frontdoor.yaml"
SHIPPING = templates.STACKS / "shipping.yaml"


@dataclass(frozen=True)
class Settings:
    """The settings that decide on the bill. `memory` is in MB; log levels are the template's words."""

    memory: int
    system_log_level: str
    workflow_log_level: str
    traced: bool


@cache
def parsed(path: Path = PIPELINE) -> dict[str, Any]:
    """A template as mappings."""
    template: dict[str, Any] = yaml_parse(path.read_text("utf-8"))
    return template


def functions() -> dict[str, dict[str, Any]]:
    """The properties of each function, by its logical name: the pipeline's, and those of every stack in stacks/."""
    return {
        name: properties
        for path in (PIPELINE, *sorted(templates.STACKS.glob("*.yaml")))
        for name, properties in functions_of(path).items()
    }


def functions_of(path: Path) -> dict[str, dict[str, Any]]:
    """The same of one template, with what it says of all its functions."""
    shared = parsed(path).get("Globals", {}).get("Function", {})
    return {name: _merged(shared, own) for name, own in _properties(path, "AWS::Serverless::Function").items()}


def settings(path: Path = PIPELINE) -> Settings:
    """What a template's functions and workflows have. All of them have the same, which is asserted here."""
    ((memory, level, tracing),) = {
        (
            function["MemorySize"],
            function.get("LoggingConfig", {}).get("SystemLogLevel", "INFO"),
            function.get("Tracing", "PassThrough"),
        )
        for function in functions_of(path).values()
    }
    machines = _properties(path, "AWS::Serverless::StateMachine").values()
    (workflow_level,) = {machine["Logging"]["Level"] for machine in machines}
    return Settings(memory, level, workflow_level, tracing == "Active")


def access_log_format() -> str:
    """A line of the front door's access log, with API Gateway's variables in it."""
    (stage,) = _properties(FRONT_DOOR, "AWS::ApiGatewayV2::Stage").values()
    return str(stage["AccessLogSettings"]["Format"])


def variables(*names: str) -> dict[str, str]:
    """The variables that the templates give to these functions, by default to all of the pipeline's."""
    found: dict[str, str] = {}
    for path in (PIPELINE, *sorted(templates.STACKS.glob("*.yaml"))):
        for name, properties in functions_of(path).items():
            if name in names or (not names and path == PIPELINE):
                given = properties["Environment"]["Variables"]
                found |= {variable: _resolved(value, parsed(path)) for variable, value in given.items()}
    return found


def _properties(path: Path, kind: str) -> dict[str, dict[str, Any]]:
    resources = parsed(path)["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == kind}


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """As SAM does it: mappings are put together, down to the variables and the log's settings.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    merged = shared | own
    if "LoggingConfig" in shared:
        merged["LoggingConfig"] = shared["LoggingConfig"] | own.get("LoggingConfig", {})
    given = [one.get("Environment", {}).get("Variables", {}) for one in (shared, own)]
    merged["Environment"] = {"Variables": given[0] | given[1]}
    return merged


def _resolved(value: Any, template: dict[str, Any]) -> str:
    """A parameter's default, the name of the resource that is referred to, or what another stack's export ends with."""
    match value:
        case {"Ref": name}:
            parameter = template["Parameters"].get(name)
            return str(parameter["Default"] if parameter else name)
        case {"Fn::GetAtt": [name, *_]}:
            return str(name)
        case {"Fn::ImportValue": {"Fn::Sub": export}}:
            return str(export).rpartition("-")[2]
        case {"Fn::If": [condition, if_so, otherwise]}:
            return _resolved(if_so if _holds(template["Conditions"][condition], template) else otherwise, template)
    return str(value)


def _holds(condition: dict[str, Any], template: dict[str, Any]) -> bool:
    """Whether a condition holds by the parameters' defaults."""
    match condition:
        case {"Fn::Not": [negated]}:
            return not _holds(negated, template)
        case {"Fn::Equals": [one, other]}:
            return _resolved(one, template) == _resolved(other, template)
    raise NotImplementedError(f"does it hold? {condition}")
