"""News that senders told us, each piece kept once.

Pattern: the inbox. News comes twice, late, out of order, and before the write that it is about has returned. So it is
written down first, under the id that its sender gave it, and applied after that. What came before is recognized by its
id. What cannot be applied yet stays `pending`, and so does what was written down by somebody who died before applying
it: a schedule takes both up again, whether the sender repeats them or not. After a day it is of nothing that is ours.

The id keeps news from being applied again, and not from being applied twice at the same moment. That is up to those who
apply it (carrier.py, provider.py): each of their writes has a condition and goes one way only.

Nothing personal is kept: ids, kinds, amounts, times, and the codes by which senders say what happened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aws import clients
from orders import iso_8601
from orders.tables import Item

MAX_LENGTH = 500  # characters; as many as a value of Stripe's metadata has: https://docs.stripe.com/api/metadata
INDEX = "pending"
_PENDING = {"S": "yes"}


class Sender(StrEnum):
    """Who tells."""

    CARRIER = "carrier"
    STRIPE = "stripe"


class NewsStatus(StrEnum):
    """RECEIVED until it is APPLIED, which may have changed nothing. UNKNOWN: it is of nothing that is ours."""

    RECEIVED = "RECEIVED"
    APPLIED = "APPLIED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class News:
    """What a sender told. `event_id` is what the sender calls it, the same each time that it is sent; `kind` is the
    sender's word for what happened, to the `subject`: a parcel by its reference; an intent, a refund or a dispute by
    its id at the provider. `occurred_at` is ISO 8601.

    Of payments, `intent` is the payment intent, `amount` is in the provider's units, and `said` its code for why a hold
    ended, or how a dispute stands.
    """

    sender: Sender
    event_id: str
    kind: str
    subject: str
    occurred_at: str
    order_id: str = ""
    return_id: str = ""
    intent: str = ""
    amount: int = 0
    said: str = ""
    received_at: str = ""

    @property
    def id(self) -> str:
        """The key in the inbox."""
        return f"{self.sender}:{self.event_id}"


def is_short(text: str) -> bool:
    """Whether this can be an id, a code or a time; what is kept in the inbox is no longer than that."""
    return 0 < len(text) <= MAX_LENGTH


class Malformed(Exception):
    """A sender's body is not of the form that was agreed on. The message quotes nothing of it."""


class NotYet(Exception):
    """What the news is about is not written down yet."""


class NotOurs(Exception):
    """It is about nothing of this shop, and never will be."""


def keep(news: News, now: float) -> tuple[News, NewsStatus]:
    """Write it down if it is new; answers what is kept of it, and how far it has come. Under one id there is one piece
    of news, whatever else is sent under it later.
    """
    item = _item(news) | {
        "status": {"S": NewsStatus.RECEIVED},
        "received_at": {"S": iso_8601(now)},
        "pending": _PENDING,
    }
    try:
        clients.dynamodb().put_item(
            TableName=os.environ["INBOX_TABLE"],
            Item=item,
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException as stands:
        item = stands.response["Item"]  # type: ignore[typeddict-item]
    return _news(item), NewsStatus(item["status"]["S"])


def settle(news: News, status: NewsStatus, order_id: str) -> None:
    """Write down what came of it, and of which order it was. Who comes second leaves it as it is."""
    try:
        clients.dynamodb().update_item(
            TableName=os.environ["INBOX_TABLE"],
            Key={"id": {"S": news.id}},
            UpdateExpression="SET #status = :status, order_id = :order_id REMOVE pending",
            ConditionExpression="#status = :received",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":status": {"S": status},
                ":order_id": {"S": order_id},
                ":received": {"S": NewsStatus.RECEIVED},
            },
        )
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return


def waiting(until: float, *, newest_first: bool) -> Iterator[News]:
    """What is not settled and came before `until`, in seconds since 1970; read eventually, so it may be by now."""
    query: Any = {
        "TableName": os.environ["INBOX_TABLE"],
        "IndexName": INDEX,
        "KeyConditionExpression": "pending = :pending AND received_at <= :until",
        "ExpressionAttributeValues": {":pending": _PENDING, ":until": {"S": iso_8601(until)}},
        "ScanIndexForward": not newest_first,
    }
    while True:
        page = clients.dynamodb().query(**query)
        yield from map(_news, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _item(news: News) -> Item:
    text = {
        "kind": news.kind,
        "subject": news.subject,
        "occurred_at": news.occurred_at,
        "order_id": news.order_id,
        "return_id": news.return_id,
        "intent": news.intent,
        "said": news.said,
    }
    return {
        "id": {"S": news.id},
        **{name: {"S": value} for name, value in text.items() if value},
        **({"amount": {"N": str(news.amount)}} if news.amount else {}),
    }


def _news(item: Item) -> News:
    def text(name: str) -> str:
        return str(item.get(name, {"S": ""})["S"])

    sender, _, event_id = text("id").partition(":")
    return News(
        sender=Sender(sender),
        event_id=event_id,
        kind=text("kind"),
        subject=text("subject"),
        occurred_at=text("occurred_at"),
        order_id=text("order_id"),
        return_id=text("return_id"),
        intent=text("intent"),
        amount=int(item.get("amount", {"N": "0"})["N"]),
        said=text("said"),
        received_at=text("received_at"),
    )
