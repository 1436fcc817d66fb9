"""A running stack: where it is, how to reach its services, and the file that tells others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
STACK_FILE = STATE / "stack.json"
SAM_ENV_FILE = STATE / "sam-env.json"

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "local"  # noqa: S105 - the emulator's, on loopback
SENDER = "orders@example.com"


class Problem(Exception):
    """Something that the user can put right. The message says what happened and what to do next."""


@dataclass(frozen=True)
class Stack:
    """An emulator with the template deployed to it; `outputs` are the template's."""

    endpoint_url: str
    stack_name: str
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client that talks to this stack as the account's owner."""
        create: Any = self._session.client  # its type lists every service by name
        return create(service, endpoint_url=self.endpoint_url, config=_CONFIG)

    def table(self, output: str) -> Table:
        """A table by the name of its output, such as `OrdersTableName`."""
        resource = self._session.resource("dynamodb", endpoint_url=self.endpoint_url, config=_CONFIG)
        return resource.Table(self.outputs[output])

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)

    def save(self) -> None:
        """Write `.local/stack.json`, by which other tools find the stack."""
        description = {
            "endpoint_url": self.endpoint_url,
            "region": REGION,
            "stack_name": self.stack_name,
            "account_id": ACCOUNT_ID,
            "credentials": {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY},
            "outputs": self.outputs,
        }
        STACK_FILE.write_text(json.dumps(description, indent=2) + "\n")


_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)


def load() -> Stack:
    """The stack that `make up` left running. Raises Problem when there is none."""
    try:
        description = json.loads(STACK_FILE.read_text())
    except FileNotFoundError:
        raise Problem("No stack is running. Start one with: make up") from None
    return Stack(description["endpoint_url"], description["stack_name"], description["outputs"])
