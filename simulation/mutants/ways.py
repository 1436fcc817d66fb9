"""Ways to change the code for a run, and what a mutant is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from simulation.patching import patched
from simulation.schedule import Mutation, Schedule
from simulation.services import Wire
from simulation.world import World, redefined

Definition = dict[str, Any]


@dataclass(frozen=True)
class Mutant:
    """What is changed, and the invariant that breaks under the `hint`, a schedule found by an earlier search."""

    name: str
    mutation: Mutation
    killed_by: str
    hint: Schedule


def unconditional(step: str, operation: str, condition: str, provider: bool = False) -> Mutation:
    """Drop the condition that contains `condition` from a step's `operation`, in the request as it leaves.

    `provider`: from what the simulated provider writes into its own ledger.
    """

    def mutation(here: World) -> AbstractContextManager[Any]:
        perform = here.services._perform

        def without(wire: Wire) -> Any:
            invocation = here.whose_code()
            who = invocation and (invocation.step, invocation.at_provider)
            if who == (step, provider) and operation in wire.operation:
                body = json.loads(wire.body)
                for item in [body, *(one for part in body.get("TransactItems", []) for one in part.values())]:
                    if condition in item.get("ConditionExpression", ""):
                        _drop_condition(item)
                wire.body = json.dumps(body)
            return perform(wire)

        return patched([(here.services, "_perform", without)])

    return mutation


def _drop_condition(item: dict[str, Any]) -> None:
    """DynamoDB refuses names and values that nothing uses."""
    del item["ConditionExpression"]
    item.pop("ReturnValuesOnConditionCheckFailure", None)
    used = set(re.findall(r"[#:]\w+", item.get("UpdateExpression", "")))
    for attribute in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        kept = {name: value for name, value in item.pop(attribute, {}).items() if name in used}
        if kept:
            item[attribute] = kept


def replaced(module: str, name: str, make: Callable[[Any], Any]) -> Mutation:
    """Put `make(original)` in the place of a function of the handlers."""

    def mutation(_: World) -> AbstractContextManager[Any]:
        owner = sys.modules[module]
        return patched([(owner, name, make(getattr(owner, name)))])

    return mutation


class With:
    """A module as one of its users sees it, with some of its names replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def redrawn(change: Callable[[Definition], None]) -> Mutation:
    """Change the state machine's definition."""
    return lambda here: redefined(here, change)


def state_of(definition: Definition, name: str) -> Definition:
    """A state by its name, wherever it is."""
    states = definition["States"]
    if name in states:
        found: Definition = states[name]
        return found
    branches = (branch for state in states.values() for branch in state.get("Branches", []))
    return next(state_of(branch, name) for branch in branches if name in branch["States"])


def without(state: str, *fields: str) -> Mutation:
    def change(definition: Definition) -> None:
        for field in fields:
            del state_of(definition, state)[field]

    return redrawn(change)
