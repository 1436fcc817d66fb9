"""An AWS account in this process: moto's, with MiniStack's tables in the place of moto's own.

A request to a table takes moto five times as long, and most of what the unit tests ask for are tables. MiniStack's
are also closer to DynamoDB, by its own parity suite, and what `make run` and the simulation have as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS
from ministack.core.responses import request_scope
from ministack.services import dynamodb, dynamodb_streams
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber

from tests.unit.stack import REGION

# By what an operation's name begins with.
SERVICES = {"DynamoDB_20120810": dynamodb, "DynamoDBStreams_20120810": dynamodb_streams}

_open: list[bool] = []


@contextmanager
def account() -> Iterator[None]:
    """There is an account, and it is empty."""
    with mock_aws():
        dynamodb.reset()
        _open.append(True)
        try:
            yield
        finally:
            _open.pop()


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
    with request_scope(DEFAULT_ACCOUNT_ID, REGION):
        answering = service.handle_request(request.method, "/", headers, request.body, {})
        try:
            answering.send(None)
        except StopIteration as done:
            status, received, content = done.value
            body: Any = _Body(content.encode() if isinstance(content, str) else content)
            return AWSResponse(request.url, status, received, body)
    raise AssertionError("a table wants to wait")


# In the place of moto's, for every session that is made from here on.
BUILTIN_HANDLERS[BUILTIN_HANDLERS.index(("before-send", botocore_stubber))] = ("before-send", _answer)
