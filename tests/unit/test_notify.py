import json
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyKeyError
from botocore.exceptions import ClientError, ReadTimeoutError

from aws import clients
from aws.mail import EmailNotSent
from notify import app, email
from orders.retention import LONGEST_REDELIVERY_SECONDS, RETENTION_SECONDS
from tests.unit.builders import EMAIL, PERSONAL, a_line, an_order
from tests.unit.faults import dies_after, fails, just_before
from tests.unit.stack import MotoStack, aws

SENDER = "orders@shop.example"

NOTIFIED = {"notified": True}

NOBODY_NOTIFIED = {"notified": False}


@pytest.fixture
def parameters() -> dict[str, str]:
    return {"SenderEmail": SENDER}


@pytest.fixture(autouse=True)
def orders(stack: MotoStack) -> Any:
    stack.run_as("NotifyFunction")
    return stack.table("OrdersTable")


@pytest.fixture
def record(stack: MotoStack) -> Callable[[], dict[str, Any]]:
    """The only idempotency record."""

    def read() -> dict[str, Any]:
        (item,) = stack.table("IdempotencyTable").scan()["Items"]
        return dict(item)

    return read


def notify(
    order_id: str = "order-1",
    outcome: str = "CONFIRMED",
    reason: str = "ACCEPTED",
    *,
    decided: timedelta = timedelta(seconds=1),
    remaining_ms: int = 7000,
) -> dict[str, Any]:
    """Notify the customer of what was decided so long ago."""
    decided_at = (datetime.now(UTC) - decided).isoformat().replace("+00:00", "Z")
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: remaining_ms)
    event = {"order_id": order_id, "outcome": outcome, "reason": reason, "decided_at": decided_at}
    return app.handler(event, context)


def told(email: dict[str, Any]) -> tuple[str, str]:
    """The text and the HTML of an email."""
    body = email["Content"]["Simple"]["Body"]
    return body["Text"]["Data"], body["Html"]["Data"]


def test_a_confirmed_order_is_confirmed_to_its_customer(orders, outbox):
    orders.put_item(Item=an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)]))

    assert notify() == NOTIFIED

    (email,) = outbox
    assert email["FromEmailAddress"] == SENDER
    assert email["Destination"] == {"ToAddresses": [EMAIL]}
    assert email["Content"]["Simple"]["Subject"]["Data"] == "Your order order-1 is confirmed"
    for body in told(email):
        assert "your order is confirmed" in body
        assert "2 × TEA: 9.00 EUR" in body
        assert "1 × POT: 29.00 EUR" in body
        assert "Total: 38.00 EUR" in body


def test_an_email_says_that_it_is_more_than_ascii(orders, outbox):
    orders.put_item(Item=an_order())
    notify()

    simple = outbox[0]["Content"]["Simple"]
    assert not told(outbox[0])[0].isascii()
    assert {part["Charset"] for part in (simple["Subject"], *simple["Body"].values())} == {"UTF-8"}


def test_however_often_it_is_called_the_customer_gets_one_email(orders, outbox):
    orders.put_item(Item=an_order())

    assert [notify() for _ in range(3)] == [NOTIFIED] * 3

    assert len(outbox) == 1


def test_an_order_that_was_rewritten_meanwhile_is_not_told_of_again(orders, outbox):
    orders.put_item(Item=an_order())
    notify()
    orders.put_item(Item=an_order(lines=[a_line(quantity=3)], placed_at="2026-01-02T09:00:00Z"))

    assert notify() == NOTIFIED
    assert len(outbox) == 1


def test_each_order_is_told_of(orders, outbox):
    for order_id in ("order-1", "order-2"):
        orders.put_item(Item=an_order(order_id=order_id))
        notify(order_id)

    assert len(outbox) == 2


def test_each_outcome_is_told_of(orders, outbox):
    orders.put_item(Item=an_order())
    for outcome in ("CONFIRMED", "CANCELLED", "REJECTED"):
        notify(outcome=outcome)

    assert [email["Content"]["Simple"]["Subject"]["Data"] for email in outbox] == [
        "Your order order-1 is confirmed",
        "Your order order-1 is cancelled",
        "Your order order-1 is rejected",
    ]


