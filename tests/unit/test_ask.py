"""A person is asked to approve an order: once, again, in time, and by one execution that waits."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ask import app, email
from aws import clients
from aws.mail import EmailNotSent
from orders import approval
from orders.errors import Unrecoverable
from tests.unit.approving import FIRST, HOURS, PARAMETERS, SECOND, SENDER, link_in, text_of, token_of
from tests.unit.builders import APPROVER, PERSONAL, SECRET, a_line, a_state, an_order
from tests.unit.bus import UNREACHABLE
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


def read(approvals: Any) -> Any:
    return approvals.get_item(Key={"order_id": "order-1"}).get("Item")


def answer(approvals: Any, status: str = "APPROVED") -> None:
    """What the approver's click writes."""
    approvals.update_item(
        Key={"order_id": "order-1"},
        UpdateExpression="SET #status = :status, decided_at = :at",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": status, ":at": "2026-01-01T10:00:00+00:00"},
    )


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
