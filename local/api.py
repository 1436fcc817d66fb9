"""The API of a running front door, as its clients call it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, fetch

OWNER = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Reply:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(
    method: str,
    url: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    signed_by: Credentials | None = OWNER,
) -> Reply:
    """One request, signed as by curl's --aws-sigv4, or by nobody. Raises OSError when nobody answers."""
    content = None if body is None else body.encode()
    request = AWSRequest(method, url, headers=dict(headers or {}), data=content)
    if signed_by:
        SigV4Auth(signed_by, "execute-api", REGION).add_auth(request)
    sent = request.prepare()
    plain = {name: value.decode() if isinstance(value, bytes) else value for name, value in sent.headers.items()}
    try:
        with fetch(
            urllib.request.Request(sent.url, content, plain, method=method),  # noqa: S310 - the stack's own address
            timeout=TIMEOUT_SECONDS,
        ) as answer:
            return Reply(answer.status, dict(answer.headers), answer.read().decode())
    except urllib.error.HTTPError as refused:
        return Reply(refused.code, dict(refused.headers), refused.read().decode())