def test_a_copy_that_is_sending_the_same_email_is_left_to_it(orders, outbox):
    orders.put_item(Item=an_order())

    def a_copy() -> None:
        with pytest.raises(app.NoticeInProgress):
            notify()

    with just_before(clients.email(), "send_email", a_copy):
        notify()

    assert len(outbox) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "SendEmail"), "TooManyRequests"),
        (ReadTimeoutError(endpoint_url="https://email"), "ReadTimeoutError"),
    ],
    ids=["throttled", "no answer"],
)
def test_an_email_that_ses_did_not_take_is_sent_by_the_next_attempt(error, code, orders, outbox):
    orders.put_item(Item=an_order())
    with pytest.raises(EmailNotSent, match=code), fails(clients.email(), "send_email", error):
        notify()

    assert notify() == NOTIFIED
    assert len(outbox) == 1


def test_after_a_sandbox_that_died_sending_nobody_sends_until_its_lease_is_over(orders, outbox):
    orders.put_item(Item=an_order())
    with dies_after(clients.email(), "send_email"):
        notify(remaining_ms=7000)

    with pytest.raises(app.NoticeInProgress):
        notify()
    assert len(outbox) == 1


def test_after_the_lease_of_a_sandbox_that_died_sending_the_customer_may_be_told_twice(orders, outbox):
    orders.put_item(Item=an_order())
    with dies_after(clients.email(), "send_email"):
        notify(remaining_ms=-1)

    assert notify() == NOTIFIED
    assert len(outbox) == 2


def test_an_attempt_that_fails_late_leaves_the_record_of_the_one_that_overtook_it(orders, outbox):
    orders.put_item(Item=an_order())

    def is_overtaken_and_fails() -> None:
        app.send_once.cache_clear()  # the other attempt's sandbox is another
        notify()
        raise ReadTimeoutError(endpoint_url="https://email")

    with pytest.raises(EmailNotSent), just_before(clients.email(), "send_email", is_overtaken_and_fails):
        notify(remaining_ms=-1)

    assert notify() == NOTIFIED
    assert len(outbox) == 1


def test_the_lease_ends_when_the_invocation_would_have_been_stopped(orders, record):
    orders.put_item(Item=an_order())
    earliest = time.time() * 1000 + 4000
    with dies_after(clients.email(), "send_email"):
        notify(remaining_ms=4000)

    assert earliest - 1 <= record()["in_progress_expiration"] <= time.time() * 1000 + 4000


def test_the_record_outlives_every_redelivery(orders, record):
    earliest = int(time.time()) + RETENTION_SECONDS
    orders.put_item(Item=an_order())
    notify()

    assert earliest <= record()["expiration"] <= time.time() + RETENTION_SECONDS


def test_the_record_says_what_was_told_and_when(orders, record):
    orders.put_item(Item=an_order())
    earliest = time.time()

    notify()

    told = json.loads(record()["data"])
    assert (told["order_id"], told["outcome"]) == ("order-1", "CONFIRMED")
    assert earliest - 0.001 <= datetime.fromisoformat(told["told_at"]).timestamp() <= time.time()
    assert told["message_id"]


def test_the_record_holds_nothing_personal(orders, record):
    orders.put_item(Item=an_order())
    notify()

    assert [secret for secret in PERSONAL if secret in str(record())] == []


def test_a_notice_without_its_key_is_not_sent(outbox):
    with pytest.raises(IdempotencyKeyError):
        app.send_once()(notice={}, message=email.write(an_order(), "CONFIRMED", "ACCEPTED"), address=EMAIL)

    assert outbox == []


