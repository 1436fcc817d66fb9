"""What of the embedded stack can be broken: its functions, rules, streams and schedules, found and not listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from console.place import Place

# What a state of a workflow may hold further states in.
_INSIDE = ("Branches", "ItemProcessor", "Iterator")


class Kind(StrEnum):
    """What sort of part it is."""

    FUNCTION = "function"
    RULE = "rule"
    STREAM = "stream"
    SCHEDULE = "schedule"


# How CloudFormation names each kind, and what people have put behind its name in the template.
_TYPES = {
    "AWS::Lambda::Function": (Kind.FUNCTION, "Function"),
    "AWS::Events::Rule": (Kind.RULE, "Rule"),
    "AWS::Lambda::EventSourceMapping": (Kind.STREAM, ""),
    "AWS::Scheduler::Schedule": (Kind.SCHEDULE, "Schedule"),
}


@dataclass(frozen=True)
class Step:
    """A state of a workflow that calls a function, and for how many seconds its retries go on at most."""

    workflow: str
    state: str
    patience: float


@dataclass(frozen=True)
class Part:
    """One of them. `says` is its own description; `calls` is the function that a stream or a schedule invokes, `group`
    the schedule's, and `pattern` what a rule looks for.

    Of a function, `handler` is its folder, and the rest is who calls it: steps of workflows, streams, schedules (how
    often), and whether an API does.
    """

    kind: Kind
    stack: str
    name: str
    physical: str
    says: str
    calls: str = ""
    group: str = ""
    handler: str = ""
    pattern: str = ""
    steps: tuple[Step, ...] = ()
    streams: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    answers_requests: bool = False

    @property
    def key(self) -> str:
        """By which it is told from all others."""
        return f"{self.kind}:{self.stack}/{self.physical}"

    @property
    def title(self) -> str:
        """Its name for people."""
        return words(self.name)


def words(name: str) -> str:
    """`ShippingNotify` as people write it: "shipping notify"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


def find(place: Place) -> list[Part]:
    """Everything that the stacks have and that can be broken, by stack and kind. Raises what boto3 raises."""
    described = _Described(place)
    found = [part for stack in place.stacks for part in described.parts(stack)]
    kinds = list(Kind)
    return sorted(found, key=lambda part: (place.stacks.index(part.stack), kinds.index(part.kind), part.name))


