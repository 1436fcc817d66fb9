"""The front door on the embedded stack: orders through the API, and a person's approval of those over the limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.credentials import Credentials

from demo import shop
from invariants.checks import violations
from local.books import look as books_of
from local.console import progress
from local.emulator import Emulator
from local.logs import all_logs
from local.session import bring_up
from local.templates import Template
from tests.e2e.conftest import Pipeline, until
from tests.e2e.door import Door

OVER_THE_LIMIT = 25  # kettles at 69.00 EUR


@pytest.fixture(scope="module", autouse=True)
def _all_adds_up_at_the_end(shops: Pipeline, door: Door) -> Iterator[None]:
    yield
    now = until(lambda: books_of(shops.stack), lambda now: all(map(now.settled, now.orders)))
    found = violations(replace(now, opening=dict(shop.OPENING_STOCK)))
    assert {invariant.name: problems for invariant, problems in found.items() if problems} == {}
    assert executions(door, "RUNNING") == []


def executions(door: Door, status: str) -> list[Any]:
    arn = door.stack.outputs["ApprovalWorkflowArn"]
    workflows = door.stack.client("stepfunctions")
    found: list[Any] = workflows.list_executions(stateMachineArn=arn, statusFilter=status)["executions"]
    return found


def asked(door: Door, order_id: str) -> str:
    """The link in the email, once it is there."""
    return until(lambda: door.links(order_id), bool)[0]


def decision(door: Door, order_id: str) -> tuple[str, str]:
    """How an order was decided, once it is."""
    order = until(lambda: door.ask("GET", f"/orders/{order_id}").json, lambda order: order["decision"] is not None)
    return order["decision"]["outcome"], order["decision"]["reason"]


# ── The API ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_request_twenty_times_at_once_is_one_order_and_twenty_equal_answers(door: Door) -> None:
    with ThreadPoolExecutor(20) as clients:
        replies = list(clients.map(lambda _: door.place("twenty"), range(20)))
    assert {(reply.status, reply.text) for reply in replies} == {(201, replies[0].text)}
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) <= 1
    order_id = replies[0].json["order_id"]
    assert decision(door, order_id) == ("CONFIRMED", "ACCEPTED")
    assert door.place("twenty").text == replies[0].text
    assert door.place("twenty", quantity=3).status == 422


def test_a_client_sees_every_violation_and_nothing_is_stored(door: Door) -> None:
    changes = {"customer": {"customer_id": "nobody-1", "email": "no address"}, "payment_method": "cash"}
    refused = door.place("invalid", sku="NO-SUCH", changes=changes)
    assert refused.status == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert [violation.partition(":")[0] for violation in refused.json["violations"]] == [
        "customer.email",
        "payment_method",
        "lines[0].sku",
    ]
    assert door.ask("GET", "/orders?customer_id=nobody-1").json == {"orders": [], "cursor": None}


def test_an_order_is_followed_and_listed_the_newest_first(door: Door) -> None:
    changes = {"customer": {"customer_id": "customer-2", "email": "bob@example.com"}}
    placed = [door.place(f"list-{number}", changes=changes).json["order_id"] for number in range(3)]
    assert {decision(door, order_id) for order_id in placed} == {("CONFIRMED", "ACCEPTED")}
    first = door.ask("GET", "/orders?customer_id=customer-2&limit=2").json
    rest = door.ask("GET", f"/orders?cursor={first['cursor']}&customer_id=customer-2&limit=2").json
    assert [order["order_id"] for order in first["orders"] + rest["orders"]] == placed[::-1]
    followed = door.ask("GET", f"/orders/{placed[0]}")
    assert list(followed.json["history"]) == ["PLACED", "CONFIRMED"]
    assert "bob@example.com" not in followed.text


def test_a_confirmed_order_is_no_longer_the_customers_to_cancel(door: Door) -> None:
    order_id = door.place("too-late").json["order_id"]
    assert decision(door, order_id) == ("CONFIRMED", "ACCEPTED")
    refused = door.ask("POST", f"/orders/{order_id}/cancel")
    assert refused.status == 409
    assert refused.json["decision"]["outcome"] == "CONFIRMED"


def test_what_there_is_not_is_a_problem_in_the_apis_own_words(door: Door) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/orders", 405), ("GET", "/orders/o-none", 404)):
        reply = door.ask(method, path)
        assert (reply.status, reply.headers["Content-Type"]) == (status, "application/problem+json"), path


# ── Who may come in ─────────────────────────────────────────────────────────────────────────────────────────────────


def user_with(door: Door, *allowed: str) -> Credentials:
    """An IAM user that may call these routes."""
    iam = door.stack.client("iam")
    name = f"user-{len(iam.list_users()['Users'])}"
    iam.create_user(UserName=name)
    if allowed:
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": list(allowed)}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_user_policy(UserName=name, PolicyName="call", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_nobody_comes_in_unsigned_or_without_permission(door: Door) -> None:
    reader = user_with(door, "arn:aws:execute-api:*:*:*/*/GET/orders*")
    forger = Credentials(reader.access_key, "not-the-secret")
    assert door.ask("GET", "/orders?customer_id=customer-1", signed_by=None).status == 403
    assert door.ask("GET", "/orders?customer_id=customer-1", signed_by=user_with(door)).status == 403
    assert door.ask("GET", "/orders?customer_id=customer-1", signed_by=forger).status == 403
    assert door.ask("GET", "/orders?customer_id=customer-1", signed_by=reader).status == 200
    assert door.place("reader", signed_by=reader).status == 403
    assert door.ask("GET", "/openapi.json", signed_by=None).status == 403


Customers = tuple[Door, Callable[[str], tuple[str, str]]]


@pytest.fixture
def customers(doors_emulator: Emulator, shops: Pipeline, door: Door, frontdoor: Template) -> Iterator[Customers]:
    """A front door for customers with tokens, and what makes a customer: their id and their token. It goes when it is
    no longer needed: with two of them, the approver would be asked twice.
    """
    cognito = door.stack.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="customers")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH"]
    made = cognito.create_user_pool_client(UserPoolId=pool, ClientName="shop", ExplicitAuthFlows=flows)
    client = made["UserPoolClient"]["ClientId"]
    beside = replace(frontdoor, stack_name="customers-local")
    with progress() as begin:
        deployed = bring_up(
            doors_emulator,
            beside,
            begin,
            OrdersStack=shops.stack.stack_name,
            JwtIssuer=f"https://cognito-idp.us-east-1.amazonaws.com/{pool}",
            JwtAudience=client,
        )

    def customer(name: str) -> tuple[str, str]:
        user = cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")["User"]
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password="Correct-horse-1", Permanent=True)
        token = cognito.initiate_auth(
            ClientId=client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": "Correct-horse-1"},
        )["AuthenticationResult"]["AccessToken"]
        [sub] = [one["Value"] for one in user["Attributes"] if one["Name"] == "sub"]
        return sub, f"Bearer {token}"

    yield Door(deployed), customer
    formation = door.stack.client("cloudformation")
    formation.delete_stack(StackName=beside.stack_name)
    formation.get_waiter("stack_delete_complete").wait(StackName=beside.stack_name, WaiterConfig={"Delay": 1})


def test_a_customer_sees_and_cancels_only_their_own_orders(customers: Customers) -> None:
    door, customer = customers
    (ada, hers), (bob, his) = customer("ada"), customer("bob")
    ordered = {"customer": {"customer_id": ada, "email": "ada@example.com"}}
    placed = door.place("mine", changes=ordered, signed_by=None, Authorization=hers)
    assert placed.status == 201
    path = f"/orders/{placed.json['order_id']}"
    assert door.ask("GET", path, signed_by=None, Authorization=hers).status == 200
    nothing = door.ask("GET", "/orders/o-none", signed_by=None, Authorization=his)
    for method, where in (("GET", path), ("POST", f"{path}/cancel")):
        reply = door.ask(method, where, signed_by=None, Authorization=his)
        assert (reply.status, reply.text) == (404, nothing.text)
    listed = door.ask("GET", f"/orders?customer_id={ada}", signed_by=None, Authorization=his)
    assert listed.json == {"orders": [], "cursor": None}
    assert door.place("theirs", changes=ordered, signed_by=None, Authorization=his).status == 403
    assert door.ask("GET", path, signed_by=None, Authorization=hers[:-9] + "forged000").status == 401
    assert door.ask("GET", path, signed_by=None).status == 401
    assert bob != ada
    assert decision_for(door, path, hers) == "CONFIRMED"


def decision_for(door: Door, path: str, token: str) -> str:
    """The outcome that a customer sees, once there is one."""
    order = until(
        lambda: door.ask("GET", path, signed_by=None, Authorization=token).json, lambda order: order["decision"]
    )
    return str(order["decision"]["outcome"])


# ── Approval ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_over_the_limit_waits_until_a_person_approves_it(door: Door) -> None:
    order_id = door.place("big", "KETTLE", OVER_THE_LIMIT).json["order_id"]
    link = asked(door, order_id)
    pages = [door.click(link) for _ in range(2)]
    assert [page.status for page in pages] == [200, 200]
    assert "1725.00 EUR" in pages[0].text
    assert "25 × KETTLE" in pages[0].text
    waiting = door.ask("GET", f"/orders/{order_id}").json
    assert (waiting["status"], list(waiting["history"])) == ("PLACED", ["PLACED", "IN_REVIEW"])

    assert [door.click(link[:-1], "approve").status, door.click(link, "perhaps").status] == [404, 400]
    assert door.click(link, "approve").status == 200
    assert decision(door, order_id) == ("CONFIRMED", "ACCEPTED")
    assert [door.click(link, choice).status for choice in ("approve", "deny")] == [200, 409]
    assert "is approved" in door.click(link).text
    assert list(door.ask("GET", f"/orders/{order_id}").json["history"]) == [
        "PLACED",
        "IN_REVIEW",
        "APPROVED",
        "CONFIRMED",
    ]


def test_two_approvers_at_once_get_one_answer_that_stands(door: Door) -> None:
    order_id = door.place("two", "KETTLE", OVER_THE_LIMIT).json["order_id"]
    link = asked(door, order_id)
    with ThreadPoolExecutor(2) as approvers:
        clicks = {choice: approvers.submit(door.click, link, choice) for choice in ("approve", "deny")}
    statuses = {choice: click.result().status for choice, click in clicks.items()}
    assert sorted(statuses.values()) == [200, 409]
    outcome = "CONFIRMED" if statuses["approve"] == 200 else "CANCELLED"
    assert decision(door, order_id)[0] == outcome


def test_an_order_that_is_denied_is_cancelled_and_its_customer_told(shops: Pipeline, door: Door) -> None:
    order_id = door.place("denied", "KETTLE", OVER_THE_LIMIT).json["order_id"]
    assert door.click(asked(door, order_id), "deny").status == 200
    assert decision(door, order_id) == ("CANCELLED", "NOT_APPROVED")
    assert shops.wait(order_id).told(order_id) == ["CANCELLED"]


def test_an_order_that_its_customer_cancels_while_it_waits_needs_no_approval(shops: Pipeline, door: Door) -> None:
    order_id = door.place("cancelled", "KETTLE", OVER_THE_LIMIT).json["order_id"]
    link = asked(door, order_id)
    assert [door.ask("POST", f"/orders/{order_id}/cancel").status for _ in range(2)] == [200, 200]
    assert decision(door, order_id) == ("CANCELLED", "CANCELLED_BY_CUSTOMER")
    assert shops.wait(order_id).told(order_id) == ["CANCELLED"]
    assert door.click(link, "approve").status == 410
    until(lambda: executions(door, "RUNNING"), lambda running: running == [])


def test_an_answer_is_carried_out_also_when_the_execution_that_waited_is_gone(shops: Pipeline, door: Door) -> None:
    order_id = door.place("gone", "KETTLE", OVER_THE_LIMIT).json["order_id"]
    link = asked(door, order_id)
    workflows = door.stack.client("stepfunctions")
    for execution in executions(door, "RUNNING"):
        if order_id in workflows.describe_execution(executionArn=execution["executionArn"])["input"]:
            workflows.stop_execution(executionArn=execution["executionArn"])
    assert door.click(link, "approve").status == 200
    # The sweep finds what was answered as soon as the order is due, which is after a minute.
    shops.stack.table("OpenOrdersTableName").update_item(
        Key={"order_id": order_id}, UpdateExpression="SET sweep_at = :now", ExpressionAttributeValues={":now": 0}
    )
    shops.invoke("SweepFunction", {})
    assert decision(door, order_id) == ("CONFIRMED", "ACCEPTED")


def test_nothing_personal_and_no_key_is_in_the_functions_logs(door: Door) -> None:
    placed = door.place("private", "KETTLE", OVER_THE_LIMIT, changes={"customer": PLANTED})
    link = asked(door, placed.json["order_id"])
    assert door.click(link, "approve").status == 200
    assert decision(door, placed.json["order_id"]) == ("CONFIRMED", "ACCEPTED")
    said = all_logs(door.stack)
    secrets = [*PLANTED.values(), link.rpartition(".")[2], "approver@example.com"]
    assert [secret for secret in secrets if secret in said] == []


PLANTED = {"customer_id": "Planted-Grace-Hopper", "email": "grace.planted@example.com"}
