"""An order's whole life on a running stack: `make order FILE=… UNTIL=…`.

The stack is left to itself. What it cannot do, because others do it, we play: the customer, who sends something back by
a signed request to the API, and the carrier, who tells of its parcels by signed webhooks.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from rich.text import Text

from aws.item import plain_item
from demo.show import units_of
from invariants.books import News, Plain, ReturnRequest
from local import api
from local.console import console, plain
from local.stack import Problem, RunningStack
from orders import Outcome, Payment, PaymentStatus, Status, epoch_seconds, iso_8601
from orders.approval import Approval, ApprovalStatus
from orders.money import format_amount
from orders.shipping import (
    Parcel,
    ParcelStatus,
    Return,
    Returns,
    ReturnStatus,
    Shipment,
    parcel_reference,
    return_reference,
    returns_from,
    shipment_from,
)
from orders.tables import approval_from, order_key, payment_from
from webhooks.carrier import DELIVERED, SHIPPED
from webhooks.inbox import Sender
from webhooks.signatures import HEADERS

# How far an order can be followed.
STAGES = (Status.CONFIRMED, Status.SHIPPING, Status.DELIVERED, Status.RETURNED, Status.ARCHIVED)

POLL_SECONDS = 0.4
PATIENCE_SECONDS = 60.0  # for a step of an order on a stack that has nothing else to do; functions may start cold
# What was lost on the way is swept after a minute, and after two more.
SWEPT_SECONDS = 240.0
LONGEST_WINDOW_SECONDS = 15 * 60.0  # that anybody watches; on AWS a customer has weeks to send something back

TABLES = ("OrderStates", "Payments", "Approvals", "Shipments", "Returns")


def stage(text: str) -> Status:
    """How far to follow an order, from the command line."""
    if text.upper() not in STAGES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(STAGES)}")
    return Status(text.upper())


@dataclass(frozen=True)
class Seen:
    """What there is of one order by now. `state` is empty until it is decided."""

    state: Plain = field(default_factory=dict)
    payment: Payment | None = None
    approval: Approval | None = None
    shipment: Shipment | None = None
    returns: Returns | None = None

    @property
    def status(self) -> str:
        return str(self.state.get("status", Status.PLACED))

    @property
    def outcome(self) -> str:
        """How it was decided; empty until it is."""
        return str(self.state.get("decision", {}).get("outcome", ""))

    def has_come_to(self, status: Status) -> bool:
        """Whether the order has got that far, and perhaps further."""
        return status in self.state.get("history", {})


def see(client: Any, tables: Mapping[str, str], order_id: str) -> Seen:
    """Look at one order, in the tables that there are, in one request."""
    answer = client.batch_get_item(
        RequestItems={table: {"Keys": [order_key(order_id)], "ConsistentRead": True} for table in tables.values()}
    )

    def read[T](name: str, parse: Callable[[Any], T]) -> T | None:
        items = answer["Responses"].get(tables.get(name), [])
        return parse(items[0]) if items else None

    return Seen(
        read("OrderStates", plain_item) or {},
        read("Payments", payment_from),
        read("Approvals", approval_from),
        read("Shipments", shipment_from),
        read("Returns", returns_from),
    )


@dataclass
class Life:
    """One order on its way, and what was seen of it. `waiting` shows what is waited for; `news` are the webhooks that
    were sent, and `asked_back` the returns that were asked for.
    """

    stack: RunningStack
    item: Plain
    waiting: Callable[[str], None]
    started: float = field(init=False)
    news: list[News] = field(default_factory=list)
    asked_back: list[ReturnRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        tables = {name: self.stack.outputs.get(f"{name}TableName", "") for name in TABLES}
        self._tables = {name: table for name, table in tables.items() if table}
        self._client = self.stack.client("dynamodb")

    @property
    def order_id(self) -> str:
        return str(self.item["order_id"])

    @cached_property
    def carrier_key(self) -> str:
        """The key that the carrier signs its news with."""
        return carrier_key(self.stack)

    def see(self) -> Seen:
        """What there is of the order by now."""
        return see(self._client, self._tables, self.order_id)

    def say(self, what: str) -> None:
        """Tell of something that has happened just now."""
        seconds = time.monotonic() - self.started
        console.print(Text.assemble((f"{seconds:7.1f} s  ", "dim"), ("✔ ", "green"), plain(what)), soft_wrap=True)

    def wait(self, what: str | Callable[[], str], enough: Callable[[Seen], bool], seconds: float = 0) -> Seen:
        """Look again and again until it is enough, and show meanwhile what is waited for.

        Raises Problem after so many seconds, or PATIENCE_SECONDS.
        """
        deadline = time.monotonic() + (seconds or PATIENCE_SECONDS)
        while True:
            now = what if isinstance(what, str) else what()
            self.waiting(now)
            seen = self.see()
            if enough(seen):
                return seen
            if time.monotonic() >= deadline:
                raise Problem(
                    f"{self.order_id} is {seen.status}, and {now} was waited for in vain. "
                    "See what the functions say: make logs"
                )
            time.sleep(POLL_SECONDS)

    def amount(self, amount: int) -> str:
        """So many minor units, for people."""
        return format_amount(amount, str(self.item["currency"]))


def ships(stack: RunningStack) -> bool:
    """Whether shipping stands beside the pipeline, and with it the front door that takes its news."""
    return {"ShipmentsTableName", "CarrierSecretArn", "ApiUrl"} <= stack.outputs.keys()


def play(life: Life, until: Status) -> None:
    """Take an order that was placed just now as far as that. For ARCHIVED its customer sends one unit back, if there
    are more; for RETURNED everything.

    Raises Problem when it does not come so far.
    """
    life.say("placed")
    _confirmed(life)
    if until == Status.CONFIRMED:
        return
    parcels = _booked(life)
    if until == Status.SHIPPING:
        return
    standing = _delivered(life, parcels)
    if until == Status.DELIVERED:
        return
    _refuse_to_wait_for_weeks(life, standing, until)
    units = dict(standing.left) if until == Status.RETURNED else one_of(life, standing)
    if units:
        sent_back(life, units)
    _ended(life, until, standing)


# ── The shop, which does its part by itself ─────────────────────────────────────────────────────────────────────────


def _confirmed(life: Life) -> None:
    def decided(seen: Seen) -> bool:
        if seen.approval and seen.approval.status == ApprovalStatus.PENDING:
            raise Problem(
                f"{life.order_id} is over the limit, so a person has to approve it first: the link is in the email to "
                "the approver. Try a smaller order."
            )
        captured = seen.payment is not None and seen.payment.status == PaymentStatus.CAPTURED
        return bool(seen.outcome) and (seen.outcome != Outcome.CONFIRMED or captured)

    seen = life.wait("its confirmation", decided)
    if seen.outcome != Outcome.CONFIRMED or seen.payment is None:
        raise Problem(f"{life.order_id} is {seen.outcome} and not {Status.CONFIRMED}, so it is never shipped.")
    life.say(f"confirmed, and {life.amount(seen.payment.charge.amount)} captured")


def _booked(life: Life) -> tuple[Parcel, ...]:
    def booked(seen: Seen) -> bool:
        if seen.status == Status.CANCELLED:
            raise Problem(f"{life.order_id} was cancelled before it was shipped.")
        tracked = seen.shipment is not None and all(parcel.tracking for parcel in seen.shipment.parcels)
        return seen.has_come_to(Status.SHIPPING) and tracked

    shipment = life.wait("the carrier's bookings", booked, SWEPT_SECONDS).shipment
    parcels = shipment.parcels if shipment else ()
    held = "; ".join(f"{units_of(parcel.units)} from {parcel.warehouse}" for parcel in parcels)
    life.say(f"booked in {len(parcels)} parcel{'s' if len(parcels) != 1 else ''}: {held}")
    return parcels


def _delivered(life: Life, parcels: tuple[Parcel, ...]) -> Returns:
    for kind, status in ((SHIPPED, ParcelStatus.SHIPPED), (DELIVERED, ParcelStatus.DELIVERED)):
        for parcel in parcels:
            tell(life, kind, parcel_reference(life.order_id, parcel.warehouse), parcel.tracking)
            life.wait(f"the news of the parcel from {parcel.warehouse}", _has_come(parcel.warehouse, status))
            life.say(f"the parcel from {parcel.warehouse} is {status.lower()}")
    seen = life.wait(
        "the order's delivery",
        lambda seen: seen.has_come_to(Status.DELIVERED) and seen.returns is not None,
        SWEPT_SECONDS,
    )
    if seen.returns is None:
        raise Problem(f"{life.order_id} was delivered, and what may be sent back of it is gone from the table.")
    window = epoch_seconds(seen.returns.until) - time.time()
    life.say(f"delivered; it may be sent back for {_span(window)}")
    return seen.returns


def _has_come(warehouse: str, status: ParcelStatus) -> Callable[[Seen], bool]:
    steps = list(ParcelStatus)

    def has_come(seen: Seen) -> bool:
        parcels = seen.shipment.parcels if seen.shipment else ()
        return any(one.warehouse == warehouse and steps.index(one.status) >= steps.index(status) for one in parcels)

    return has_come


def _refuse_to_wait_for_weeks(life: Life, standing: Returns, until: Status) -> None:
    window = epoch_seconds(standing.until) - time.time()
    if until == Status.ARCHIVED and window > LONGEST_WINDOW_SECONDS:
        raise Problem(
            f"{life.order_id} is archived in {_span(window)}, when it may not be sent back any more. "
            "On a stack that `make up` has started it is two minutes."
        )


def _ended(life: Life, until: Status, standing: Returns) -> None:
    def window() -> float:
        return max(0.0, epoch_seconds(standing.until) - time.time())

    def waited_for() -> str:
        if until == Status.ARCHIVED and window():
            return f"the archive, for it may be sent back for {_span(window())} more"
        return "the order's end"

    life.wait(waited_for, lambda seen: seen.has_come_to(until), window() + SWEPT_SECONDS)
    if until == Status.RETURNED:
        life.say("returned: everything has come back")
    else:
        life.say(f"archived: its customer keeps {'the rest' if life.asked_back else 'everything'}")


# ── The carrier ─────────────────────────────────────────────────────────────────────────────────────────────────────


def tell(life: Life, kind: str, reference: str, tracking: str) -> None:
    """Tell of a parcel, and tell again while nobody takes it, as carriers do.

    Raises Problem when it is refused, or not taken for too long.
    """
    body = json.dumps(
        {
            "id": f"{kind}:{reference}",
            "kind": kind,
            "reference": reference,
            "tracking": tracking,
            "occurred_at": iso_8601(time.time()),
        }
    )
    reply = _insist(lambda: webhook(life.stack, body, life.carrier_key))
    life.news.append(News(Sender.CARRIER, f"{kind}:{reference}", kind, reference, reply.status))
    if reply.status != 200:
        raise Problem(f"The carrier's news of {reference} was answered with {reply.status}: {reply.text}")


def _insist(request: Callable[[], api.Reply]) -> api.Reply:
    """Send the same again while the API can't say what became of it; answers its last word."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (reply := request()).status >= 500 and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return reply


