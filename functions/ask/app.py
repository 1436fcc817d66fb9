"""Ask a person to approve an order, remind them, and settle what they answered or did not.

Pattern: the idempotent callback. The table decides, the token only wakes. A task waits for the answer with a token, and
a token can be lost: with its execution, with the request that should have sent it, with a retry that has another one.
So the answer is a conditional write in the Approvals table, of which the first stands, and the token says no more than
"look". Nobody waits for it alone: an order is open until its end, so its event comes again (sweep), and each time this
looks at the table. It reminds, it lets an approval expire, and it finds what was answered while nobody was listening.

The approver is written to as the sweep calls a person: a claim in the write that moves the time of the next email, then
the email, then the time at which the next one is due. Whoever dies in between leaves a claim that ends in a minute.
"""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from typing import Any

from ask import email
from aws import approvals, callback, clients, decisions, logger, mail
from aws.item import plain_item, read_items
from orders import approval, iso_8601
from orders.approval import Approval, ApprovalStatus
from orders.errors import Unrecoverable
from orders.events import REVIEWED, OrderEvent
from orders.tables import Item, approval_from, order_key

HOUR = 60 * 60
CLAIM_SECONDS = 60  # for as long nobody else writes to the approver; longer than an invocation takes


@dataclass(frozen=True)
class Task:
    """An attempt at the task that waits: `number` counts an execution's from 0, and each has a `token` of its own."""

    execution: str
    number: int
    token: str


class EventRefused(Exception):
    """The bus did not take the event. The message is its error code."""


def handler(event: dict[str, Any], context: object) -> dict[str, bool]:
    """`{"action", "order_id", "tried_minutes"}` in. `ask` also gets `task_token`, of the `execution` whose task waits
    then and is woken by it, and which `attempt` at the task this is; `settle` answers `{"settled": …}`, false while
    nobody has decided.

    Raises Unrecoverable when there is nobody to ask; mail.EmailNotSent; EventRefused; what AWS raises.
    """
    order_id, tried_minutes = event["order_id"], event["tried_minutes"]
    if event["action"] == "ask":
        ask(order_id, tried_minutes, Task(event["execution"], event["attempt"], event["task_token"]))
        return {}
    return {"settled": settle(order_id, tried_minutes)}


def ask(order_id: str, tried_minutes: int, task: Task) -> None:
    """See to it that a person is asked, and that this task waits for the answer if no other one does."""
    order, state, item = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "APPROVALS_TABLE")
    standing = approval_from(item) if item else None
    if order and not state:
        standing = _see_to(order, standing, tried_minutes, task)
    waits = order and not state and standing and standing.status == ApprovalStatus.PENDING
    if standing and not waits and standing.waiter != task.execution:
        callback.wake(standing.task_token, order_id)  # it waits for what has happened
    if not (waits and standing and standing.waiter == task.execution):
        callback.go_on(task.token)


def _see_to(order: Item, standing: Approval | None, tried_minutes: int, task: Task) -> Approval:
    """Do what is due for an order that is not decided; answers its approval as it stands then."""
    now = time.time()
    if standing is None or (standing.status == ApprovalStatus.PENDING and standing.waiter == task.execution):
        _there_is_somebody()
        standing = _wait(order, task, now)
    if standing.status == ApprovalStatus.PENDING:
        standing = _note(standing, tried_minutes, now)
    if standing.status == ApprovalStatus.PENDING and standing.mail_at <= now:
        _there_is_somebody()
        _write_to_the_approver(order, standing, now)
    return standing


def _there_is_somebody() -> None:
    if not (os.environ["APPROVER_EMAIL"] and os.environ["SENDER_EMAIL"]):
        raise Unrecoverable("nobody can be asked: ApproverEmail or SenderEmail is empty")


