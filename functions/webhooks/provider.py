"""What the payment provider tells of money, and what that changes.

The events are Stripe's (https://docs.stripe.com/api/events/types); the simulated provider sends none by itself.

- `payment_intent.canceled`: the hold is gone. It has lapsed (`automatic`, after about seven days), or a person, the
  bank or the void of this shop has given it back. https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
- `refund.failed`: the bank has sent a refund back, which can be weeks after it was made. The money is the shop's again,
  and the customer has to get it in another way. https://docs.stripe.com/refunds#failed-refunds
- `charge.dispute.created`, `charge.dispute.closed`: the customer asks their bank for the money. While that is open, and
  if it is lost, nothing is refunded: it would be paid twice. https://docs.stripe.com/disputes/how-disputes-work

Each write goes one way (aws/payments.py), so it does not matter in which order the news comes, nor how often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from aws import payments
from aws.item import read_items
from aws.payments import Applied
from orders import DisputeStatus, Outcome, PaymentStatus, Refund, iso_8601
from orders.order_id import is_order_id
from orders.tables import payment_from
from webhooks import intents, person
from webhooks.inbox import Malformed, News, NotOurs, NotYet, Sender, is_short

HOLD_ENDED = "payment_intent.canceled"
REFUND_FAILED = "refund.failed"
DISPUTED, DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"
KINDS = frozenset((HOLD_ENDED, REFUND_FAILED, DISPUTED, DISPUTE_CLOSED))

# How a dispute can end. `warning_closed` is an inquiry that came to nothing. Of others, `prevented` for one, a person
# has to find out who has the money. https://docs.stripe.com/api/disputes/object#dispute_object-status
ENDS = {"won": DisputeStatus.WON, "warning_closed": DisputeStatus.WON, "lost": DisputeStatus.LOST}

_LAST_SECOND = 253_402_300_799  # of the year 9999
_MOST = 10**15  # more than any amount, and less than a number in DynamoDB may be


def read(body: bytes) -> News | None:
    """The news in a body, an Event of Stripe's; None for a kind that says nothing to us. Raises Malformed.

    https://docs.stripe.com/api/events/object
    """
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Malformed("not JSON") from None
    match content:
        case {"type": str(kind)} if kind not in KINDS:
            return None
        case {
            "id": str(event_id),
            "type": str(kind),
            "created": int(created),
            "data": {"object": {"id": str(subject)} as thing},
        } if is_short(event_id) and is_short(subject) and 0 <= created <= _LAST_SECOND:
            return _news(kind, event_id, created, subject, thing)
    raise Malformed("no event of Stripe's")


def _news(kind: str, event_id: str, created: int, subject: str, thing: dict[str, Any]) -> News:
    """What is kept of an event: of all that its object has, no more than this."""

    def text(value: object) -> str:
        return value if isinstance(value, str) and is_short(value) else ""

    metadata = thing.get("metadata")
    ours = metadata if isinstance(metadata, dict) else {}
    amount = thing.get("amount")
    return News(
        Sender.STRIPE,
        event_id,
        kind,
        subject,
        iso_8601(created),
        order_id=text(ours.get("order_id")),
        return_id=text(ours.get("return_id")),
        intent=subject if kind == HOLD_ENDED else text(thing.get("payment_intent")),
        amount=amount if isinstance(amount, int) and 0 <= amount <= _MOST else 0,
        said=text(thing.get("cancellation_reason" if kind == HOLD_ENDED else "status")),
    )


def apply(news: News) -> tuple[str, bool]:
    """Write it where it belongs. Answers the order, and whether anything changed. Raises NotYet, NotOurs,
    ProviderUnavailable, and what AWS raises.
    """
    order_id = news.order_id or intents.order_of(news.intent)
    if not is_order_id(order_id):
        raise NotOurs("no order of ours")
    applied = _APPLY[news.kind](order_id, news)
    if applied == Applied.TOO_EARLY:
        raise NotYet("nothing that it could be about")
    return order_id, applied == Applied.CHANGED


def _hold_ended(order_id: str, news: News) -> Applied:
    """A hold that is gone can't be taken any more. If the order was confirmed on it, a person has to know: the goods
    are promised, and the capture fails from now on.
    """
    applied = payments.lapse(order_id, news.intent)
    # Whoever wrote it may have died before the call, so what stands counts and not who wrote it.
    if applied != Applied.TOO_EARLY and _was_lost(order_id, news.intent):
        person.call(order_id, news.occurred_at, "the hold ended before it was taken, and the order is confirmed")
    return applied


def _was_lost(order_id: str, intent: str) -> bool:
    """Whether the order was confirmed on a hold that is gone. One that was given back for an order that came to nothing
    is none of it.
    """
    state, item = read_items(order_id, "ORDER_STATES_TABLE", payments.TABLE)
    if not state or not item or state["decision"]["M"]["outcome"]["S"] != Outcome.CONFIRMED:
        return False
    payment = payment_from(item)
    return (payment.status, payment.provider_reference) == (PaymentStatus.VOIDED, intent)


def _refund_failed(order_id: str, news: News) -> Applied:
    """Its sum of refunds is less by what did not arrive, and a person has to see to it that it does."""
    refund = _refund(order_id, news)
    if refund is None:
        return Applied.TOO_EARLY
    if refund.provider_reference not in ("", news.subject):
        raise NotOurs("another refund than the return's")
    applied = payments.refund_failed(order_id, refund.return_id, news.subject)
    person.call(order_id, news.occurred_at, f"{refund.return_id}: the customer's bank sent the refund back")
    return applied


def _refund(order_id: str, news: News) -> Refund | None:
    """The refund that the news is of: our metadata names its return, and the reference does once it is written down."""
    [item] = read_items(order_id, payments.TABLE)
    refunds = payment_from(item).refunds if item else ()
    named = [one for one in refunds if news.return_id == one.return_id or news.subject == one.provider_reference]
    return named[0] if named else None


def _disputed(order_id: str, news: News) -> Applied:
    """From now on nothing is refunded, and a person has to answer the bank in time."""
    applied = payments.dispute_opened(order_id)
    if applied != Applied.TOO_EARLY:
        person.call(order_id, news.occurred_at, "the customer disputes the payment")
    return applied


def _dispute_closed(order_id: str, news: News) -> Applied:
    if end := ENDS.get(news.said):
        return payments.dispute_closed(order_id, end)
    if read_items(order_id, payments.TABLE) == [None]:
        return Applied.TOO_EARLY
    person.call(order_id, news.occurred_at, f"the dispute has ended as {news.said or 'nothing that is known'}")
    return Applied.NOTHING_NEW


_APPLY: dict[str, Callable[[str, News], Applied]] = {
    HOLD_ENDED: _hold_ended,
    REFUND_FAILED: _refund_failed,
    DISPUTED: _disputed,
    DISPUTE_CLOSED: _dispute_closed,
}
