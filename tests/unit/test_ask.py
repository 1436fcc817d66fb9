"""A person is asked to approve an order: once, again, in time, and by one execution that waits."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ask import app
from aws import clients
from aws.mail import EmailNotSent
from orders import approval
from orders.errors import Unrecoverable
from tests.unit.approving import FIRST, HOURS, PARAMETERS, SECOND, SENDER, answer, link_in, read, text_of, token_of
from tests.unit.builders import APPROVER, PERSONAL, SECRET, a_line, an_order
from tests.unit.faults import dies_after, dies_before, fails, just_after, just_before
from tests.unit.stack import MotoStack
from tests.unit.sweeping import MINUTE, OPENED

HOUR = 60 * MINUTE
THROTTLED = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": APPROVER}}, "SendEmail")


@pytest.fixture
def parameters() -> dict[str, str]:
    return PARAMETERS


@pytest.fixture(autouse=True)
def order(stack: MotoStack, tasks: Any, outbox: Any) -> dict[str, Any]:
    """order-1, which somebody has to approve."""
    item = an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)])
    stack.table("OrdersTable").put_item(Item=item)
    return item


def content(stack: MotoStack) -> str:
    """What somebody approves who approves order-1 as it is."""
    return approval.digest(stack.table("OrdersTable").get_item(Key={"order_id": "order-1"})["Item"])


# ── The first time ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_asked_and_the_task_waits(tasks, outbox, approvals, stack):
    tasks.ask()

    assert (tasks.waiting, tasks.woken) == ([token_of()], [])
    [message] = outbox
    assert message["FromEmailAddress"] == SENDER
    assert message["Destination"] == {"ToAddresses": [APPROVER]}
    assert message["Content"]["Simple"]["Subject"]["Data"] == "Please approve order order-1"
    assert "Order order-1 over 38.00 EUR waits for your approval until Friday, 02 January 2026, 09:00 UTC." in text_of(
        message
    )
    item = read(approvals)
    assert item.pop("task_token")
    assert item == {
        "order_id": "order-1",
        "status": "PENDING",
        "content": content(stack),
        "asked_at": "2026-01-01T09:00:01.000+00:00",
        "expires_at": OPENED + HOURS * HOUR,
        "mail_at": OPENED + HOURS * HOUR // 6,
        "waiter": FIRST,
        "attempt": 0,
        "links": {approval.link_hash(approval.order_of(link_in(message))[1])},
    }


def test_what_is_written_down_lets_nobody_in_and_holds_nothing_personal(tasks, approvals, order):
    tasks.ask()

    written = str(approvals.scan()["Items"])
    assert [secret for secret in (*PERSONAL, *SECRET) if secret in written] == []
    assert order["payment_method"] not in written


def test_a_links_secret_is_one_that_nobody_can_guess(tasks, outbox, monkeypatch):
    import secrets

    monkeypatch.setattr(app, "secrets", secrets)
    tasks.ask()
    [message] = outbox

    _, secret = approval.order_of(link_in(message))
    assert len(secret) >= 256 / 6  # bits, of six in each character


@pytest.mark.parametrize("nobody", [{"ApproverEmail": ""}, {"SenderEmail": ""}], ids=["no approver", "no sender"])
class TestNobodyToAsk:
    @pytest.fixture
    def parameters(self, nobody: dict[str, str]) -> dict[str, str]:
        return PARAMETERS | nobody

    def test_an_order_that_nobody_can_be_asked_about_needs_a_person(self, tasks, approvals, outbox):
        with pytest.raises(Unrecoverable, match=r"^nobody can be asked: ApproverEmail or SenderEmail is empty$"):
            tasks.ask()

        assert (tasks.waiting, outbox, read(approvals)) == ([], [], None)

    def test_who_is_not_there_any_more_cannot_be_reminded(self, nobody, tasks, clock, monkeypatch):
        monkeypatch.setenv("APPROVER_EMAIL", APPROVER)
        monkeypatch.setenv("SENDER_EMAIL", SENDER)
        monkeypatch.setattr(clients.email(), "send_email", lambda **_: {"MessageId": "1"})
        tasks.ask()
        monkeypatch.setenv("APPROVER_EMAIL" if "ApproverEmail" in nobody else "SENDER_EMAIL", "")
        clock.now += 4 * HOUR

        with pytest.raises(Unrecoverable):
            tasks.ask(SECOND)

        assert tasks.waiting == [token_of()]


# ── The same task again ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_attempt_that_comes_again_waits_with_its_own_token_and_asks_nobody_twice(tasks, outbox, approvals):
    tasks.ask()
    tasks.waiting.clear()  # Step Functions gave this one up

    tasks.ask(attempt=1)
    answer(approvals)
    tasks.ask(SECOND)

    assert token_of(FIRST, 1) in tasks.woken
    assert len(outbox) == 1


def test_an_attempt_that_comes_late_does_not_take_the_token_of_the_one_after_it(tasks, approvals):
    tasks.ask(attempt=1)
    tasks.ask(attempt=0)

    assert read(approvals)["attempt"] == 1
    answer(approvals)
    tasks.ask(SECOND)
    assert token_of(FIRST, 1) in tasks.woken


def test_a_retried_attempt_keeps_its_deadline_and_what_was_asked(tasks, approvals, clock, order, stack):
    tasks.ask()
    before = read(approvals)
    clock.now += MINUTE
    stack.table("OrdersTable").put_item(Item=order | {"total": 1})

    tasks.ask(attempt=1)

    after = read(approvals)
    kept = ("content", "asked_at", "expires_at", "mail_at", "links", "status", "waiter")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["task_token"] != before["task_token"]


@pytest.mark.parametrize("call", ["update_item", "batch_get_item"])
def test_who_dies_before_anything_is_written_is_followed_by_the_next_attempt(call, tasks, outbox):
    with dies_before(clients.dynamodb(), call):
        tasks.ask()

    tasks.ask(attempt=1)

    assert (tasks.waiting, len(outbox)) == ([token_of(FIRST, 1)], 1)


# ── Another execution ───────────────────────────────────────────────────────────────────────────────────────────────


def test_where_one_execution_waits_another_goes_on_at_once(tasks, outbox, approvals):
    tasks.ask()
    tasks.ask(SECOND)

    assert (tasks.waiting, tasks.woken) == ([token_of()], [token_of(SECOND)])
    assert (read(approvals)["waiter"], len(outbox)) == (FIRST, 1)


def test_of_two_at_once_one_waits_and_one_email_goes(tasks, outbox):
    with just_before(clients.dynamodb(), "update_item", lambda: tasks.ask(SECOND)):
        tasks.ask()

    assert (tasks.waiting, tasks.woken) == ([token_of(SECOND)], [token_of()])
    assert len(outbox) == 1


def test_of_two_whose_turn_it_is_to_write_one_does(tasks, outbox, clock):
    tasks.ask()
    clock.now += 4 * HOUR

    with just_before(clients.dynamodb(), "update_item", lambda: tasks.ask(SECOND)):
        tasks.ask("arn:execution-3")

    assert len(outbox) == 2


def test_where_the_execution_that_waited_is_gone_the_next_one_still_sees_to_all(tasks, outbox, approvals, clock):
    tasks.ask()
    tasks.waiting.clear()
    clock.now += 4 * HOUR
    tasks.ask(SECOND)
    assert len(outbox) == 2

    answer(approvals)
    tasks.ask("arn:execution-3")

    assert tasks.woken == [token_of(SECOND), token_of("arn:execution-3")]  # which settle


# ── Emails ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_asked_and_reminded_after_a_sixth_of_the_time_and_no_more(tasks, outbox, clock):
    tasks.ask()
    sent_at = [0]
    for quarter in range(1, 4 * HOURS + 8):
        clock.now = OPENED + quarter * 15 * MINUTE
        tasks.ask(f"arn:execution-{quarter}")
        sent_at += [quarter] if len(outbox) > len(sent_at) else []

    assert sent_at == [0, 4 * HOURS // 6]


def test_a_reminder_brings_a_link_of_its_own_and_both_lead_to_the_order(tasks, outbox, clock, approvals, log):
    tasks.ask()
    clock.now += 4 * HOUR
    tasks.ask(SECOND)

    tokens = [approval.order_of(link_in(message)) for message in outbox]
    assert {order_id for order_id, _ in tokens} == {"order-1"}
    assert {approval.link_hash(secret) for _, secret in tokens} == read(approvals)["links"]
    assert len(read(approvals)["links"]) == 2
    assert [(line["message"], line["reminder"]) for line in log()] == [
        ("approver asked", False),
        ("approver asked", True),
    ]


def test_who_dies_before_the_email_lets_the_approver_wait_for_a_minute(tasks, outbox, clock):
    with dies_before(clients.email(), "send_email"):
        tasks.ask()
    assert outbox == []

    clock.now += MINUTE - 1
    tasks.ask(attempt=1)
    assert outbox == []

    clock.now += 1
    tasks.ask(SECOND)

    assert len(outbox) == 1
    assert tasks.waiting == [token_of(FIRST, 1)]


def test_who_dies_right_after_the_email_may_cost_a_second_one_and_both_links_work(tasks, outbox, clock, approvals):
    with dies_after(clients.email(), "send_email"):
        tasks.ask()
    clock.now += MINUTE
    tasks.ask(SECOND)

    assert len(outbox) == 2
    secrets = [approval.order_of(link_in(message))[1] for message in outbox]
    assert {approval.link_hash(secret) for secret in secrets} == read(approvals)["links"]


def test_an_email_that_takes_longer_than_its_claim_does_not_bring_back_the_reminder_that_went_meanwhile(
    tasks, outbox, clock, approvals
):
    def another_reminds() -> None:
        clock.now += 4 * HOUR
        tasks.ask(SECOND)

    with just_after(clients.email(), "send_email", another_reminds):
        tasks.ask()
    tasks.ask("arn:execution-3")

    assert len(outbox) == 2
    assert read(approvals)["mail_at"] == OPENED + HOURS * HOUR


@pytest.mark.parametrize("error", [THROTTLED, ReadTimeoutError(endpoint_url=APPROVER)], ids=["throttled", "no answer"])
def test_an_email_that_was_not_taken_fails_the_task_and_goes_a_minute_later(error, tasks, outbox, clock):
    with pytest.raises(EmailNotSent) as raised, fails(clients.email(), "send_email", error):
        tasks.ask()
    assert APPROVER not in str(raised.value)

    tasks.ask(attempt=1)
    clock.now += MINUTE
    tasks.ask(SECOND)

    assert (tasks.waiting, len(outbox)) == ([token_of(FIRST, 1)], 1)


def test_nobody_is_written_to_who_has_answered_meanwhile(tasks, outbox, clock, approvals):
    tasks.ask()
    clock.now += 4 * HOUR

    with just_before(clients.dynamodb(), "update_item", lambda: answer(approvals)):
        tasks.ask(SECOND)

    assert len(outbox) == 1
    assert read(approvals)["status"] == "APPROVED"


def test_an_answer_that_comes_while_the_email_goes_stands(tasks, outbox, approvals):
    with just_after(clients.email(), "send_email", lambda: answer(approvals, "DENIED")):
        tasks.ask()

    assert (read(approvals)["status"], len(outbox)) == ("DENIED", 1)


def test_a_person_has_as_long_as_the_pipeline_says(tasks, approvals, monkeypatch):
    monkeypatch.setenv("APPROVAL_HOURS", "6")
    tasks.ask()

    assert read(approvals)["expires_at"] == OPENED + 6 * HOUR
    assert read(approvals)["mail_at"] == OPENED + HOUR