def webhook(stack: RunningStack, body: str, key: str | None = None) -> api.Reply:
    """Send a body as the carrier does, signed with its key, or with another one."""
    now = int(time.time())
    signed_with = key or carrier_key(stack)
    digest = hmac.new(signed_with.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", HEADERS[Sender.CARRIER]: f"t={now},v1={digest}"}
    return api.ask("POST", f"{stack.outputs['ApiUrl']}/webhooks/carrier", body, headers, signed_by=None)


def carrier_key(stack: RunningStack) -> str:
    """The key that the carrier signs with."""
    secrets = stack.client("secretsmanager")
    return str(secrets.get_secret_value(SecretId=stack.outputs["CarrierSecretArn"])["SecretString"])


# ── The customer ────────────────────────────────────────────────────────────────────────────────────────────────────


def one_of(life: Life, standing: Returns) -> dict[str, int]:
    """One unit of the order's first line, unless that is all that there is."""
    return {str(life.item["lines"][0]["sku"]): 1} if sum(standing.left.values()) > 1 else {}


def sent_back(life: Life, units: Mapping[str, int]) -> None:
    """Have so many units of each SKU sent back and paid for. Raises Problem when it does not come so far."""
    return_id = send_back(life, units)
    life.say(f"return asked for: {units_of(units)}")
    tracking = _wait_for(life, return_id, "the carrier's label", lambda one: bool(one.tracking), SWEPT_SECONDS).tracking
    life.say(f"label made: {tracking}")
    for kind in (SHIPPED, DELIVERED):
        tell(life, kind, return_reference(life.order_id, return_id), tracking)
    arrived = (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED)
    _wait_for(life, return_id, "the parcel that comes back", lambda one: one.status in arrived)
    life.say("the parcel has come back")
    refunded = _wait_for(life, return_id, "the refund", lambda one: one.status == ReturnStatus.REFUNDED, SWEPT_SECONDS)
    life.say(f"{life.amount(refunded.amount)} refunded, and {units_of(units)} back in stock")


def _wait_for(life: Life, return_id: str, what: str, enough: Callable[[Return], bool], seconds: float = 0) -> Return:
    """Wait for something of a return."""

    def come(seen: Seen) -> Return | None:
        one = seen.returns.returns.get(return_id) if seen.returns else None
        return one if one and enough(one) else None

    found = come(life.wait(what, lambda seen: come(seen) is not None, seconds))
    if found is None:
        raise Problem(f"{return_id} was there a moment ago, and is gone from the table.")
    return found


def send_back(life: Life, units: Mapping[str, int]) -> str:
    """Ask to send something back, as a customer does; answers the return's id. Raises Problem when it is refused."""
    url = f"{life.stack.outputs['ApiUrl']}/orders/{quote(life.order_id, safe='')}/returns"
    body = json.dumps({"lines": [{"sku": sku, "quantity": count} for sku, count in units.items()]})
    headers = {"Content-Type": "application/json", "Idempotency-Key": "return-1"}
    reply = _insist(lambda: api.ask("POST", url, body, headers))
    if reply.status != 201:
        raise Problem(f"The return was answered with {reply.status}: {reply.text}")
    return_id = str(reply.json["return_id"])
    life.asked_back.append(ReturnRequest(life.order_id, units, reply.status, return_id))
    return return_id


def _span(seconds: float) -> str:
    """A time ahead, as exactly as people say it."""
    for name, length in (("days", 24 * 60 * 60), ("hours", 60 * 60), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
