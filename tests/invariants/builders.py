"""The books of one order that went well, for the tests to damage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from invariants.books import Books, Email, Execution, Happened, from_tables
from invariants.checks import violations
from orders import Line, Outcome, PaymentStatus, Reservation, ReservationStatus
from orders.tables import order_key, reservation_item, stock_key
from payment.gateway import Intent

ORDER = {
    "order_id": "o-1",
    "customer": {"customer_id": "c-1", "email": "ada@example.com"},
    "currency": "EUR",
    "lines": [{"sku": "TEA", "quantity": 2, "unit_price": 450}],
    "total": 900,
    "payment_method": "pm_card_visa",
}
STATE = {
    "order_id": "o-1",
    "decision": {"outcome": "CONFIRMED", "reason": "ACCEPTED"},
    "status": "CONFIRMED",
    "history": {"CONFIRMED": "2026-01-01T09:00:05Z"},
}
TOLD = Email("ada@example.com", "Your order o-1 is confirmed")
HELD = Reservation("o-1", ReservationStatus.RESERVED, (Line("TEA", 2),))
TAKEN = Intent("pi_1", "succeeded", 900, "EUR")


def the_books(**changes: Any) -> Books:
    """One confirmed order, all done, and everything was watched."""
    order = {
        **order_key("o-1"),
        "customer": {"M": {"customer_id": {"S": "c-1"}, "email": {"S": "ada@example.com"}}},
        "currency": {"S": "EUR"},
        "lines": {"L": [{"M": {"sku": {"S": "TEA"}, "quantity": {"N": "2"}, "unit_price": {"N": "450"}}}]},
        "total": {"N": "900"},
        "payment_method": {"S": "pm_card_visa"},
    }
    decision = {"M": {"outcome": {"S": "CONFIRMED"}, "reason": {"S": "ACCEPTED"}}}
    history = {"M": {"CONFIRMED": {"S": "2026-01-01T09:00:05Z"}}}
    intent = {"id": {"S": "pi_1"}, "status": {"S": "succeeded"}, "amount": {"N": "900"}, "currency": {"S": "EUR"}}
    tables = {
        "OrdersTable": [order],
        "OrderStatesTable": [
            {**order_key("o-1"), "decision": decision, "status": {"S": "CONFIRMED"}, "history": history}
        ],
        "InventoryTable": [{**stock_key("TEA"), "available": {"N": "8"}}, reservation_item(HELD)],
        "PaymentsTable": [{**order_key("o-1"), "status": {"S": "CAPTURED"}, "amount": {"N": "900"}}],
        "SimulatedGatewayTable": [{**order_key("o-1"), **intent}],
        "OpenOrdersTable": [],
    }
    books = from_tables(
        tables,
        [TOLD],
        0,
        opening={"TEA": 10},
        placed={"o-1": [ORDER]},
        expected={"o-1": {Outcome.CONFIRMED}},
        past=[("o-1", STATE)],
        events={Happened("OrderPlaced", "o-1"), Happened("OrderConfirmed", "o-1")},
        executions=[Execution("run-1", "o-1", "SUCCEEDED")],
        unrecorded={},
        held={("reserve", "o-1"): [["TEA", 2]]},
        claims={("o-1", "1. sweep"): 1},
        called={},
        minutes_away=0,
        limit=0,
        clicks=[],
        placements=[],
        prices={"TEA": 450},
        cancels={},
        asked={},
        in_vain=[],
    )
    return replace(books, **changes)


def decided(outcome: str, reason: str) -> dict[str, Any]:
    """The same order, decided otherwise, with all that follows."""
    decision = {"outcome": outcome, "reason": reason}
    state = {"order_id": "o-1", "decision": decision, "status": outcome, "history": {outcome: "then"}}
    books = the_books()
    return {
        "states": {"o-1": state},
        "counters": {"TEA": [10]},
        "reservations": {"o-1": replace(HELD, status=ReservationStatus.RELEASED)},
        "payments": {"o-1": replace(books.payments["o-1"], status=PaymentStatus.VOIDED)},
        "intents": {"o-1": [replace(TAKEN, status="canceled")]},
        "emails": [Email("ada@example.com", f"Your order o-1 is {outcome.lower()}")],
        "expected": {"o-1": {outcome}},
        "past": [("o-1", state)],
        "events": {Happened("OrderPlaced", "o-1"), Happened(f"Order{outcome.capitalize()}", "o-1")},
    }


def broken(books: Books) -> set[str]:
    return {invariant.name for invariant, found in violations(books).items() if found}
