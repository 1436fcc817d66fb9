"""A running stack: where it is, how to reach its services, and the file that tells others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"

ACCOUNT_ID = "123456789012"
SENDER = "orders@example.com"


def stack_file() -> Path:
    """Where `make up` describes its stack to other tools."""
    return STATE / "stack.json"


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
        write(stack_file(), description)


# A proxy that the environment names is for the world outside, whatever it says of loopback.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32, proxies={})


def write(path: Path, description: Any) -> None:
    """Write a JSON file at once: readers find the old one or the new one, never half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(description, indent=2) + "\n")
    new.replace(path)


def load() -> Stack:
    """The stack that `make up` left running. Raises Problem when there is none, or when nobody can tell where."""
    try:
        description = json.loads(stack_file().read_text())
        return Stack(description["endpoint_url"], description["stack_name"], description["outputs"])
    except FileNotFoundError:
        raise Problem("No stack is running. Start one with: make up") from None
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{stack_file()} can't be read. Start anew with: make down && make up") from None
