"""Tell the customer what became of the order, and cross the order off the list of what is to do.

Pattern: Powertools idempotency, a lock and a response cache in front of a service that has no idempotency key. The key
is the order and its outcome, and the return if it is about one, so the copies of an execution share it; the record
outlives every redelivery.

It is not exactly-once, and nothing here can be: when this sandbox dies between SES taking the email and the record
saying so, the lease ends and the next attempt writes to the customer again (docs/patterns.md). An effect that must not
happen twice belongs in a conditional write or behind a provider's key; an email may.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from aws import clients, logger, mail
from aws.item import read_order
from aws.metrics import MetricUnit, emit
from notify import email
from orders import OpenOrder, backoff, epoch_seconds, iso_8601
from orders.events import PLACED
from orders.retention import LONGEST_REDELIVERY_SECONDS, RETENTION_SECONDS
from orders.tables import open_order_from, open_order_key


class NoticeInProgress(Exception):
    """Another invocation is writing to the customer, or died while it was. Its lease ends before the next sweep."""


@dataclass(frozen=True)
class Notice:
    """What there is to tell: that the order came to this outcome (a Status), for this reason or none, at this time
    (ISO 8601). Of a return, `return_id` says which, and `amount` what was paid back, in minor units. `closes` says that
    nothing is left to do after it.
    """

    order_id: str
    outcome: str
    reason: str
    decided_at: str
    return_id: str
    amount: int
    closes: bool

    @property
    def about(self) -> dict[str, str]:
        """The order, or its return, that this is about."""
        return {"order_id": self.order_id} | ({"return_id": self.return_id} if self.return_id else {})


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"order_id", "outcome", "reason", "decided_at"}` in, and where there is need of it `return_id`, `amount` (minor
    units) and `close`, false when more is to come; out `{"notified": true}`, or `{"notified": false}` where there is
    nobody to tell or nothing new to tell of.

    Raises mail.EmailNotSent; NoticeInProgress while another invocation is sending the same email; what DynamoDB raises.
    """
    notice = Notice(
        event["order_id"],
        event["outcome"],
        event["reason"],
        event["decided_at"],
        event.get("return_id", ""),
        event.get("amount", 0),
        event.get("close", True),
    )
    notified = tell(notice, context)
    if notice.closes:
        close(notice)
    return {"notified": notified}


def tell(notice: Notice, context: LambdaContext) -> bool:
    """Write to the customer, once. Answers whether there was anybody to tell, and anything new to tell of."""
    order_id = notice.order_id
    if time.time() - epoch_seconds(notice.decided_at) > LONGEST_REDELIVERY_SECONDS:
        # The record that would absorb this may be gone. The customer was told then.
        logger.warning("old news", order_id=order_id, decided_at=notice.decided_at)
        return False
    order = read_order(order_id)
    address = email.address_of(order) if order else None
    if order is None or not os.environ["SENDER_EMAIL"] or not address:
        logger.warning("nobody told", order_id=order_id, sender=bool(os.environ["SENDER_EMAIL"]), address=bool(address))
        return False
    # The lease of a dead sandbox ends when this invocation would have been stopped.
    idempotency().register_lambda_context(context)
    message = email.write(order, notice.outcome, notice.reason, notice.amount)
    try:
        send_once()(
            notice={**notice.about, "outcome": notice.outcome}, message=message, address=address, closes=notice.closes
        )
    except IdempotencyAlreadyInProgressError:
        raise NoticeInProgress from None
    return True


def close(notice: Notice) -> None:
    """Take the order, or its return, off the list, and count it. Whatever comes here has followed what it tells of to
    the end, and that is final: it makes no difference how often, or how late, an order is closed.
    """
    removed = clients.dynamodb().delete_item(
        TableName=os.environ["OPEN_ORDERS_TABLE"],
        Key=open_order_key(notice.order_id, notice.return_id),
        ReturnValues="ALL_OLD",
    )
    if "Attributes" not in removed:
        return  # another copy has closed it, and counted it
    order = open_order_from(removed["Attributes"])
    if order.what == PLACED:
        _count(notice, order)
    else:
        what = "ReturnsFinished" if notice.return_id else "OrdersFinished"
        reason = {"reason": notice.reason} if notice.reason else {}
        emit({what: (MetricUnit.Count, 1)}, {"outcome": notice.outcome, **reason}, **notice.about)


def _count(notice: Notice, order: OpenOrder) -> None:
    if order.sweeps == 0 and epoch_seconds(notice.decided_at) < order.sweep_at - backoff.wait_seconds(0):
        # It was decided before it was opened: a record of the stream, or a restored backup, came late.
        emit({"OrdersReopened": (MetricUnit.Count, 1)}, order_id=notice.order_id)
        return
    emit(
        {
            "OrdersFinished": (MetricUnit.Count, 1),
            "SecondsFromPlacedToTold": (MetricUnit.Seconds, round(time.time() - epoch_seconds(order.occurred_at), 1)),
        },
        {"outcome": notice.outcome, "reason": notice.reason},
        order_id=notice.order_id,
    )


@cache
def idempotency() -> IdempotencyConfig:
    """The key is what makes two notices one; without it Powertools would only warn and send."""
    return IdempotencyConfig(
        event_key_jmespath="return_id && [order_id, outcome, return_id] || [order_id, outcome]",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=RETENTION_SECONDS,
    )


class Records(DynamoDBPersistenceLayer):
    """The idempotency records, of which a failed attempt takes back its own lock and nothing else.

    The library deletes by key alone. A delete that arrives late would remove what a later attempt has written, a
    finished record too, and the customer would be told again with the next duplicate.
    """

    def _put_record(self, data_record: DataRecord) -> None:
        self._lease = str(data_record.in_progress_expiry_timestamp)
        super()._put_record(data_record)

    def _delete_record(self, data_record: DataRecord) -> None:
        try:
            self.client.delete_item(
                TableName=self.table_name,
                Key=self._get_key(data_record.idempotency_key),
                ConditionExpression="#lease = :mine",
                ExpressionAttributeNames={"#lease": self.in_progress_expiry_attr},
                ExpressionAttributeValues={":mine": {"N": self._lease}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            logger.info("the lock is another attempt's by now")


@cache
def send_once() -> Any:
    """`send`, wrapped on first use: the wrapper needs the environment and a client."""
    records = Records(table_name=os.environ["IDEMPOTENCY_TABLE"], boto3_client=clients.dynamodb())
    return idempotent_function(
        send,
        data_keyword_argument="notice",
        persistence_store=records,
        config=idempotency(),
        key_prefix="notify",
    )


def send(*, notice: dict[str, str], message: mail.Email, address: str, closes: bool) -> dict[str, str]:
    """Send the email. Answers what is kept in the idempotency record, where the books find it (jobs/sources.py): of
    what was told and when, and the message's id. Nothing personal.
    """
    message_id = mail.send(message, address)
    log = logger.debug if closes else logger.info  # the line of a metric says what is closed
    log("email sent", order_id=notice["order_id"], outcome=notice["outcome"])
    return {"message_id": message_id, **notice, "told_at": iso_8601(time.time())}
