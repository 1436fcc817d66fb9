"""Stripe's side of the wire: what its documentation promises of PaymentIntents, as far as the adapter goes.

The SDK is real, down to the request that `requests` is about to send; that one is answered here.
https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/payments/paymentintents/lifecycle
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

KNOWN_METHODS = ("pm_card_visa", "pm_card_mastercard", "pm_card_chargeDeclined", "pm_card_authenticationRequired")


@dataclass(frozen=True)
class Request:
    """A request as it would have gone over the wire."""

    method: str
    path: str
    form: dict[str, str]
    headers: dict[str, str]
    timeout: float

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


class Refused(Exception):
    """An error answer: its HTTP status and the error's fields."""

    def __init__(self, status: int, **error: Any) -> None:
        self.status = status
        self.body = {"error": error}


@dataclass
class FakeStripe:
    """A Stripe account, with the accidents that are about to happen to it."""

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: list[Request] = field(default_factory=list)
    search_lags: bool = False
    _answers: dict[str, tuple[Request, int, Any]] = field(default_factory=dict)
    _accidents: list[Callable[[Request], tuple[int, Any]]] = field(default_factory=list)

    def send(self, prepared: requests.PreparedRequest, timeout: float, **_: Any) -> requests.Response:
        """Answer in the place of `requests.adapters.HTTPAdapter`."""
        url = urlsplit(prepared.url or "")
        assert url.netloc == "api.stripe.com"
        form = dict(parse_qsl(str(prepared.body or url.query)))
        headers = {name: str(value) for name, value in prepared.headers.items()}
        request = Request(str(prepared.method), str(url.path), form, headers, timeout)
        self.received.append(request)
        status, body = self._accidents.pop(0)(request) if self._accidents else self._answer(request)
        response = requests.Response()
        response.status_code, response.url, response.request = status, str(prepared.url), prepared
        response._content = json.dumps(body).encode()
        return response

    def refuses_once(self, status: int, **error: Any) -> None:
        """The next request has no effect and gets this error."""
        self._accidents.append(lambda _: (status, {"error": error}))

    def is_unreachable_once(self) -> None:
        """The next request does not arrive."""

        def unreachable(_: Request) -> Any:
            raise requests.exceptions.ConnectionError("Connection refused")

        self._accidents.append(unreachable)

    def loses_an_answer(self) -> None:
        """The next request has its effect, and its answer never arrives."""

        def lose(request: Request) -> Any:
            self._answer(request)
            raise requests.exceptions.ReadTimeout("Read timed out.")

        self._accidents.append(lose)

    def forgets_its_keys(self) -> None:
        """A day has passed."""
        self._answers.clear()

    def _answer(self, request: Request) -> tuple[int, Any]:
        if request.key in self._answers:
            first, status, body = self._answers[request.key]
            if (first.path, first.form) != (request.path, request.form):
                return 400, {"error": {"type": "idempotency_error", "message": f"Keys … {request.key}"}}
            return status, body
        try:
            status, body = 200, self._execute(request)
        except Refused as refused:
            status, body = refused.status, refused.body
        # Also errors are answered again, but not of requests that were not executed for being malformed.
        if request.key and status not in (400, 404):
            self._answers[request.key] = (request, status, json.loads(json.dumps(body)))
        return status, body

    def _execute(self, request: Request) -> Any:
        match request.method, request.path.removeprefix("/v1/payment_intents").strip("/").split("/"):
            case "POST", [""]:
                return self._create(request.form)
            case "GET", ["search"]:
                order_id = request.form["query"].removeprefix('metadata["order_id"]:"').removesuffix('"')
                found = [] if self.search_lags else self.intents.values()
                data = [intent for intent in found if intent["metadata"]["order_id"] == order_id]
                return {"object": "search_result", "data": data, "has_more": False}
            case "GET", [reference]:
                return self._intent(reference)
            case "POST", [reference, "capture"]:
                return self._finish(self._intent(reference), "succeeded", ("requires_capture",))
            case "POST", [reference, "cancel"]:
                return self._finish(
                    self._intent(reference), "canceled", ("requires_capture", "requires_payment_method")
                )
        raise AssertionError(f"the adapter asked for {request.method} {request.path}")

    def _create(self, form: dict[str, str]) -> Any:
        method = form["payment_method"]
        if method not in KNOWN_METHODS:
            message = f"No such PaymentMethod: '{method}'"
            raise Refused(
                400, type="invalid_request_error", code="resource_missing", param="payment_method", message=message
            )
        intent: dict[str, Any] = {
            "id": f"pi_{len(self.intents) + 1}",
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "currency": form["currency"],
            "metadata": {"order_id": form["metadata[order_id]"]},
            "status": "requires_capture" if form["capture_method"] == "manual" else "succeeded",
        }
        self.intents[intent["id"]] = intent
        if method == "pm_card_chargeDeclined":
            intent["status"] = "requires_payment_method"
            raise Refused(402, type="card_error", code="card_declined", message="Your card was declined.")
        if method == "pm_card_authenticationRequired":
            if form.get("error_on_requires_action") != "true":
                return intent | {"status": "requires_action"}
            intent["status"] = "requires_payment_method"
            raise Refused(402, type="card_error", code="authentication_required", message="Authenticate.")
        return intent

    def _intent(self, reference: str) -> dict[str, Any]:
        if reference not in self.intents:
            message = f"No such payment_intent: '{reference}'"
            raise Refused(404, type="invalid_request_error", code="resource_missing", param="intent", message=message)
        return self.intents[reference]

    def _finish(self, intent: dict[str, Any], status: str, possible: tuple[str, ...]) -> Any:
        if intent["status"] not in possible:
            message = f"This PaymentIntent has a status of {intent['status']}."
            code = "payment_intent_unexpected_state"
            raise Refused(400, type="invalid_request_error", code=code, message=message)
        intent["status"] = status
        return intent
