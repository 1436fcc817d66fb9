"""When nobody has to wait for an approval any more, and what its email says."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ask import email
from aws import clients
from tests.unit.approving import FIRST, HOURS, PARAMETERS, SECOND, answer, read, text_of, token_of
from tests.unit.builders import PERSONAL, a_line, a_state, an_order
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import fails, just_before
from tests.unit.stack import MotoStack
from tests.unit.sweeping import MINUTE, OPENED

HOUR = 60 * MINUTE


@pytest.fixture
def parameters() -> dict[str, str]:
    return PARAMETERS


@pytest.fixture(autouse=True)
def order(stack: MotoStack, tasks: Any, outbox: Any) -> dict[str, Any]:
    """order-1, which somebody has to approve."""
    item = an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)])
    stack.table("OrdersTable").put_item(Item=item)
    return item


# ── Nothing to wait for ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["APPROVED", "DENIED", "EXPIRED"])
def test_what_was_answered_while_nobody_was_woken_wakes_whoever_waits(status, tasks, outbox, approvals):
    tasks.ask()
    answer(approvals, status)
    tasks.ask(SECOND)

    assert (tasks.waiting, tasks.woken) == ([], [token_of(), token_of(SECOND)])
    assert (read(approvals)["status"], len(outbox)) == (status, 1)


def test_an_attempt_of_the_execution_that_waits_goes_on_itself_once_there_is_an_answer(tasks, approvals):
    tasks.ask()
    tasks.waiting.clear()
    answer(approvals)

    tasks.ask(attempt=1)

    assert tasks.woken == [token_of(FIRST, 1)]


@pytest.mark.parametrize("late", [0, HOUR], ids=["to the second", "an hour later"])
def test_an_approval_that_is_not_given_in_time_expires_and_the_task_goes_on(
    late, *, tasks, outbox, approvals, clock, log
):
    tasks.ask()
    clock.now = OPENED + HOURS * HOUR + late
    tasks.ask(SECOND)

    item = read(approvals)
    assert item["status"] == "EXPIRED"
    assert item["decided_at"] == f"2026-01-02T{9 + late // HOUR:02}:00:01.000+00:00"
    assert (tasks.waiting, tasks.woken) == ([], [token_of(), token_of(SECOND)])
    assert len(outbox) == 1
    assert log()[-1]["message"] == "approval expired"


def test_an_approval_does_not_expire_a_second_early(tasks, approvals, clock):
    tasks.ask()
    clock.now = OPENED + HOURS * HOUR - 1
    tasks.ask(SECOND)

    assert read(approvals)["status"] == "PENDING"


def test_what_was_answered_in_the_last_moment_does_not_expire(tasks, approvals, clock):
    tasks.ask()
    clock.now = OPENED + HOURS * HOUR

    with just_before(clients.dynamodb(), "update_item", lambda: answer(approvals)):
        tasks.ask(SECOND)

    assert read(approvals)["status"] == "APPROVED"
    assert tasks.woken == [token_of(), token_of(SECOND)]


def test_an_order_that_was_decided_before_anybody_was_asked_asks_nobody(tasks, outbox, approvals, stack):
    stack.table("OrderStatesTable").put_item(Item=a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"))
    tasks.ask()

    assert (tasks.woken, outbox, read(approvals)) == ([token_of()], [], None)


def test_an_order_that_is_decided_meanwhile_wakes_whoever_waits(tasks, outbox, stack, clock):
    tasks.ask()
    stack.table("OrderStatesTable").put_item(Item=a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"))
    clock.now += 4 * HOUR
    tasks.ask(SECOND)

    assert (tasks.waiting, tasks.woken) == ([], [token_of(), token_of(SECOND)])
    assert len(outbox) == 1


def test_an_order_that_is_deleted_wakes_whoever_waits_and_asks_nobody(tasks, outbox, stack, clock):
    tasks.ask()
    stack.table("OrdersTable").delete_item(Key={"order_id": "order-1"})
    clock.now += 4 * HOUR
    tasks.ask(SECOND)

    assert (tasks.waiting, tasks.woken) == ([], [token_of(), token_of(SECOND)])
    assert len(outbox) == 1


def test_an_order_that_was_deleted_before_anybody_was_asked_asks_nobody(tasks, outbox, approvals):
    tasks.ask(order_id="order-2")

    assert (tasks.woken, outbox, approvals.scan()["Items"]) == ([token_of()], [], [])


def test_whoever_could_not_be_woken_is_woken_by_the_next_attempt(tasks, approvals):
    tasks.ask()
    answer(approvals)
    with pytest.raises(type(UNREACHABLE)), fails(clients.workflows(), "send_task_success", UNREACHABLE):
        tasks.ask(SECOND)
    assert tasks.waiting == [token_of()]

    tasks.ask(SECOND, attempt=1)

    assert tasks.woken == [token_of(), token_of(SECOND, 1)]


@pytest.mark.parametrize("table", ["OrdersTable", "OrderStatesTable", "ApprovalsTable"])
def test_everything_is_read_consistently_and_at_once(table, tasks, stack, monkeypatch):
    client: Any = clients.dynamodb()
    read_all, requests = client.batch_get_item, []

    def keeping(**request: Any) -> Any:
        requests.append(request["RequestItems"])
        return read_all(**request)

    monkeypatch.setattr(client, "batch_get_item", keeping)
    tasks.ask()

    [request] = requests
    assert request[stack[table]]["ConsistentRead"] is True


def test_what_dynamodb_left_unread_is_tried_again(tasks, monkeypatch):
    def nothing(RequestItems: Any) -> Any:  # noqa: N803
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(clients.dynamodb(), "batch_get_item", nothing)

    with pytest.raises(TimeoutError):
        tasks.ask()

    assert tasks.woken == []


# ── What the email says ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_email_tells_the_approver_what_a_click_does_and_nothing_of_the_customer():
    message = email.write(an_order(), "https://api.shop.example/approvals/a.b", OPENED)

    for body in (message.text, message.html):
        assert "9.00 EUR" in body
        assert "https://api.shop.example/approvals/a.b" in body
        assert "Nothing is approved by opening the link." in body
        assert [secret for secret in PERSONAL if secret in body] == []


def test_what_the_order_holds_is_text_and_never_markup():
    order = an_order(order_id="<script>1</script>", currency="<img src='x'>", total=900)
    message = email.write(order, "https://api.shop.example/'onclick='1", OPENED)

    assert not re.findall("<script|<img|'onclick", message.html)
    assert "<script>1" in message.text


def test_a_subject_is_one_line_whatever_the_id_is():
    message = email.write(an_order(order_id="order\r\nBcc: everybody@example.com"), "https://x", OPENED)

    assert message.subject.isprintable()


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(changes=st.fixed_dictionaries({}, optional={"total": GARBAGE, "currency": GARBAGE, "lines": GARBAGE}))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_order_that_is_nonsense_over_the_limit_is_asked_about_all_the_same(changes):
    assert "Please approve" in email.write(an_order() | changes, "https://x", OPENED).subject


def test_an_order_over_the_limit_that_is_malformed_otherwise_is_asked_about(tasks, outbox, stack):
    item = {"order_id": "order-2", "total": Decimal(10**12), "lines": {"TEA", "POT"}, "currency": None}
    stack.table("OrdersTable").put_item(Item=item)
    tasks.ask(order_id="order-2")

    assert "an amount that is not readable" not in text_of(outbox[0])
    assert tasks.waiting == [token_of()]
