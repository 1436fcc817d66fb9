"""A running stack: where it is, and how to reach its services."""

from __future__ import annotations

import threading
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
APPROVER = "approver@example.com"


class Problem(Exception):
    """Something that the user can put right. The message says what happened and what to do next."""


@dataclass(frozen=True)
class RunningStack:
    """A stack on an emulator, by its name; `outputs` are its own, and those of the stacks beside it."""

    endpoint_url: str
    stack_name: str
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client that talks to this stack as the account's owner."""
        create: Any = self._session.client  # its type lists every service by name
        with _ONE_BY_ONE:
            return create(service, endpoint_url=self.endpoint_url, config=_CONFIG)

    def table(self, output: str) -> Table:
        """A table by the name of its output, such as `OrdersTableName`."""
        with _ONE_BY_ONE:
            resource = self._session.resource("dynamodb", endpoint_url=self.endpoint_url, config=_CONFIG)
        return resource.Table(self.outputs[output])

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)


# Clients may be shared by threads, and a session that makes them may not.
# https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
_ONE_BY_ONE = threading.Lock()

# A proxy that the environment names is for the world outside, whatever it says of loopback.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32, proxies={})
