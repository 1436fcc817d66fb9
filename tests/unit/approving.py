"""Orders to approve: the executions that ask a person about them, and what that person does with the email."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

from approve import app as approve_app
from ask import app as ask_app
from aws import clients
from tests.unit.builders import APPROVER, TASK_TOKEN

SENDER = "orders@shop.example"
API_URL = "https://api.shop.example"
HOURS = 24
PARAMETERS = {"ApproverEmail": APPROVER, "SenderEmail": SENDER, "ApiUrl": API_URL, "ApprovalHours": str(HOURS)}
FIRST, SECOND = "arn:execution-1", "arn:execution-2"


class Tasks:
    """Step Functions between the handlers and moto, which takes any token: it knows whose task waits."""

    def __init__(self) -> None:
        self.waiting: list[str] = []  # the tokens of those that wait
        self.woken: list[str] = []
        client: Any = clients.workflows()
        self._send = client.send_task_success
        client.send_task_success = self.send_task_success

    def send_task_success(self, *, taskToken: str, output: str) -> Any:  # noqa: N803
        answer = self._send(taskToken=taskToken, output=output)
        if taskToken not in self.waiting:
            said: Any = {"Error": {"Code": "TaskDoesNotExist", "Message": f"Task does not exist: {taskToken}"}}
            raise clients.workflows().exceptions.TaskDoesNotExist(said, "SendTaskSuccess")
        self.waiting.remove(taskToken)
        self.woken.append(taskToken)
        return answer

    def ask(
        self, execution: str = FIRST, *, attempt: int = 0, tried_minutes: int = 0, order_id: str = "order-1"
    ) -> None:
        """An attempt of an execution at its task; one that fails waits no more."""
        token = token_of(execution, attempt)
        self.waiting.append(token)
        event = {
            "action": "ask",
            "order_id": order_id,
            "tried_minutes": tried_minutes,
            "task_token": token,
            "execution": execution,
            "attempt": attempt,
        }
        try:
            ask_app.handler(event, None)
        except BaseException:
            if token in self.waiting:
                self.waiting.remove(token)
            raise


def token_of(execution: str = FIRST, attempt: int = 0) -> str:
    return f"{TASK_TOKEN}/{execution}/{attempt}"


def settle(order_id: str = "order-1", tried_minutes: int = 0) -> bool:
    """The step after the task; whether anything was decided."""
    answer = ask_app.handler({"action": "settle", "order_id": order_id, "tried_minutes": tried_minutes}, None)
    return answer["settled"]


def text_of(email: dict[str, Any]) -> str:
    body: str = email["Content"]["Simple"]["Body"]["Text"]["Data"]
    return body


def link_in(email: dict[str, Any]) -> str:
    """The end of the link in an email: its token."""
    [link] = re.findall(r"^https://\S+$", text_of(email), re.MULTILINE)
    return str(link).removeprefix(f"{API_URL}/approvals/")


def request(method: str, token: str, body: str | None = None, *, encoded: bool = False) -> dict[str, Any]:
    """What API Gateway makes of a request, and the answer that it gets.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    event = {
        "version": "2.0",
        "routeKey": f"{method} /approvals/{{token}}",
        "rawPath": f"/approvals/{quote(token, safe='')}",
        "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded"} if body is not None else {},
        "requestContext": {"http": {"method": method, "path": f"/approvals/{token}", "sourceIp": "192.0.2.1"}},
        "pathParameters": {"token": quote(token, safe="")},
        "isBase64Encoded": encoded,
    }
    return approve_app.handler(event | ({} if body is None else {"body": body}), None)


def look(token: str) -> dict[str, Any]:
    """Follow a link."""
    return request("GET", token)


def click(token: str, decision: str = "approve") -> dict[str, Any]:
    """Use one of the two buttons."""
    return request("POST", token, f"decision={decision}")


def title(response: dict[str, Any]) -> str:
    """The heading of a page, as people read it."""
    found = re.search(r"<h1>(.*?)</h1>", response["body"], re.DOTALL)
    assert found
    return html.unescape(found[1])


def read(approvals: Any) -> Any:
    """What is written down of the approval of order-1; None if nothing is."""
    return approvals.get_item(Key={"order_id": "order-1"}).get("Item")


def answer(approvals: Any, status: str = "APPROVED") -> None:
    """What the approver's click writes."""
    approvals.update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #status = :status, decided_at = :at",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status, ":at": "2026-01-01T10:00:00+00:00"},
    )
