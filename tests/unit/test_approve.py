"""The link shows, the button decides, and the first answer stands."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws import clients
from tests.unit.approving import HOURS, PARAMETERS, SECOND, click, link_in, look, title, token_of
from tests.unit.builders import APPROVER, PERSONAL, TASK_TOKEN, a_line, a_state, an_order
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import dies_after, dies_before, fails, just_before
from tests.unit.sweeping import MINUTE, OPENED

HOUR = 60 * MINUTE
EXPIRES_AT = OPENED + HOURS * HOUR
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": TASK_TOKEN}}, "SendTaskSuccess")


@pytest.fixture
def parameters() -> dict[str, str]:
    return PARAMETERS


# ── The link shows ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_link_shows_what_there_is_to_approve_and_two_buttons(link):
    response = look(link)

    assert response["statusCode"] == 200
    assert title(response) == "Approve order order-1?"
    for part in ("2 × TEA", "9.00 EUR", "1 × POT", "29.00 EUR", "38.00 EUR"):
        assert part in response["body"]
    assert re.findall(r"<button name=decision value=(\w+)>", response["body"]) == ["approve", "deny"]
    assert "<form method=post>" in response["body"]


def test_following_the_link_changes_nothing_however_often(link, standing, approvals, tasks):
    before = approvals.scan()["Items"]

    answers = [look(link) for _ in range(20)]

    assert [answer["statusCode"] for answer in answers] == [200] * 20
    assert approvals.scan()["Items"] == before
    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_following_the_link_asks_aws_for_nothing_but_a_read(link):
    calls: list[str] = []
    for client in (clients.dynamodb(), clients.keys(), clients.workflows()):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))

    look(link)

    assert calls == ["BatchGetItem"]


def test_the_page_holds_nothing_of_the_customer_nor_how_they_pay(link):
    body = look(link)["body"]

    assert [secret for secret in (*PERSONAL, APPROVER, "pm_card_visa") if secret in body] == []


def test_everything_is_read_consistently(link, stack, monkeypatch):
    client: Any = clients.dynamodb()
    read_all, requests = client.batch_get_item, []

    def keeping(**asked: Any) -> Any:
        requests.append(asked["RequestItems"])
        return read_all(**asked)

    monkeypatch.setattr(client, "batch_get_item", keeping)
    look(link)

    [asked] = requests
    assert {each["ConsistentRead"] for each in asked.values()} == {True}
    assert asked.keys() == {stack[table] for table in ("OrdersTable", "OrderStatesTable", "ApprovalsTable")}


# ── The button decides ──────────────────────────────────────────────────────────────────────────────────────────────

CHOICES = pytest.mark.parametrize(
    ("decision", "status", "says"),
    [("approve", "APPROVED", "Order order-1 is approved"), ("deny", "DENIED", "Order order-1 is denied")],
)


@CHOICES
def test_a_click_decides_and_wakes_whoever_waits(decision, status, says, *, link, standing, tasks, clock):
    clock.now += HOUR
    response = click(link, decision)

    assert (response["statusCode"], title(response)) == (200, says)
    assert standing() == (status, "2026-01-01T10:00:01.000+00:00")
    assert tasks.woken == [token_of()]


@CHOICES
def test_a_second_click_is_told_the_same_and_changes_nothing(decision, status, says, *, link, standing, tasks, clock):
    first = click(link, decision)
    decided = standing()
    clock.now += HOUR

    assert click(link, decision) == first

    assert standing() == decided
    assert tasks.woken == [token_of()]


@pytest.mark.parametrize(("first", "then"), [("approve", "deny"), ("deny", "approve")])
def test_the_other_button_is_told_what_stands(first, then, link, standing):
    click(link, first)
    decided = standing()

    response = click(link, then)

    assert response["statusCode"] == 409
    assert title(response) == {"approve": "Order order-1 is approved", "deny": "Order order-1 is denied"}[first]
    assert "The first answer stands." in response["body"]
    assert standing() == decided


@pytest.mark.parametrize(("mine", "status"), [("approve", 200), ("deny", 409)])
def test_of_two_clicks_at_once_the_first_one_stands_and_both_are_told(mine, status, link, standing, tasks):
    theirs = []

    with just_before(clients.dynamodb(), "update_item", lambda: theirs.append(click(link, "approve"))):
        response = click(link, mine)

    assert standing()[0] == "APPROVED"
    assert (response["statusCode"], title(response)) == (status, "Order order-1 is approved")
    assert theirs[0]["statusCode"] == 200
    assert tasks.woken == [token_of()]


def test_the_link_tells_afterwards_what_was_decided(link):
    click(link, "deny")

    response = look(link)

    assert (response["statusCode"], title(response)) == (200, "Order order-1 is denied")
    assert "<form" not in response["body"]


def test_the_link_of_a_reminder_decides_as_well_and_once(link, standing, *, tasks, outbox, clock, stack):
    stack.run_as("AskFunction")
    clock.now += 4 * HOUR
    tasks.ask(SECOND)
    reminder = link_in(outbox[-1])
    assert reminder != link

    assert click(reminder, "approve")["statusCode"] == 200
    assert click(link, "deny")["statusCode"] == 409
    assert standing()[0] == "APPROVED"


def test_a_link_counts_from_before_its_email_is_sent(link, tasks, clock, stack, outbox):
    stack.run_as("AskFunction")
    clock.now += 4 * HOUR
    with dies_after(clients.email(), "send_email"):
        tasks.ask(SECOND)

    assert look(link_in(outbox[-1]))["statusCode"] == 200


# ── Who dies ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_dies_after_the_write_is_followed_by_the_second_click_which_wakes(link, standing, tasks):
    with dies_after(clients.dynamodb(), "update_item"):
        click(link)
    assert (standing()[0], tasks.woken) == ("APPROVED", [])

    assert click(link)["statusCode"] == 200

    assert tasks.woken == [token_of()]


def test_who_dies_before_the_write_has_decided_nothing(link, standing, tasks):
    with dies_before(clients.dynamodb(), "update_item"):
        click(link)

    assert (standing(), tasks.woken) == (("PENDING", None), [])


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED], ids=["unreachable", "throttled"])
@pytest.mark.parametrize(("service", "call"), [(clients.keys, "decrypt"), (clients.workflows, "send_task_success")])
def test_an_answer_that_wakes_nobody_stands_all_the_same(service, call, error, *, link, standing, tasks, log):
    with fails(service(), call, error):
        response = click(link)

    assert (response["statusCode"], standing()[0], tasks.woken) == (200, "APPROVED", [])
    assert [(line["message"], line["order_id"], line["error"]) for line in log() if line["level"] == "WARNING"] == [
        ("nobody woken", "order-1", type(error).__name__)
    ]


def test_whoever_waits_no_more_does_not_concern_the_approver(link, standing, tasks, log):
    tasks.waiting.clear()

    assert click(link)["statusCode"] == 200

    assert standing()[0] == "APPROVED"
    assert [line for line in log() if line["level"] == "WARNING"] == []


# ── Too late ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("now", [EXPIRES_AT, EXPIRES_AT + 0.5, EXPIRES_AT + HOUR])
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_click_that_comes_too_late_decides_nothing(now, decision, *, link, standing, clock, tasks):
    clock.now = now

    assert click(link, decision)["statusCode"] == look(link)["statusCode"] == 410

    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_a_click_in_the_last_second_counts(link, standing, clock):
    clock.now = EXPIRES_AT - 0.5

    assert click(link)["statusCode"] == 200

    assert standing()[0] == "APPROVED"


def test_a_click_that_is_too_late_only_by_the_time_it_is_written_decides_nothing(link, standing, clock, monkeypatch):
    times = iter([EXPIRES_AT - 1.0])
    monkeypatch.setattr(clock, "time", lambda: next(times, EXPIRES_AT + 1.0))

    assert click(link)["statusCode"] == 410

    assert standing() == ("PENDING", None)


def test_an_approval_that_has_expired_stays_so(link, standing, clock, stack, tasks):
    clock.now = EXPIRES_AT
    stack.run_as("AskFunction")
    tasks.ask(SECOND)

    response = click(link)

    assert (response["statusCode"], title(response)) == (410, "Order order-1 was not approved in time")
    assert look(link)["statusCode"] == 410
    assert standing()[0] == "EXPIRED"


@pytest.mark.parametrize("meanwhile", ["cancelled", "deleted"])
def test_an_order_that_came_to_its_end_meanwhile_needs_no_answer(meanwhile, link, standing, stack, tasks):
    if meanwhile == "cancelled":
        stack.table("OrderStatesTable").put_item(Item=a_state("CANCELLED", "CANCELLED_BY_CUSTOMER"))
    else:
        stack.table("OrdersTable").delete_item(Key={"order_id": "order-1"})

    for response in (look(link), click(link), click(link, "deny")):
        assert (response["statusCode"], title(response)) == (410, "Order order-1 needs no approval any more")

    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_what_was_decided_is_told_after_the_order_has_come_to_its_end(link, stack):
    click(link, "deny")
    stack.table("OrderStatesTable").put_item(Item=a_state("CANCELLED", "NOT_APPROVED"))

    assert (look(link)["statusCode"], title(look(link))) == (200, "Order order-1 is denied")
    assert click(link, "deny")["statusCode"] == 200
    assert click(link, "approve")["statusCode"] == 409


# ── Another order than was asked about ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("decision", ["approve", "deny"])
@pytest.mark.parametrize(
    "changes", [{"total": 10**9}, {"lines": [a_line(quantity=1)]}, {"payment_method": "pm_card_of_another"}], ids=str
)
def test_an_order_that_was_changed_since_can_be_decided_by_nobody(changes, decision, *, link, standing, stack, tasks):
    stack.table("OrdersTable").put_item(Item=an_order() | changes)

    for response in (look(link), click(link, decision)):
        assert (response["statusCode"], title(response)) == (409, "This order was changed")
        assert "<form" not in response["body"]

    assert (standing(), tasks.woken) == (("PENDING", None), [])


def test_what_nobody_was_asked_about_may_change(link, standing, stack):
    orders = stack.table("OrdersTable")
    order = orders.get_item(Key={"order_id": "order-1"})["Item"]
    orders.put_item(Item=order | {"note": "in a hurry"})

    assert click(link)["statusCode"] == 200

    assert standing()[0] == "APPROVED"
