"""Stripe's side of the wire: what its documentation promises of PaymentIntents and refunds, as far as the adapter goes.

The SDK is real, down to the request that `requests` is about to send; that one is answered here.
https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/payments/paymentintents/lifecycle,
https://docs.stripe.com/currencies, https://docs.stripe.com/api/refunds and https://docs.stripe.com/error-codes
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

KNOWN_METHODS = (
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_chargeDeclined",
    "pm_card_visa_chargeDeclined",
    "pm_card_authenticationRequired",
)
# What may be charged, in Stripe's own units: the smallest amount, and what every amount has to be a multiple of.
CHARGES = {
    "bhd": (10, 10),
    "eur": (50, 1),
    "gbp": (30, 1),
    "huf": (17500, 1),
    "isk": (100, 100),
    "jpy": (50, 1),
    "mga": (1, 1),
    "ugx": (100, 100),
    "usd": (50, 1),
}

PATH = "/v1/payment_intents"
REFUNDS = "/v1/refunds"
NOT_PAID = ("failed", "canceled")
# Answers that say nothing of what was asked for: an HTTP status and the error's fields.
AMBIGUOUS: list[tuple[int, dict[str, Any]]] = [
    (500, {"type": "api_error"}),
    (503, {"type": "api_error"}),
    (429, {"type": "invalid_request_error", "code": "rate_limit"}),
    (400, {"type": "invalid_request_error", "code": "rate_limit"}),
    (409, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}),
    (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
    (401, {"type": "invalid_request_error"}),
    (401, {"type": "invalid_request_error", "code": "api_key_expired"}),
    (403, {"type": "invalid_request_error"}),
    (429, {"type": "invalid_request_error", "code": "lock_timeout"}),
    (400, {"type": "invalid_request_error", "code": "lock_timeout"}),
    (400, {"type": "invalid_request_error", "code": "idempotency_key_in_use"}),
    (400, {"type": "invalid_request_error", "code": "parameter_unknown", "param": "confirm_now"}),
    (400, {"type": "invalid_request_error", "code": "testmode_charges_only"}),
]


@dataclass(frozen=True)
class Request:
    """A request as it would have gone over the wire."""

    method: str
    path: str
    form: dict[str, str]
    headers: dict[str, str]
    timeout: tuple[float, float]

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
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)  # the intents whose money the customer's bank has taken back
    received: list[Request] = field(default_factory=list)
    now: Callable[[], float] = time.time
    minimum: int = 0  # of this account's bank, on top of what every account has
    _answers: dict[str, tuple[Request, int, Any]] = field(default_factory=dict)
    _accidents: list[Callable[[Request], tuple[int, Any]]] = field(default_factory=list)

    def send(self, prepared: requests.PreparedRequest, timeout: tuple[float, float], **_: Any) -> requests.Response:
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

    def answers_once(self, body: dict[str, Any]) -> None:
        """The next request gets this answer, whatever it is."""
        self._accidents.append(lambda _: (200, body))

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
        if request.path == REFUNDS:
            return self._refund(request.form) if request.method == "POST" else self._list_refunds(request.form)
        match request.method, request.path.removeprefix(PATH).strip("/").split("/"):
            case "POST", [""]:
                return self._create(request.form)
            case "GET", [""]:
                return self._list(request.form)
            case "GET", [reference]:
                return self._intent(reference)
            case "POST", [reference, "capture"]:
                return self._finish(self._intent(reference), "succeeded", ("requires_capture",))
            case "POST", [reference, "cancel"]:
                return self._finish(
                    self._intent(reference), "canceled", ("requires_capture", "requires_payment_method")
                )
        raise AssertionError(f"the adapter asked for {request.method} {request.path}")

    def _list(self, form: dict[str, str]) -> Any:
        first = int(form["created[gte]"])
        last = int(form["created[lte]"]) if "created[lte]" in form else int(form["created[lt]"]) - 1
        found = [intent for intent in self.intents.values() if first <= intent["created"] <= last]
        if form.get("expand[0]") == "data.latest_charge":
            found = [intent | {"latest_charge": self._charge(intent)} for intent in found]
        return _page(PATH, found, form)

    def _charge(self, intent: dict[str, Any]) -> Any:
        """A declined attempt is a charge as well; here it is as if there had been no attempt."""
        if intent["status"] == "requires_payment_method":
            return None
        return {"id": f"ch_{intent['id']}", "object": "charge", "amount_refunded": self._refunded(intent)}

    def _refunded(self, intent: dict[str, Any]) -> int:
        mine = (one for one in self.refunds.values() if one["payment_intent"] == intent["id"])
        return sum(one["amount"] for one in mine if one["status"] not in NOT_PAID)

    def _list_refunds(self, form: dict[str, str]) -> Any:
        reference = self._intent(form["payment_intent"])["id"]
        return _page(REFUNDS, [one for one in self.refunds.values() if one["payment_intent"] == reference], form)

    def _refund(self, form: dict[str, str]) -> Any:
        intent, amount = self._intent(form["payment_intent"]), int(form["amount"])
        left = intent["amount_received"] - self._refunded(intent)
        if intent["status"] != "succeeded":
            _refuse("payment_intent", message="It does not have a successful charge to refund.")
        if intent["id"] in self.disputed:
            _refuse(None, code="charge_disputed", message="It has been charged back; cannot issue a refund.")
        if not left:
            _refuse(None, code="charge_already_refunded", message="It has already been refunded.")
        if amount < 1:
            _refuse("amount", code="parameter_invalid_integer")
        if amount > left:
            _refuse("amount", message="It is greater than the unrefunded amount on the charge.")  # without a code
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "metadata": {
                name: form[f"metadata[{name}]"] for name in ("order_id", "return_id") if f"metadata[{name}]" in form
            },
            "payment_intent": intent["id"],
            "status": "succeeded",
        }
        self.refunds[str(refund["id"])] = refund
        return refund

    def _create(self, form: dict[str, str]) -> Any:
        self._check_amount(int(form["amount"]), form["currency"])
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
            "amount_received": 0,
            "created": int(self.now()),
            "currency": form["currency"],
            "metadata": {"order_id": form["metadata[order_id]"]},
            "status": "requires_capture" if form["capture_method"] == "manual" else "succeeded",
        }
        self.intents[intent["id"]] = intent
        if method.endswith("chargeDeclined"):
            intent["status"] = "requires_payment_method"
            raise Refused(402, type="card_error", code="card_declined", message="Your card was declined.")
        if method == "pm_card_authenticationRequired":
            if form.get("error_on_requires_action") != "true":
                return intent | {"status": "requires_action"}
            intent["status"] = "requires_payment_method"
            raise Refused(402, type="card_error", code="authentication_required", message="Authenticate.")
        return intent

    def _check_amount(self, amount: int, currency: str) -> None:
        if currency not in CHARGES:
            _refuse("currency")  # without a code
        smallest, multiple = CHARGES[currency]
        if amount < max(smallest, self.minimum):
            _refuse("amount", code="amount_too_small")
        if amount > 999_999_999_999:
            _refuse("amount", code="amount_too_large")
        if amount % multiple:
            _refuse("amount", code="invalid_charge_amount_no_decimal_compatible")

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
        intent["amount_received"] = intent["amount"] if status == "succeeded" else 0
        return intent


def _refuse(param: str | None, message: str = "It is invalid.", **error: str) -> None:
    raise Refused(400, type="invalid_request_error", param=param, message=message, **error)


def _page(url: str, oldest_first: list[dict[str, Any]], form: dict[str, str]) -> Any:
    """Newest first, as many as are asked for. https://docs.stripe.com/api/pagination"""
    found = oldest_first[::-1]
    if after := form.get("starting_after"):
        found = found[[one["id"] for one in found].index(after) + 1 :]
    limit = int(form.get("limit", 10))
    return {"object": "list", "url": url, "data": found[:limit], "has_more": len(found) > limit}
