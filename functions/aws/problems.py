"""What clients are answered, and what instead: problem details, by RFC 9457. Every error becomes one here.

The API's document describes all of them, also those of the functions beside it that answer a route of the same API.
"""

from __future__ import annotations

import json
from typing import ClassVar

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import BotoCoreError, ClientError

from aws import logger
from orders.errors import OrderInvalid, Unrecoverable

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
# Orders are nobody else's business, and not a cache's.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Problem(Exception):
    """Why a client does not get what it asked for. The message is the problem's `detail`; `members` go beside those
    that every problem has, `headers` beside those that every answer has.
    """

    status: ClassVar[int]
    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **members: object) -> None:
        super().__init__(detail)
        self.headers = headers or {}
        self.members = members

    @classmethod
    def uri(cls) -> str:
        """The problem's type. A path is enough for a name: an absolute URI would need a host, and this API is deployed
        at many. It begins with a slash, so it is the same at every resource.
        https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1
        """
        return f"/problems/{cls.kind}"


class MalformedRequest(Problem):
    """A header, a parameter or the body is not of the form that the API's document gives."""

    status, kind, title = 400, "malformed-request", "The request cannot be read"


class Forbidden(Problem):
    """The caller is nobody, or speaks for somebody else."""

    status, kind, title = 403, "forbidden", "This is not for you to ask"


class NotFound(Problem):
    """There is no such thing, or it is another customer's, which looks the same."""

    status, kind, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(Problem):
    """The path is known, and this method of it is not."""

    status, kind, title = 405, "method-not-allowed", "This cannot be done there"


class AlreadyDecided(Problem):
    """The order was decided before it was cancelled. `decision` is what stands."""

    status, kind, title = 409, "already-decided", "The order is decided already"


class AlreadyShipped(Problem):
    """The order was on its way before it was cancelled. `order_status` is what it has come to."""

    status, kind, title = 409, "already-shipped", "The order is shipped already"


class NotDelivered(Problem):
    """The order is not delivered, or it never will be. `order_status` is what it has come to."""

    status, kind, title = 409, "not-delivered", "The order is not delivered"


class ReturnsClosed(Problem):
    """Nothing more of the order is taken back."""

    status, kind, title = 409, "returns-closed", "Nothing more is taken back"


class BodyTooLarge(Problem):
    """The body is longer than any order."""

    status, kind, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaType(Problem):
    """The body is not said to be JSON."""

    status, kind, title = 415, "unsupported-media-type", "The body is not JSON"


class InvalidOrder(Problem):
    """The order can't be accepted. `violations` are all the reasons."""

    status, kind, title = 422, "invalid-order", "The order cannot be accepted"


class InvalidReturn(Problem):
    """This cannot come back. `violations` are all the reasons."""

    status, kind, title = 422, "invalid-return", "This cannot be returned"


class KeyReused(Problem):
    """The idempotency key is that of another request."""

    status, kind, title = 422, "key-reused", "The idempotency key belongs to another request"


class Unforeseen(Problem):
    """Something is wrong with the API."""

    status, kind, title = 500, "unforeseen", "Something went wrong here"


class Unavailable(Problem):
    """Something that the API needs cannot be had just now."""

    status, kind, title = 503, "unavailable", "This cannot be done just now"


RETRY_AFTER_SECONDS = 2


def respond(status: int, body: object, headers: dict[str, str] | None = None, kind: str = JSON) -> Response[str]:
    """An answer with `body` as JSON."""
    return Response(status, kind, json.dumps(body), {**HEADERS, **(headers or {})})


def answer(error: Exception) -> Response[str]:
    """The answer to a request that ended in this error."""
    problem = problem_of(error)
    body = {"type": problem.uri(), "title": problem.title, "status": problem.status, "detail": str(problem)}
    return respond(problem.status, body | problem.members, problem.headers, PROBLEM_JSON)


def problem_of(error: Exception) -> Problem:
    """What a client is told of an error. Of one that is not the client's doing it is told nothing, and the log only the
    error's type: its text may quote what was asked for.
    """
    match error:
        case Problem():
            return error
        case OrderInvalid():
            return InvalidOrder("Nothing was stored. Each violation says where.", violations=error.violations)
        case TimeoutError() | Unrecoverable() | BotoCoreError() | ClientError():
            logger.warning("unavailable", error=type(error).__name__)
            return Unavailable(
                "Send the request again, as it is: it has no effect twice.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        case _:
            logger.error("unforeseen", error=type(error).__name__)
            return Unforeseen("Send the request again, as it is: it has no effect twice.")