def _wait(order: Item, task: Task, now: float) -> Approval:
    """Be who waits for the answer, unless another execution does. A later attempt at the same task replaces the token,
    and an earlier one that comes late does not.
    """
    order_id = order["order_id"]["S"]
    hours = int(os.environ["APPROVAL_HOURS"])
    standing, _ = approvals.write(
        order_id,
        "#status = if_not_exists(#status, :pending), content = if_not_exists(content, :content),"
        " asked_at = if_not_exists(asked_at, :asked), expires_at = if_not_exists(expires_at, :expires),"
        " mail_at = if_not_exists(mail_at, :now), waiter = :me, attempt = :attempt, task_token = :token",
        "attribute_not_exists(order_id) OR (#status = :pending AND waiter = :me AND attempt <= :attempt)",
        {
            ":content": {"S": approval.digest(plain_item(order))},
            ":asked": {"S": iso_8601(now)},
            ":expires": {"N": str(int(now) + hours * HOUR)},
            ":now": {"N": str(int(now))},
            ":me": {"S": task.execution},
            ":attempt": {"N": str(task.number)},
            ":token": {"S": callback.encrypt(task.token, order_id, os.environ["APPROVAL_KEY_ID"])},
        },
    )
    return standing


def _note(standing: Approval, tried_minutes: int, now: float) -> Approval:
    """Let an approval expire that was not given in time; else note for how long the order has been tried by now."""
    if standing.expires_at <= now:
        expired = {":expired": {"S": ApprovalStatus.EXPIRED}, ":now": {"S": iso_8601(now)}}
        logger.info("approval expired", order_id=standing.order_id)
        update = "#status = :expired, decided_at = :now"
        standing, _ = approvals.write(standing.order_id, update, "#status = :pending", expired)
    elif tried_minutes > standing.tried_minutes:
        tried = {":tried": {"N": str(tried_minutes)}}
        standing, _ = approvals.write(standing.order_id, "tried_minutes = :tried", "#status = :pending", tried)
    return standing


def _write_to_the_approver(order: Item, standing: Approval, now: float) -> None:
    """Send the approver a link of its own, if no other invocation is about to."""
    secret = secrets.token_urlsafe(32)
    claimed = int(now) + CLAIM_SECONDS
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["APPROVALS_TABLE"],
            Key=order_key(standing.order_id),
            UpdateExpression="SET mail_at = :claimed ADD links :link",
            ConditionExpression="#status = :pending AND mail_at = :seen",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":claimed": {"N": str(claimed)},
                ":link": {"SS": [approval.link_hash(secret)]},
                ":pending": {"S": ApprovalStatus.PENDING},
                ":seen": {"N": str(standing.mail_at)},
            },
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return
    remind_at = standing.expires_at - int(os.environ["APPROVAL_HOURS"]) * HOUR * 5 // 6
    link = f"{os.environ['API_URL']}/approvals/{approval.token_of(standing.order_id, secret)}"
    mail.send(email.write(plain_item(order), link, standing.expires_at), os.environ["APPROVER_EMAIL"])
    logger.info("approver asked", order_id=standing.order_id, reminder=now >= remind_at)
    approvals.write(
        standing.order_id,
        "mail_at = :next",
        "#status = :pending AND mail_at = :claimed",
        {
            ":next": {"N": str(remind_at if now < remind_at else standing.expires_at)},
            ":claimed": {"N": str(claimed)},
        },
    )


def settle(order_id: str, tried_minutes: int) -> bool:
    """Carry out what was decided, by whomever; answers whether anything was.

    An order that was not approved is cancelled, unless it was decided otherwise before. In each case the pipeline is
    told to go on with it, and finds what there is to do.
    """
    order, state, item = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "APPROVALS_TABLE")
    standing = approval_from(item) if item else None
    answered = standing is not None and standing.status != ApprovalStatus.PENDING
    if order and not state and not answered:
        return False
    if order and not state and standing and standing.status in approval.REASONS:
        state = decisions.cancel(order_id, approval.REASONS[standing.status])
    if state:
        occurred_at = state["decision"]["M"]["decided_at"]["S"]
    else:
        occurred_at = (standing and standing.decided_at) or iso_8601(time.time())
    approved = standing if standing and standing.status == ApprovalStatus.APPROVED else None
    announce(
        OrderEvent(
            REVIEWED,
            order_id,
            occurred_at,
            # The pipeline's patience begins when it may begin: what came before was the approver's time.
            tried_minutes=max(0, tried_minutes - standing.tried_minutes) if standing else 0,
            approved=approved.content if approved else "",
        )
    )
    return True


def announce(event: OrderEvent) -> None:
    """Tell the bus. Raises EventRefused."""
    [result] = clients.events().put_events(Entries=[event.entry(os.environ["EVENT_BUS_NAME"])])["Entries"]
    if "ErrorCode" in result:
        raise EventRefused(result["ErrorCode"])
    logger.info("review announced", order_id=event.order_id)
