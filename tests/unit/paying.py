"""What the payment function is asked, and what may become of it: for the tests of its actions."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from payment import app
from payment.gateway import GatewayRefused, GatewayUnavailable
from tests.unit.faults import dies_after, dies_before, fails

HELD = {"held": True}
CAPTURED = {"captured": True}
ONE_HOLD = [("requires_capture", 900)]
GIVEN_BACK = [("canceled", 900)]
TAKEN = [("succeeded", 900)]
SENT_BACK = "the customer's bank sent the refund back"
NO_ANSWER = GatewayUnavailable("api_error")
REFUSAL = GatewayRefused("amount_too_small")
HOUR = 60 * 60


def authorize(**changes: Any) -> dict[str, Any]:
    charge = {"amount": 900, "currency": "EUR", "payment_method": "pm_card_visa"} | changes
    return app.handler({"action": "authorize", "order_id": "order-1"} | charge, None)


def capture() -> dict[str, Any]:
    return app.handler({"action": "capture", "order_id": "order-1"}, None)


def void(reason: str = "OUT_OF_STOCK", order_id: str = "order-1") -> dict[str, Any]:
    return app.handler({"action": "void", "order_id": order_id, "reason": reason}, None)


def refund(amount: int | None = None, return_id: str = "r-1", order_id: str = "order-1") -> dict[str, Any]:
    event = {"action": "refund", "order_id": order_id, "return_id": return_id}
    return app.handler(event if amount is None else event | {"amount": amount}, None)


def take() -> None:
    """Hold the money and take it."""
    authorize()
    capture()


def die_refunding(amount: int = 400) -> None:
    """Leave REFUNDING behind, with a refund at the provider that nobody has written down."""
    with dies_after(app.gateway(), "refund"):
        refund(amount)


def decline() -> dict[str, Any]:
    return authorize(payment_method="pm_card_chargeDeclined")


def die_authorizing() -> None:
    """Leave AUTHORIZING behind, with a hold at the provider that nobody has written down."""
    with dies_after(app.gateway(), "authorize"):
        authorize()


def die_before_authorizing() -> None:
    """Leave AUTHORIZING behind, and nothing at the provider."""
    with dies_before(app.gateway(), "authorize"):
        authorize()


def get_refused() -> dict[str, Any]:
    """Authorize what the provider refuses, for a reason of its own."""
    with fails(app.gateway(), "authorize", REFUSAL):
        return authorize()


def settle_refused(attempt: Callable[[], Any]) -> None:
    """Make an attempt that does not see what others hold."""
    with patch.object(app.gateway(), "find", return_value=None):
        attempt()


def refused(reason: str) -> dict[str, Any]:
    return {"held": False, "reason": reason}


def voided(reason: str) -> dict[str, Any]:
    return {"voided": True, "reason": reason}


def given_back(amount: int, at: str = "2026-01-01T12:00:00.000+00:00") -> dict[str, Any]:
    return {"refunded": amount, "at": at, "currency": "EUR"}
