"""A deployed stack as this command needs it: on AWS, or the one that `make up` left running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.stack import Problem


class Deployed(Protocol):
    """What `local.stack.RunningStack` is, and `OnAws`."""

    @property
    def stack_name(self) -> str: ...

    @property
    def outputs(self) -> Mapping[str, str]: ...

    def client(self, service: str) -> Any:
        """A boto3 client."""


@dataclass(frozen=True)
class OnAws:
    """A stack in the account and region that the SDK finds by itself: environment, profile, role."""

    stack_name: str

    def client(self, service: str) -> Any:
        """A boto3 client with the account's own credentials."""
        create: Any = boto3.client  # its type lists every service by name
        return create(service, config=Config(retries={"mode": "standard"}))

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs. Raises Problem when there is no such stack, or it is another than the pipeline."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Problem(f"There is no stack named {self.stack_name} in this account and region.") from None
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
        if "DeadLetterQueueUrl" not in outputs:
            raise Problem(f"{self.stack_name} is not the order pipeline: it has no output DeadLetterQueueUrl.")
        return outputs


def function_named(deployed: Deployed, logical_id: str) -> str:
    """The name of a function of the stack."""
    detail = deployed.client("cloudformation").describe_stack_resource(
        StackName=deployed.stack_name, LogicalResourceId=logical_id
    )
    return str(detail["StackResourceDetail"]["PhysicalResourceId"])