def test_ses_is_asked_once_because_it_has_no_key(orders):
    orders.put_item(Item=an_order())
    asked = []

    def fail(request: Any, **_: Any) -> None:
        asked.append(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    clients.email().meta.events.register_first("before-send.sesv2.SendEmail", fail)
    with pytest.raises(EmailNotSent):
        notify()

    assert len(asked) == 1


def test_a_sender_that_is_not_verified_is_an_error(orders):
    aws("sesv2").delete_email_identity(EmailIdentity=SENDER)
    orders.put_item(Item=an_order())

    with pytest.raises(EmailNotSent, match="MessageRejected"):
        notify()


def test_an_address_that_ses_quotes_goes_no_further(orders, log):
    orders.put_item(Item=an_order())
    message = f"Email address is not verified. The following identities failed the check: {EMAIL}"
    refusal = ClientError({"Error": {"Code": "MessageRejected", "Message": message}}, "SendEmail")

    with pytest.raises(EmailNotSent) as error, fails(clients.email(), "send_email", refusal):
        notify()

    assert str(error.value) == "MessageRejected"
    assert EMAIL not in "".join(traceback.format_exception(error.value))
    assert EMAIL not in str(log())


@pytest.mark.parametrize(
    "customer",
    [
        None,
        {},
        "ada",
        {"email": None},
        {"email": ""},
        {"email": "ada"},
        {"email": "ada@"},
        {"email": "@home.example"},
        {"email": "ada@home"},
        {"email": "ada@home@example.org"},
        {"email": "ada@home.example bob@home.example"},
        {"email": "ada@home.example\nBcc: bob@home.example"},
        {"email": "ada@home.example\n"},
        {"email": f"ada@{'x' * 250}.example"},
    ],
    ids=str,
)
def test_an_order_without_an_address_is_told_to_nobody_and_needs_nobody(customer, orders, outbox, log):
    orders.put_item(Item=an_order(customer=customer))

    assert notify(outcome="REJECTED", reason="ORDER_INVALID") == NOBODY_NOTIFIED

    assert outbox == []
    assert [(line["message"], line["order_id"], line["address"]) for line in log()] == [
        ("nobody told", "order-1", False)
    ]


@pytest.mark.parametrize("parameters", [{"SenderEmail": ""}])
def test_a_stack_without_a_sender_tells_nobody_and_says_so(orders, outbox, log):
    orders.put_item(Item=an_order())

    assert notify() == NOBODY_NOTIFIED

    assert outbox == []
    assert [(line["message"], line["order_id"], line["sender"]) for line in log()] == [
        ("nobody told", "order-1", False)
    ]


def test_of_an_order_that_was_deleted_nobody_is_told_and_nobody_is_needed(outbox, log):
    assert notify() == NOBODY_NOTIFIED

    assert outbox == []
    assert [(line["message"], line["order_id"]) for line in log()] == [("nobody told", "order-1")]


def test_a_customer_is_told_what_was_decided_whatever_the_item_says(orders, outbox):
    orders.put_item(Item=an_order(status="pending", decision={"outcome": "CONFIRMED"}))
    notify(outcome="CANCELLED", reason="OUT_OF_STOCK")

    assert outbox[0]["Content"]["Simple"]["Subject"]["Data"] == "Your order order-1 is cancelled"


def test_a_decision_older_than_any_redelivery_is_old_news(orders, outbox, log):
    orders.put_item(Item=an_order())

    assert notify(decided=timedelta(seconds=LONGEST_REDELIVERY_SECONDS + 60)) == NOBODY_NOTIFIED

    assert outbox == []
    assert [(line["message"], line["order_id"]) for line in log()] == [("old news", "order-1")]


def test_the_last_redelivery_is_not_old_news(orders):
    orders.put_item(Item=an_order())

    assert notify(decided=timedelta(seconds=LONGEST_REDELIVERY_SECONDS - 60)) == NOTIFIED


# Whatever may be a key. A rejected order has to be told of like any other.
STRANGE_IDS = {
    "a line break": "o\n1",
    "a header of one's own": "o\r\nBcc: bob@home.example",
    "other line separators": "o\x0b\x0c\x1c\x85\u2028\u20291",
    "control characters": "".join(map(chr, range(32))) + "\x7f",
    "NUL": "o\x001",
    "the longest": "o" * 2048,
    "the longest in four bytes": "😀" * 512,
    "right to left": "o\u202e1",
    "markup": "<script>alert(1)</script>",
    "spaces": "   ",
}


@pytest.mark.parametrize("order_id", STRANGE_IDS.values(), ids=STRANGE_IDS.keys())
def test_an_order_is_told_of_whatever_its_id_is(order_id, orders, outbox):
    orders.put_item(Item=an_order(order_id=order_id))

    assert notify(order_id, "REJECTED", "ORDER_INVALID") == NOTIFIED

    subject = outbox[0]["Content"]["Simple"]["Subject"]["Data"]
    assert subject.isprintable()
    assert len(subject.encode()) < 998  # https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1
