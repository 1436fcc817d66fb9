"""What the order workflow does with what others have decided: its customer, an approver, or nobody yet."""

from __future__ import annotations

import pytest

from tests.workflow.conftest import raises
from tests.workflow.test_order_workflow import Execute, decided


def test_what_was_approved_is_handed_to_whoever_checks_the_order(execute: Execute) -> None:
    done = execute(approved="a digest")
    assert [payload["approved"] for payload in done.payloads("validate")] == ["a digest"]


@pytest.mark.parametrize("reason", ["CANCELLED_BY_CUSTOMER", "NOT_APPROVED", "APPROVAL_EXPIRED", "OUT_OF_STOCK"])
def test_an_order_that_is_decided_already_is_brought_to_its_end_and_nothing_is_held(
    execute: Execute, reason: str
) -> None:
    done = execute(decided("CANCELLED", reason), validate=[raises("OrderDecided")])
    assert done.states == ["Validate", "Decline", "Undo", "Notify"]
    assert done.outcome == ("CANCELLED", reason)
    assert done.count("validate") == 1
    assert done.count("reserve") == done.count("authorize") == 0
    assert [payload["reason"] for payload in done.payloads("release") + done.payloads("void")] == [reason] * 2


def test_an_order_that_nobody_has_approved_stays_open_and_goes_to_a_person(execute: Execute) -> None:
    done = execute(validate=[raises("ReviewNeeded")])
    assert done.states == ["Validate", "Review", "Later"]
    assert done.count("validate") == 1
    assert done.open_order["review"] == {"BOOL": True}
    assert done.state == {}


def test_an_order_that_was_closed_meanwhile_is_not_opened_for_a_review(execute: Execute) -> None:
    done = execute(open_order=None, validate=[raises("ReviewNeeded")])
    assert done.states == ["Validate", "Review", "Later"]
    assert done.open_order == {}
