"""The page behind an approver's link, and the click on one of its two buttons.

Pattern: the link shows, the button decides. Mail scanners, previews and impatient browsers follow links, often before a
person does and more than once, so a GET changes nothing. A POST is one conditional write: the first one stands,
whoever sends the second and whatever it says, and every other gets a page that tells what stands.

The link is what lets somebody in. It holds a secret that nobody can guess, of which the table has only the hash, and it
ends with the approval. https://datatracker.ietf.org/doc/html/rfc9110#name-safe-methods
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import BotoCoreError, ClientError

from approve import pages
from approve.pages import Page
from aws import approvals, callback, logger
from aws.item import plain_item, read_items
from orders import approval, iso_8601
from orders.approval import Approval, ApprovalStatus
from orders.tables import Item, approval_from

CHOICES = {"approve": ApprovalStatus.APPROVED, "deny": ApprovalStatus.DENIED}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a request of API Gateway (payload format 2.0) with a page: 200; 400 for a form that makes no sense, 404
    for no link of ours, 409 where something else stands, 410 where it is too late. Raises what DynamoDB raises.
    """
    token = unquote(event["pathParameters"]["token"])
    if event["requestContext"]["http"]["method"] == "POST":
        page = decide(token, _form(event).get("decision", ""))
    else:
        page = show(token)
    return {"statusCode": page.status, "headers": pages.HEADERS, "body": page.html}


def show(token: str) -> Page:
    """What there is to approve, or what became of it."""
    order, state, standing = _find(token)
    if standing is None:
        return pages.unknown()
    return _what_stands(order, state, standing) or pages.question(order or {})


def decide(token: str, choice: str) -> Page:
    """Write the answer down if it is the first, and wake who waits for it."""
    order, state, standing = _find(token)
    if standing is None:
        return pages.unknown()
    chosen = CHOICES.get(choice)
    if chosen is None:
        return pages.not_a_choice()
    page = _what_stands(order, state, standing)
    if page is None:
        standing = _write(standing, chosen)
        page = _what_stands(order, state, standing) or pages.too_late()
    if standing.status != ApprovalStatus.PENDING and not state:
        # Also for a second click: the first may have died before this.
        _wake(standing)
    return page.of(409) if page.status == 200 and standing.status != chosen else page


def _find(token: str) -> tuple[dict[str, Any] | None, Item | None, Approval | None]:
    """The order, what became of it, and its approval, which is None if the link is none of its own."""
    try:
        order_id, secret = approval.order_of(token)
        items = read_items(order_id, "ORDERS_TABLE", "ORDER_STATES_TABLE", "APPROVALS_TABLE") if secret else [None] * 3
    except ValueError:
        return None, None, None
    order, state, item = items
    standing = approval_from(item) if item else None
    if standing is None or approval.link_hash(secret) not in standing.links:
        return None, None, None
    return plain_item(order) if order else None, state, standing


def _what_stands(order: dict[str, Any] | None, state: Item | None, standing: Approval) -> Page | None:
    """The page for what was decided already, or can't be decided any more; None where it is the approver's turn."""
    if standing.status != ApprovalStatus.PENDING:
        return pages.answered(standing)
    if state or order is None:
        return pages.over(standing.order_id)
    if standing.expires_at <= time.time():
        return pages.too_late()
    return pages.changed() if approval.digest(order) != standing.content else None


def _write(standing: Approval, chosen: ApprovalStatus) -> Approval:
    """Write under the condition that nobody has before, and in time; answers the approval as it stands after that."""
    now = time.time()
    stands, ours = approvals.write(
        standing.order_id,
        "#status = :chosen, decided_at = :at",
        "#status = :pending AND expires_at > :now",
        {":chosen": {"S": chosen}, ":at": {"S": iso_8601(now)}, ":now": {"N": str(int(now))}},
    )
    if ours:
        logger.info("answered", order_id=standing.order_id, status=chosen)
    return stands


def _wake(standing: Approval) -> None:
    """Let the order go on at once. What is decided stands, so if this fails it is only later: the sweep finds it."""
    try:
        callback.wake(standing.task_token, standing.order_id)
    except (ClientError, BotoCoreError) as error:
        logger.warning("nobody woken", order_id=standing.order_id, error=type(error).__name__)


def _form(event: dict[str, Any]) -> dict[str, str]:
    """The form's fields; none of a body that is no form. API Gateway encodes forms in base64."""
    body = event.get("body") or ""
    try:
        text = base64.b64decode(body, validate=True).decode() if event.get("isBase64Encoded") else body
        fields = parse_qs(text, max_num_fields=10)
    except (binascii.Error, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items()}
