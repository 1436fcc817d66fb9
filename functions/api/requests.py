"""What clients send for a list. What is not of the form that the API's document gives is refused."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic_core import from_json

from aws.problems import MalformedRequest

MAX_CUSTOMER_ID = 128
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
# As long as a URL of API Gateway's allows, and longer than two keys of a table.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
MAX_CURSOR = 8_192
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-partition-sort-keys
MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES = 2_048, 1_024


@dataclass(frozen=True)
class Cursor:
    """The last order of a page: the next page begins behind it."""

    placed_at: str
    order_id: str

    def __str__(self) -> str:
        text = json.dumps([self.placed_at, self.order_id], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor that was written so. Raises MalformedRequest for what is none; whose orders they are is not in it,
        so it opens nobody else's.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            match from_json(base64.b64decode(padded, altchars=b"-_", validate=True)):
                case [str(placed_at), str(order_id)] if (
                    len(text) <= MAX_CURSOR
                    and 0 < len(placed_at.encode()) <= MAX_SORT_KEY_BYTES
                    and 0 < len(order_id.encode()) <= MAX_PARTITION_KEY_BYTES
                ):
                    return cls(placed_at, order_id)
        except ValueError:
            pass
        raise MalformedRequest("cursor: must be one that an earlier page ended with")


@dataclass(frozen=True)
class ListRequest:
    """Whose orders, how many, and behind which."""

    customer_id: str
    limit: int
    after: Cursor | None


def list_request(event: APIGatewayProxyEventV2) -> ListRequest:
    """The query parameters of a list. Raises MalformedRequest."""
    query = event.query_string_parameters
    return ListRequest(
        customer_id=_customer_id(query.get("customer_id", "")),
        limit=_limit(query.get("limit", str(DEFAULT_LIMIT))),
        after=Cursor.read(query["cursor"]) if "cursor" in query else None,
    )


def _customer_id(text: str) -> str:
    # An encoding of half a character is a string in Python, and no key of a table.
    if not 1 <= len(text) <= MAX_CUSTOMER_ID or re.search("[\ud800-\udfff]", text):
        raise MalformedRequest(f"customer_id: must be 1 to {MAX_CUSTOMER_ID} characters")
    return text


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise MalformedRequest(f"limit: must be a number from 1 to {MAX_LIMIT}")
    return int(text)
