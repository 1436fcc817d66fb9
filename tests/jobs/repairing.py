"""What repairs reach, and what it has come to: a payment function, a bus and tables that a test can look into."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

from botocore.client import BaseClient

from jobs.findings import SEND_AGAIN, VOID, Code
from jobs.places import execution_name
from payment import app as payment
from tests.jobs.arranging import RUN
from tests.jobs.reconciled import a_finding

HELD, LOST, STUCK = "o-held", "o-lost", "o-stuck"


def intent_of(order_id: str) -> str:
    """The order's own intent at the simulated provider."""
    return f"pi_{hashlib.sha256(f'{order_id}:authorize'.encode()).hexdigest()[:24]}"


FINDINGS = [
    a_finding(Code.HOLD_OF_A_FINISHED_ORDER, HELD, subject=intent_of(HELD), repair=VOID),
    a_finding(Code.ORDER_LOST, LOST, repair=SEND_AGAIN),
    a_finding(Code.DECISION_WITHOUT_EFFECTS, STUCK, repair=SEND_AGAIN),
    a_finding(Code.HOLD_LOST, "o-by-hand"),
]
REAL: Any = BaseClient._make_api_call  # type: ignore[attr-defined]


class Died(BaseException):
    """The process is gone: nothing that it could catch."""


class World:
    """What the repairs reach. `before` and `after` are called with the operation at each request that a job makes."""

    def __init__(self, tables: Any) -> None:
        self.tables = tables
        self.sent: list[dict[str, Any]] = []
        self.invoked: list[dict[str, Any]] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda event: False
        self.before: Callable[[str], None] = lambda operation: None
        self.after: Callable[[str], None] = lambda operation: None
        self.breaks: Callable[[dict[str, Any]], Exception | None] = lambda payload: None
        self._in_a_function = False

    def call(self, client: Any, operation: str, parameters: Any) -> Any:
        if self._in_a_function:
            return REAL(client, operation, parameters)
        self.before(operation)
        match operation:
            case "Invoke":
                answer = self._invoke(parameters)
            case "PutEvents":
                answer = self._put_events(parameters["Entries"])
            case _:
                answer = REAL(client, operation, parameters)
        self.after(operation)
        return answer

    def _invoke(self, parameters: Any) -> Any:
        assert parameters["FunctionName"] == "payment"
        payload = json.loads(parameters["Payload"])
        self.invoked.append(payload)
        if unreachable := self.breaks(payload):
            raise unreachable
        self._in_a_function = True
        try:
            answer = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payment.handler(payload, None)).encode())}
        except Exception as error:  # noqa: BLE001 - as Lambda does
            body = {"errorType": type(error).__name__, "errorMessage": "about the order"}
            answer = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(body).encode())}
        finally:
            self._in_a_function = False
        return answer

    def _put_events(self, entries: list[Any]) -> Any:
        assert [entry["EventBusName"] for entry in entries] == ["bus"]
        [event] = [json.loads(entry["Detail"]) | {"detail-type": entry["DetailType"]} for entry in entries]
        if self.refuses(event):
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "busy"}]}
        self.sent.append(event)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def records(self, run: str = RUN) -> dict[str, Any]:
        """The repairs that a run has written down, by the code of their finding."""
        items = self.tables["BookRunsTable"].scan()["Items"]
        keys = [(item["id"].split("#"), item) for item in items]
        return {key[2]: item for key, item in keys if key[:2] == ["REPAIR", execution_name(run)]}

    def statuses(self, run: str = RUN) -> dict[str, str]:
        return {code: item["status"] for code, item in self.records(run).items()}

    def hold_of(self, reference: str) -> str:
        """The status of an intent at the provider."""
        return str(self.tables["SimulatedGatewayTable"].get_item(Key={"id": reference})["Item"]["status"])

    def hold(self, order_id: str = HELD) -> str:
        """The status of an order's intent at the provider."""
        intents = self.tables["SimulatedGatewayTable"].scan()["Items"]
        return next(str(intent["status"]) for intent in intents if intent["order_id"] == order_id)


def authorize(order_id: str) -> None:
    """Hold an order's money."""
    card = {"amount": 2000, "currency": "EUR", "payment_method": "pm_card_visa"}
    assert payment.handler({"action": "authorize", "order_id": order_id} | card, None) == {"held": True}
