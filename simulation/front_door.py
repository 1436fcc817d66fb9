"""People at the front door: who calls the API, and who gets an email with a link. What they were told is kept."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from simulation import stack
from simulation.open_orders import OpenOrders
from simulation.sandboxes import order_behind

# API Gateway waits for so long at most.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
GATEWAY_SECONDS = 30.0
# Between a client's attempts, in seconds; the last one goes on. A client that got no answer repeats its request.
RETRIES = (1, 5, 30, 60)


class Answer(NamedTuple):
    """What somebody was told of what they `sent`. `asked` is the route, and `order_id` the order in the path."""

    asked: str
    order_id: str
    status: int
    headers: dict[str, str]
    body: str
    sent: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """The body, as data."""
        content: dict[str, Any] = json.loads(self.body)
        return content


class FrontDoor(OpenOrders):
    """The part of the world in front of the API. `World` empties it for each schedule."""

    def forget_front_door(self) -> None:
        """Nobody has asked for anything yet."""
        self.answers: list[Answer] = []
        self.approver: Callable[[str], None] | None = None  # called with the link of each email to the approver
        self.asked: Counter[str] = Counter()  # emails to the approver, by order
        self.in_vain: list[str] = []  # orders for which a task waited for its token until its time was over

    def ask(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Answer:
        """One request to the API, as API Gateway hands it over; no answer is a 5xx, as there."""
        url = urlsplit(path)
        route, parameters = self._route(method, url.path)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": url.path,
            "rawQueryString": url.query,
            "headers": {"content-type": "application/json", **(headers or {})},
            "requestContext": {
                "http": {"method": method, "path": url.path},
                "stage": "$default",
                "authorizer": {"iam": {"userArn": "arn:aws:iam::000000000000:user/shop"}},
            },
            "pathParameters": parameters,
            "isBase64Encoded": False,
            "body": body,
        }
        if url.query:
            event["queryStringParameters"] = dict(parse_qsl(url.query))
        told = self.invoke(self.stack.routes[route], event, GATEWAY_SECONDS)
        nothing = {"statusCode": 503, "headers": {}, "body": ""}
        answer: dict[str, Any] = nothing if told.get("error") else told["body"]
        result = Answer(
            f"{method} {route.partition(' ')[2] or url.path}",
            order_behind(parameters),
            answer["statusCode"],
            answer.get("headers") or {},
            answer["body"],
            body,
        )
        self.answers.append(result)
        return result

    def insist(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Answer:
        """The same, again and again until there is an answer, as a client does that has an idempotency key."""
        attempt = 0
        while (answer := self.ask(method, path, body, headers)).status >= 500:
            self.loop.sleep(RETRIES[min(attempt, len(RETRIES) - 1)])
            attempt += 1
        return answer

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        for route in sorted(self.stack.routes, key=lambda route: route.count("{")):
            verb, _, pattern = route.partition(" ")
            expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
            if verb == method and (found := re.fullmatch(expression, path)):
                return route, found.groupdict()
        return "$default", {}

    def mailed(self, request: dict[str, Any]) -> None:
        """SES took an email; the approver gets to read theirs."""
        if request["Destination"]["ToAddresses"] != [stack.APPROVER]:
            return
        self.asked[self.invocation().order_id] += 1
        link = re.search(r"https://\S+", request["Content"]["Simple"]["Body"]["Text"]["Data"])
        if self.approver and link:
            self.approver(link[0].removeprefix(stack.API_URL))
