"""What template.yaml says about functions, without deploying it: the settings that are billed, and the variables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.stack import ROOT


@dataclass(frozen=True)
class Settings:
    """The settings that decide on the bill. `memory` is in MB; log levels are the template's words."""

    memory: int
    system_log_level: str
    workflow_log_level: str
    traced: bool


@cache
def parsed() -> dict[str, Any]:
    """template.yaml as mappings."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    return template


def functions() -> dict[str, dict[str, Any]]:
    """The properties of each function, by its logical name."""
    resources = parsed()["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == "AWS::Serverless::Function"}


def settings() -> Settings:
    """What the functions and the order workflow have. All functions have the same, which is asserted here."""
    shared = parsed()["Globals"]["Function"]
    machine = parsed()["Resources"]["OrderWorkflow"]["Properties"]
    ((memory, level, tracing),) = {
        (
            function.get("MemorySize", shared["MemorySize"]),
            {**shared.get("LoggingConfig", {}), **function.get("LoggingConfig", {})}.get("SystemLogLevel", "INFO"),
            function.get("Tracing", shared.get("Tracing", "PassThrough")),
        )
        for function in functions().values()
    }
    return Settings(memory, level, machine["Logging"]["Level"], tracing == "Active")


def variables(*names: str) -> dict[str, str]:
    """The variables that the template gives to these functions, by default to all of them."""
    chosen = [parsed()["Globals"]["Function"], *(functions()[name] for name in names or functions())]
    return {
        name: value if isinstance(value, str) else _resolved(value)
        for properties in chosen
        for name, value in properties.get("Environment", {}).get("Variables", {}).items()
    }


def _resolved(reference: dict[str, str]) -> str:
    """A parameter's default, the name of the resource that is referred to, or an empty string for a condition."""
    name = reference.get("Ref", "")
    parameter = parsed()["Parameters"].get(name)
    return str(parameter["Default"]) if parameter else name
