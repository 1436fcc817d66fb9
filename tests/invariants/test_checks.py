"""Each invariant can be broken, and only what breaks it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from approve.app import CHOICES
from invariants import shipping
from invariants.books import Called, Click, Execution, Happened, Placement
from invariants.checks import INVARIANTS, violations
from orders import Line, Outcome, PaymentStatus
from orders.approval import REASONS, Approval, ApprovalStatus, digest
from tests.invariants.builders import HELD, ORDER, STATE, TAKEN, TOLD, broken, decided, the_books

APPROVAL = Approval("o-1", ApprovalStatus.PENDING, digest(ORDER), "2026-01-01T09:00:00+00:00", 0, 0, "run-1", "token")
ANSWERS = {status: choice for choice, status in CHOICES.items()}


def approved(status: ApprovalStatus = ApprovalStatus.APPROVED) -> dict[str, Any]:
    """An approver was asked about the order, and answered."""
    return {
        "approvals": {"o-1": replace(APPROVAL, status=status)},
        "clicks": [Click("o-1", ANSWERS[status], 200)],
        "asked": {"o-1": 1},
    }


# What breaks each invariant and no other.
BREAKS: dict[str, dict[str, Any]] = {
    "nothing_is_oversold": {"counters": {"TEA": [9, -1]}},
    "stock_is_conserved": {"counters": {"TEA": [9]}},
    "one_payment_at_most": {"intents": {"o-1": [TAKEN, replace(TAKEN, status="requires_capture")]}},
    "confirmed_is_captured_in_full": {"intents": {"o-1": [replace(TAKEN, amount=899)]}},
    "otherwise_nothing_is_held": decided("CANCELLED", "ORDER_CHANGED") | {"intents": {"o-1": [TAKEN]}},
    "records_agree_with_the_decision": {"payments": {}},
    "everything_is_decided": {"orders": {"o-1": ORDER, "o-2": ORDER}, "placed": None, "expected": None},
    "the_decision_never_changes": {"past": [("o-1", STATE), ("o-1", None)]},
    "the_outcome_is_right": {"expected": {"o-1": {Outcome.CANCELLED}}},
    "the_reason_is_true": decided("CANCELLED", "OUT_OF_STOCK"),
    "orders_are_the_customers": {"orders": {"o-1": ORDER | {"status": "CONFIRMED"}}},
    "the_customer_is_told_the_outcome": {"emails": []},
    "nobody_else_is_told": {"emails": [TOLD._replace(to="somebody.else@example.com")]},
    "nobody_is_told_twice": {"emails": [TOLD, TOLD]},
    "other_content_is_refused": {"held": {("reserve", "o-1"): [["TEA", 2], ["TEA", 3]]}},
    "every_change_is_announced": {"events": {Happened("OrderPlaced", "o-1")}},
    "every_order_is_started": {"executions": []},
    "every_workflow_ends": {"executions": [Execution("run-1", "o-1", "RUNNING")]},
    "no_workflow_fails": {"executions": [Execution("run-1", "o-1", "FAILED", "States.Timeout")]},
    "every_order_ends": {"open": {"o-1"}},
    "no_sale_is_lost_to_what_passes": decided("CANCELLED", "PAYMENT_UNAVAILABLE") | {"minutes_away": 10},
    "nobody_is_called_for_what_passes": {"called": {"o-1": [Called(60)]}, "minutes_away": 55},
    "a_person_is_called_for_what_needs_one": {"mistaken": {"o-1": 5.0}},
    "a_person_is_called_once_a_day": {
        "called": {"o-1": [Called(60), Called(120, recorded=False), Called(960)]},
        "mistaken": {"o-1": 5.0},
    },
    "a_sweep_is_taken_on_once": {"claims": {("o-1", "1. sweep"): 2}},
    "nothing_over_the_limit_goes_unapproved": {"limit": 500},
    "the_first_answer_stands": approved() | {"clicks": [Click("o-1", "approve", 200), Click("o-1", "deny", 200)]},
    "what_is_not_approved_is_cancelled": approved(ApprovalStatus.DENIED),
    "every_approval_ends": {"approvals": {"o-2": APPROVAL}, "asked": {"o-2": 1}},
    "the_approver_is_asked_once": approved() | {"asked": {"o-1": 2}},
    "nobody_waits_in_vain": {"in_vain": ["o-1"]},
    "a_cancel_that_was_answered_stands": {"cancels": {"o-1": [200]}},
    "an_order_that_was_answered_is_placed": {
        "placements": [Placement(ORDER | {"lines": [{"sku": "TEA", "quantity": 3}]}, 201, {"order_id": "o-1"})]
    },
    "the_catalogue_says_what_it_costs": {
        "placements": [Placement(ORDER, 201, {"order_id": "o-1"})],
        "prices": {"TEA": 500},
    },
    "nothing_waits": {"waiting": 1},
}


# What would be wrong if it had been read.
UNREAD: dict[str, dict[str, Any]] = {
    "emails": {"emails": []},
    "waiting": {"waiting": 1},
    "intents": {"intents": {}},
    "bookings": {"bookings": {"o-1/out/main": ["SIM-1"]}, "after_sale": True, "news": None, "shipments": {}},
}


def test_nothing_contradicts_an_order_that_went_well() -> None:
    assert broken(the_books()) == set()


@pytest.mark.parametrize(("outcome", "reason"), [("CANCELLED", "ORDER_CHANGED"), ("CANCELLED", "PAYMENT_UNAVAILABLE")])
def test_nothing_contradicts_an_order_that_was_cancelled_and_undone(outcome: str, reason: str) -> None:
    assert broken(the_books(**decided(outcome, reason), minutes_away=90)) == set()


def test_nothing_contradicts_an_order_over_the_limit_that_was_approved_as_it_is() -> None:
    assert broken(the_books(**approved(), limit=500)) == set()


def test_an_order_that_is_another_one_than_was_approved_is_noticed() -> None:
    other = replace(APPROVAL, status=ApprovalStatus.APPROVED, content=digest(ORDER | {"total": 1}))
    books = the_books(**approved() | {"approvals": {"o-1": other}}, limit=500)
    assert broken(books) == {"nothing_over_the_limit_goes_unapproved"}


@pytest.mark.parametrize("status", REASONS)
def test_nothing_contradicts_an_order_that_was_not_approved(status: ApprovalStatus) -> None:
    answered = approved(status) if status in ANSWERS else approved() | {"clicks": []}
    approvals = {"approvals": {"o-1": replace(APPROVAL, status=status)}}
    assert broken(the_books(**decided("CANCELLED", REASONS[status]), **answered | approvals)) == set()


def test_nothing_contradicts_an_order_that_its_customer_cancelled_while_somebody_was_asked() -> None:
    cancelled = decided("CANCELLED", "CANCELLED_BY_CUSTOMER") | {"cancels": {"o-1": [200, 200]}}
    assert broken(the_books(**cancelled, approvals={"o-1": APPROVAL}, asked={"o-1": 1})) == set()


def test_a_person_may_be_called_for_a_mistake_and_again_the_next_day() -> None:
    calls = {"o-1": [Called(120.0), Called(120.0 + 24 * 60 * 60)]}
    assert broken(the_books(called=calls, mistaken={"o-1": 60.0})) == set()


def test_a_person_may_be_called_when_services_were_away_for_longer_than_orders_may_be_open() -> None:
    assert broken(the_books(called={"o-1": [Called(7200.0)]}, minutes_away=180)) == set()


def test_there_is_a_case_for_every_invariant() -> None:
    # test_shipping.py has those of what comes after the sale.
    assert set(BREAKS) == {invariant.name for invariant in INVARIANTS if invariant not in shipping.INVARIANTS}
    assert len({invariant.sentence for invariant in INVARIANTS}) == len(INVARIANTS)


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_an_invariant_is_noticed_by_it_and_by_no_other(name: str) -> None:
    assert broken(the_books(**BREAKS[name])) == {name}


@pytest.mark.parametrize("known", [{"unread": ["intents"]}, {"intents": {"o-1": [TAKEN]}}])
def test_an_order_whose_hold_lapsed_and_that_was_cancelled_then_owes_nothing(known: dict[str, Any]) -> None:
    cancelled = STATE | {"status": "CANCELLED", "reason": "CANCELLED_BEFORE_SHIPPING"}
    cancelled["history"] = {"CONFIRMED": "then", "CANCELLED": "then"}
    voided = {"o-1": replace(the_books().payments["o-1"], status=PaymentStatus.VOIDED)}
    canceled: dict[str, Any] = {"intents": {"o-1": [replace(TAKEN, status="canceled")]}}
    unwatched: dict[str, Any] = {"past": None, "events": None, "cancels": None, "unread": ["emails"]}
    assert broken(the_books(states={"o-1": cancelled}, payments=voided, **canceled | unwatched)) == set()
    still_confirmed = broken(the_books(payments=voided, **unwatched | known))
    assert "records_agree_with_the_decision" in still_confirmed


def test_what_forbids_a_late_hold_may_be_forgotten_and_must_not_be_missing_before_that() -> None:
    gone = decided("CANCELLED", "ORDER_CHANGED") | {"reservations": {}, "payments": {}}
    assert broken(the_books(**gone)) == {"records_agree_with_the_decision"}
    assert broken(the_books(**gone, forgotten={"o-1"})) == set()


def test_where_nobody_knows_its_versions_an_order_is_what_reservation_and_payment_agree_on() -> None:
    priced = {"o-1": replace(HELD, lines=(Line("TEA", 2, 450),))}
    unwatched: dict[str, Any] = {"placed": None, "expected": None, "orders": {}, "unread": ["emails"]}
    assert broken(the_books(reservations=priced, **unwatched)) == set()
    less: dict[str, Any] = {"intents": {"o-1": [replace(TAKEN, amount=899)]}}
    assert broken(the_books(reservations=priced, **unwatched | less)) == {"confirmed_is_captured_in_full"}


@pytest.mark.parametrize("evidence", ["emails", "waiting", "intents", "bookings"])
def test_what_nobody_read_is_not_judged(evidence: str) -> None:
    judged = violations(the_books(unread=[evidence], **UNREAD[evidence]))

    assert [one for one in judged if evidence in one.needs] == []
    assert [one for one in INVARIANTS if evidence in one.needs] != []
    assert not any(judged.values())


@pytest.mark.parametrize(
    "evidence",
    sorted({evidence for invariant in INVARIANTS for evidence in invariant.needs}),
)
def test_what_nobody_watched_is_not_judged(evidence: str) -> None:
    judged = violations(the_books(**{evidence: None}))

    assert [one for one in judged if evidence in one.needs] == []
    assert not any(judged.values())
