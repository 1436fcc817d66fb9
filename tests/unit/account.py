"""An AWS account in this process: moto's, with MiniStack's tables in the place of moto's own.

A request to a table takes moto five times as long, and most of what the unit tests ask for are tables. MiniStack's
are also closer to DynamoDB, by its own parity suite, and what `make run` and the simulation have as well.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS
from ministack.core.responses import AccountRegionScopedDict, request_scope
from ministack.services import dynamodb, dynamodb_streams
from moto import mock_aws
from moto.core import models
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber

REGION = "eu-west-1"
# By what an operation's name begins with.
SERVICES = {"DynamoDB_20120810": dynamodb, "DynamoDBStreams_20120810": dynamodb_streams}
# What MiniStack keeps of tables. Other accounts in this process are the simulation's.
KEPT = [kept for kept in vars(dynamodb).values() if isinstance(kept, AccountRegionScopedDict)]

_open: list[bool] = []


@contextmanager
def account() -> Iterator[None]:
    """There is an account, and it is empty.

    All ask through botocore. For who doesn't, moto would register each address of each service anew, which takes longer
    than most tests.
    """
    with patch.object(models, "RESPONSES_METHODS", []), mock_aws():
        with request_scope(DEFAULT_ACCOUNT_ID, REGION):
            for kept in KEPT:
                for key in list(kept):
                    del kept[key]
        _open.append(True)
        try:
            yield
        finally:
            _open.pop()


def ask_tables(operation: str, request: Mapping[str, Any]) -> None:
    """What a test arranges in the tables, without the way through botocore, which takes ten times as long."""
    headers = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
    status, _, content = _asked(dynamodb, "POST", headers, json.dumps(request).encode())
    assert status == 200, content


def _asked(service: Any, method: str, headers: dict[str, str], body: Any) -> tuple[int, Any, Any]:
    with request_scope(DEFAULT_ACCOUNT_ID, REGION):
        answering = service.handle_request(method, "/", headers, body, {})
        try:
            answering.send(None)
        except StopIteration as done:
            status, received, content = done.value
            return status, received, content
    raise AssertionError("a table wants to wait")


class _Body:
    """A response's body as urllib3 would hand it to botocore."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def _answer(request: Any, **event: Any) -> AWSResponse | None:
    """Called by botocore with every request; what answers need not send."""
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    service = SERVICES.get(headers.get("x-amz-target", "").partition(".")[0])
    if not (_open and service):
        return botocore_stubber(request=request, **event)
    status, received, content = _asked(service, request.method, headers, request.body)
    body: Any = _Body(content.encode() if isinstance(content, str) else content)
    return AWSResponse(request.url, status, received, body)


# In the place of moto's, for every session that is made from here on.
BUILTIN_HANDLERS[BUILTIN_HANDLERS.index(("before-send", botocore_stubber))] = ("before-send", _answer)
