"""The resource types of Batch, for MiniStack's CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Batch.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from local.batch.service import DEFINITIONS, QUEUES, register
from local.batch.spelling import camel

# Of MiniStack's CloudFormation: what creates, updates and deletes a resource, by the resource's type; the properties of
# which a change makes a new one; and the name of a resource that has none of its own.
RESOURCES, REPLACING, NAME = "_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES", "_physical_name"

# Of its Batch.
ENVIRONMENTS = "_compute_envs"
CREATE_ENVIRONMENT, CREATE_QUEUE = "_create_compute_environment", "_create_job_queue"

Properties = dict[str, Any]


def deploy_as_aws(cloudformation: Any, service: Any) -> None:
    """Let templates have compute environments, job queues and job definitions. The Ref of each is its ARN.

    Raises AttributeError when MiniStack has not got what is used.
    """
    handlers, replacing = getattr(cloudformation, RESOURCES), getattr(cloudformation, REPLACING)
    name_of = getattr(cloudformation, NAME)
    queues, environments, definitions = (getattr(service, name) for name in (QUEUES, ENVIRONMENTS, DEFINITIONS))

    def resource(kind: str, create: Callable[[Properties], Any], update: Any, delete: Any, *replaced_by: str) -> None:
        name, arn = f"{kind}Name", f"{kind}Arn"

        def created(logical_id: str, properties: Properties, stack: str) -> tuple[str, dict[str, str]]:
            given = camel({name: name_of(stack, logical_id)} | properties)
            found = _made(create(given), kind)[f"{arn[:1].lower()}{arn[1:]}"]
            return found, {arn: found}

        def updated(found: str, old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, str]]:
            found = update(found, camel(new))
            return found, {arn: found}

        handlers[f"AWS::Batch::{kind}"] = {
            "create": created,
            "update": updated,
            "delete": lambda found, _: delete(found),
        }
        replacing[f"AWS::Batch::{kind}"] = (name, *replaced_by)

    def change(things: Any) -> Callable[[str, Properties], str]:
        def changed(arn: str, properties: Properties) -> str:
            things[_name(arn)] |= properties
            return arn

        return changed

    def next_revision(arn: str, properties: Properties) -> str:
        named = {"jobDefinitionName": _name(arn).partition(":")[0]}
        made: str = _made(register(service, named | properties), "JobDefinition")["jobDefinitionArn"]
        deregister(arn)
        return made

    def deregister(arn: str) -> None:
        for definition in definitions.get(_name(arn).partition(":")[0], []):
            if definition["jobDefinitionArn"] == arn:
                definition["status"] = "INACTIVE"

    resource(
        "ComputeEnvironment",
        getattr(service, CREATE_ENVIRONMENT),
        change(environments),
        lambda arn: environments.pop(_name(arn), None),
        "Type",
    )
    resource(
        "JobQueue",
        getattr(service, CREATE_QUEUE),
        change(queues),
        lambda arn: queues.pop(_name(arn), None),
        "JobQueueType",
    )
    resource("JobDefinition", lambda given: register(service, given), next_revision, deregister)


def _name(arn: str) -> str:
    return arn.rsplit("/", 1)[1]


def _made(answer: tuple[int, Any, bytes], kind: str) -> dict[str, Any]:
    """What the API answers. Raises ValueError, which fails a deployment, when it refuses."""
    status, _, body = answer
    content: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(f"AWS::Batch::{kind}: {content.get('message')}")
    return content