class _Described:
    """What the services say of the parts, read once for all."""

    def __init__(self, place: Place) -> None:
        self._place = place
        functions = place.client("lambda")
        pages = functions.get_paginator("list_functions").paginate()
        self.functions = {one["FunctionName"]: one for page in pages for one in page["Functions"]}
        pages = functions.get_paginator("list_event_source_mappings").paginate()
        self.mappings = {one["UUID"]: one for page in pages for one in page["EventSourceMappings"]}
        rules = place.client("events").list_rules(EventBusName=place.outputs["EventBusName"])["Rules"]
        self.rules = {one["Name"]: one for one in rules}
        scheduler = place.client("scheduler")
        pages = scheduler.get_paginator("list_schedules").paginate()
        self.schedules = {
            one["Name"]: scheduler.get_schedule(Name=one["Name"], GroupName=one["GroupName"])
            for page in pages
            for one in page["Schedules"]
        }
        self.steps = dict(_steps(place))
        self.integrations = list(_integrations(place))

    def parts(self, stack: str) -> Iterator[Part]:
        described = self._place.client("cloudformation").describe_stack_resources(StackName=stack)
        for one in described["StackResources"]:
            kind, suffix = _TYPES.get(one["ResourceType"], (None, ""))
            if kind:
                name, physical = one["LogicalResourceId"].removesuffix(suffix), one["PhysicalResourceId"]
                part = self._part(kind, stack, name, physical.rsplit("/", 1)[-1].rsplit("|", 1)[-1])
                if part:
                    yield part

    def _part(self, kind: Kind, stack: str, name: str, physical: str) -> Part | None:
        match kind:
            case Kind.FUNCTION if one := self.functions.get(physical):
                return self._function(stack, name, one)
            case Kind.RULE if one := self.rules.get(physical):
                return Part(kind, stack, name, physical, one.get("Description", ""), pattern=one["EventPattern"])
            case Kind.STREAM if one := self.mappings.get(physical):
                table = self._table(one["EventSourceArn"])
                function = self._function_name(one["FunctionArn"])
                return Part(kind, stack, name, physical, f"What changes in {table}, for {function}", calls=function)
            case Kind.SCHEDULE if one := self.schedules.get(physical):
                function = self._function_name(one["Target"]["Arn"])
                says, group = one.get("Description", ""), one["GroupName"]
                return Part(kind, stack, name, physical, says, calls=function, group=group)
        return None

    def _function(self, stack: str, name: str, one: Mapping[str, Any]) -> Part:
        arn = one["FunctionArn"]
        return Part(
            Kind.FUNCTION,
            stack,
            name,
            one["FunctionName"],
            one.get("Description", ""),
            handler=one["Handler"].partition(".")[0],
            steps=tuple(self.steps.get(arn, ())),
            streams=tuple(
                self._table(mapping["EventSourceArn"])
                for mapping in self.mappings.values()
                if mapping["FunctionArn"] == arn
            ),
            schedules=tuple(
                schedule["ScheduleExpression"]
                for schedule in self.schedules.values()
                if schedule["Target"]["Arn"] == arn
            ),
            answers_requests=any(arn in uri for uri in self.integrations),
        )

    def _function_name(self, arn: str) -> str:
        physical = arn.rsplit(":", 1)[-1]
        for stack in self._place.stacks:
            physical = physical.removeprefix(f"{stack}-")
        return words(re.sub(r"Function(-.*)?$", "", physical))

    def _table(self, stream_arn: str) -> str:
        """The table's name for people, by the name of its output."""
        table = stream_arn.partition("table/")[2].partition("/")[0]
        outputs = {value: name for name, value in self._place.outputs.items()}
        return outputs.get(table, table).removesuffix("TableName")


def _steps(place: Place) -> Iterator[tuple[str, list[Step]]]:
    """The steps of all workflows, by the ARN of the function that they call."""
    client, found = place.client("stepfunctions"), dict[str, list[Step]]()
    for output, arn in place.outputs.items():
        if output.endswith("WorkflowArn"):
            definition = json.loads(client.describe_state_machine(stateMachineArn=arn)["definition"])
            workflow = words(output.removesuffix("WorkflowArn"))
            for name, state in states_of(definition):
                function = state.get("Arguments", {})
                called = function.get("FunctionName") if isinstance(function, dict) else None
                if isinstance(called, str):
                    found.setdefault(called, []).append(Step(workflow, name, patience(state)))
    yield from found.items()


def states_of(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All states of a definition by name, also those inside others."""
    for name, state in definition.get("States", {}).items():
        yield name, state
        for inside in _INSIDE:
            below = state.get(inside, ())
            for part in [below] if isinstance(below, Mapping) else below:
                yield from states_of(part)


def patience(state: Mapping[str, Any]) -> float:
    """For how many seconds a step is retried at most while its function is throttled, without the attempts themselves.

    The first retrier that names the error counts; with full jitter, the waits are half of that on average.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error
    """
    throttled = ("Lambda.TooManyRequestsException", "Lambda.Unknown", "States.ALL", "States.TaskFailed")
    for retrier in state.get("Retry", ()):
        if any(error in throttled for error in retrier["ErrorEquals"]):
            interval, rate = retrier.get("IntervalSeconds", 1), retrier.get("BackoffRate", 2.0)
            longest = retrier.get("MaxDelaySeconds", float("inf"))
            return float(sum(min(interval * rate**n, longest) for n in range(retrier.get("MaxAttempts", 3))))
    return 0.0


def _integrations(place: Place) -> Iterator[str]:
    """What the API calls, as its integrations name it."""
    if api := place.outputs.get("ApiId"):
        pages = place.client("apigatewayv2").get_integrations(ApiId=api)
        yield from (one.get("IntegrationUri", "") for one in pages["Items"])
