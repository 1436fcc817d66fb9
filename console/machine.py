"""A workflow as its definition has it: its states, whom they call, and the ways between them.

Everything comes from the definition, so that a workflow that nobody has thought of yet is drawn as well (drawing.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from console.parts import words

# What is to be done on a way that begins with an error, for it to be another course of business and not only an exit.
STEPS = 2
ANY_ERROR = "States.ALL"


class Kind(StrEnum):
    """Why one state follows another."""

    NEXT = "next"
    CHOICE = "choice"
    CATCH = "catch"


@dataclass(frozen=True)
class Way:
    """From one state to another; `label` says when, in the definition's words."""

    source: str
    target: str
    kind: Kind
    label: str = ""


@dataclass(frozen=True)
class State:
    """A state of a definition. `calls` says whom it calls, in a few words, and `branches` what runs in it: each with
    the name of its first state, then of all.
    """

    name: str
    kind: str
    calls: str
    comment: str
    waits: bool
    ends: bool
    parent: str | None
    branches: tuple[tuple[str, ...], ...]

    @property
    def node(self) -> str:
        """The id of its node: a function of its name."""
        plain = re.fullmatch(r"[A-Za-z0-9]+", self.name)
        return f"s_{self.name}" if plain else f"x_{self.name.encode().hex()}"


@dataclass(frozen=True)
class Machine:
    """A definition, read."""

    comment: str
    start: str
    states: dict[str, State]
    ways: tuple[Way, ...]
    by_node: dict[str, State] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_node", {state.node: state for state in self.states.values()})

    def between(self, source: str, target: str) -> list[Way]:
        """The ways from one state to another."""
        return [way for way in self.ways if (way.source, way.target) == (source, target)]

    def steps_from(self, name: str) -> int:
        """How much there is to do from a state on, until something is asked or it ends: in states that do something."""
        after = {way.source: way.target for way in self.ways if way.kind == Kind.NEXT}
        seen: list[str] = []
        following: str | None = name
        while following and following not in seen:
            seen.append(following)
            following = after.get(following)
        return sum(bool(self.states[one].calls or self.states[one].branches) for one in seen)


def read(definition: Mapping[str, Any]) -> Machine:
    """Read a definition in the Amazon States Language, as Step Functions or a file in statemachine/ has it."""
    states = {state.name: state for state in _states(definition["States"], None)}
    ways = tuple(dict.fromkeys(_ways(definition["States"])))
    return Machine(str(definition.get("Comment", "")), definition["StartAt"], states, ways)


def _states(states: Mapping[str, Any], parent: str | None) -> Iterator[State]:
    for name, state in states.items():
        inner = _branches(state)
        yield State(
            name,
            state["Type"],
            _calls(state),
            str(state.get("Comment", "")),
            state["Type"] == "Wait" or state.get("Resource", "").endswith(".waitForTaskToken"),
            state.get("End", False) or state["Type"] in ("Succeed", "Fail"),
            parent,
            tuple(tuple(dict.fromkeys([branch["StartAt"], *branch["States"]])) for branch in inner),
        )
        for branch in inner:
            yield from _states(branch["States"], name)


def _branches(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The machines within a state: of a Parallel its branches, of a Map the one that each item goes through."""
    inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
    return [*state.get("Branches", ()), *inner]


def _ways(states: Mapping[str, Any]) -> Iterator[Way]:
    for name, state in states.items():
        if "Next" in state:
            yield Way(name, state["Next"], Kind.NEXT)
        choices = state.get("Choices", ())
        for number, choice in enumerate(choices, 1):
            yield Way(name, choice["Next"], Kind.CHOICE, "if so" if len(choices) == 1 else f"case {number}")
        if "Default" in state:
            yield Way(name, state["Default"], Kind.CHOICE, "else")
        for caught in state.get("Catch", ()):
            yield Way(name, caught["Next"], Kind.CATCH, _errors(caught["ErrorEquals"]))
        for branch in _branches(state):
            yield from _ways(branch["States"])


def _errors(names: Sequence[str]) -> str:
    short = (name.rpartition(".")[2].removesuffix("Exception") for name in names if name != ANY_ERROR)
    return ", ".join([*short, *("any other error" for name in names if name == ANY_ERROR)])


def _calls(state: Mapping[str, Any]) -> str:
    """Whom a state calls: `payment: authorize`, `dynamodb: updateItem`; empty where it calls nobody."""
    resource = str(state.get("Resource", ""))
    if not resource:
        return ""
    arguments = state.get("Arguments", state.get("Parameters", {}))
    arguments = arguments if isinstance(arguments, dict) else {}
    if ":lambda:" not in resource:
        service, _, action = resource.rpartition(":::")[2].removesuffix(".sync").rpartition(":")
        return f"{service.rpartition(':')[2]}: {action}"
    function = _function(str(arguments.get("FunctionName", resource)))
    payload = arguments.get("Payload", {})
    does = payload.get("action") if isinstance(payload, dict) else None
    return f"{function}: {does}" if does and isinstance(does, str) else function


def _function(name: str) -> str:
    """A function's short name, from its ARN, from what a template puts in its place, or from what CloudFormation has
    made of the template's name.
    """
    if placeholder := re.fullmatch(r"\$\{(\w+?)(Function)?(Arn|Name)?\}", name):
        return words(placeholder[1])
    name = name.partition(":function:")[2].partition(":")[0] or name
    generated = re.search(r"([A-Za-z0-9]+)Function(-[A-Za-z0-9]+)?$", name)
    return words(generated[1]) if generated else name
