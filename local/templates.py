"""The templates of this repository: the pipeline's, and one in stacks/ for each stack that plugs into it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.stack import ROOT, Problem

STACKS = ROOT / "stacks"
SAMCONFIG = ROOT / "samconfig.toml"


@dataclass(frozen=True)
class Template:
    """A SAM template, the environment in samconfig.toml that builds and deploys it, and its stack on the emulator."""

    name: str
    path: Path
    environment: str
    stack_name: str

    @property
    def parameters(self) -> set[str]:
        """The names of its parameters."""
        return set(self._content.get("Parameters", {}))

    @property
    def stands_beside(self) -> dict[str, str]:
        """The names of other stacks by the parameter that asks for them: FrontdoorStack is that of frontdoor.yaml."""
        return {name: name.removesuffix("Stack").lower() for name in self.parameters if name.endswith("Stack")}

    def does_without(self, parameter: str) -> bool:
        """Whether the stack that a parameter asks for may be missing: then there is a condition on it."""
        return f'{{"Ref": "{parameter}"}}' in json.dumps(self._content.get("Conditions", {}))

    @property
    def resource_count(self) -> int:
        """How many resources it has, for a progress bar (the transform adds a few)."""
        return len(self._content["Resources"])

    @property
    def sources(self) -> set[Path]:
        """The folders that its functions are built from."""
        properties = [resource.get("Properties", {}) for resource in self._content["Resources"].values()]
        everywhere = [self._content.get("Globals", {}).get("Function", {}), *properties]
        found = {one["CodeUri"] for one in everywhere if isinstance(one.get("CodeUri"), str)}
        return {(self.path.parent / folder).resolve() for folder in found}

    @cached_property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml_parse(self.path.read_text("utf-8"))
        return content


def stack_name(name: str) -> str:
    """The name of a template's stack on the emulator, by the template's."""
    return f"{name}-local"


PIPELINE = Template("orders", ROOT / "template.yaml", "local", stack_name("orders"))


def beside(names: str | None) -> list[Template]:
    """The stacks that are to run beside the pipeline: those that are named, between blanks, or all that there are; each
    after those that it takes something of.

    Raises Problem for a name that no template in stacks/ has, and for a template that samconfig.toml does not know.
    """
    there = {path.stem: path for path in sorted(STACKS.glob("*.yaml"))}
    wanted = list(there) if names is None else list(dict.fromkeys(names.split()))
    if unknown := [name for name in wanted if name not in there]:
        raise Problem(
            f"There is no stack named {' or '.join(unknown)}. "
            + (f"There are: {', '.join(there)}." if there else "There is none beside the pipeline: stacks/ is empty.")
        )
    environments = tomllib.loads(SAMCONFIG.read_text("utf-8"))
    if missing := [name for name in wanted if name not in environments]:
        raise Problem(f"samconfig.toml has no environment for stacks/{missing[0]}.yaml. Write one: [{missing[0]}.…]")
    found = {name: Template(name, there[name], name, stack_name(name)) for name in wanted}
    taken_from = {name: sorted(found.keys() & template.stands_beside.values()) for name, template in found.items()}
    return [found[name] for name in TopologicalSorter(taken_from).static_order()]
