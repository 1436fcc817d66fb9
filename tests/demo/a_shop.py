"""A shop that does its part by itself, one step each time that somebody looks, on a clock of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from demo import __main__ as commands
from demo import after_sale, judge, shop
from demo.after_sale import Seen
from invariants.books import Books, Email
from local import api, left_running
from local.api import Reply
from local.stack import RunningStack
from notify import email
from orders import (
    Charge,
    Line,
    Outcome,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    Reservation,
    ReservationStatus,
    Status,
    iso_8601,
)
from orders.approval import Approval, ApprovalStatus
from orders.shipping import (
    Parcel,
    ParcelStatus,
    Return,
    Returns,
    ReturnStatus,
    Shipment,
    parcel_reference,
    read_reference,
    return_reference,
)
from payment.gateway import Intent
from webhooks import signatures
from webhooks.inbox import Sender

SECRET = "whsec"
PIPELINE = ("Orders", "OrderStates", "OpenOrders", "Payments")
BESIDE = ("Shipments", "Returns", "Approvals")
WAREHOUSES = {"POT-1L": "north"}
QUIET = {Status.ARCHIVED, Status.RETURNED}


@dataclass(frozen=True)
class Stack(RunningStack):
    """Where the shop runs: its clients know no more than they are asked for here."""

    shop: AShop = field(kw_only=True)

    def client(self, service: str) -> Any:
        match service:
            case "secretsmanager":
                return SimpleNamespace(get_secret_value=lambda **_: {"SecretString": SECRET})
            case "stepfunctions":
                return self.shop.workflows()
        return None

    def table(self, output: str) -> Any:
        return SimpleNamespace(put_item=lambda **put: self.shop.placed.append(put["Item"]))


@dataclass
class AShop:
    """It decides orders by this outcome, and what was delivered may be sent back for `window` seconds. Webhooks are
    answered with the statuses in `refusals` first, and returns with those in `returns_refused`. Where it is `asleep`,
    nothing comes of an order after that status. A customer who has `regretted` an order cancels it as soon as it is
    confirmed. Emails are in the mailbox after so many looks at the books.
    """

    outcome: str = Outcome.CONFIRMED
    window: float = 120.0
    refusals: list[int] = field(default_factory=list)
    returns_refused: list[int] = field(default_factory=list)
    asleep: str = "never"
    approval: Approval | None = None
    shipping: bool = True
    regretted: bool = False
    emails_after: int = 0

    now: float = 1_767_225_600.0
    placed: list[dict[str, Any]] = field(default_factory=list)
    history: dict[str, str] = field(default_factory=dict)
    payment: Payment | None = None
    shipment: Shipment | None = None
    returns: Returns | None = None
    restocked: dict[str, dict[str, int]] = field(default_factory=dict)
    emails: list[Email] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)  # under which returns were asked for
    broken: dict[str, Any] = field(default_factory=dict)  # what the books say that is not so

    @property
    def item(self) -> dict[str, Any]:
        return self.placed[0]

    @property
    def order_id(self) -> str:
        return str(self.item["order_id"])

    @property
    def status(self) -> str:
        return list(self.history)[-1] if self.history else ""

    @property
    def state(self) -> dict[str, Any]:
        decision = {"outcome": self.outcome, "reason": "ACCEPTED"}
        return {"status": self.status, "decision": decision, "history": dict(self.history)} if self.history else {}

    def open(self, patch: pytest.MonkeyPatch) -> None:
        """Let the commands find this shop in place of a running stack."""
        beside = [*BESIDE] if self.shipping else []
        outputs = {f"{name}TableName": name for name in (*PIPELINE, *beside)} | {"OrderWorkflowArn": "orders"}
        if self.shipping:
            outputs |= {"CarrierSecretArn": "carrier", "ApiUrl": "http://api", "ShippingWorkflowArn": "shipping"}
        stack = Stack("http://nowhere", "orders", outputs, shop=self)
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now, sleep=self._sleep)
        patch.setattr(left_running, "running", lambda: stack)
        for module in (after_sale, judge, signatures):
            patch.setattr(module, "time", clock)
        patch.setattr(signatures, "_key", lambda _: SECRET)
        patch.setenv("CARRIER_SECRET_ARN", "carrier")
        patch.setattr(after_sale, "see", lambda *_: self.look())
        patch.setattr(api, "ask", self.answer)
        for module in (commands, judge):
            patch.setattr(module, "look", lambda _, **watched: self.books(**watched))
        patch.setattr(judge, "past", lambda *_: [(self.order_id, self.state)])

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self) -> Seen:
        """What there is of the order, after one more step."""
        if self.placed and self.status != self.asleep:
            self._step()
        return Seen(self.state, self.payment, self.approval, self.shipment, self.returns)

    def _come_to(self, status: str) -> None:
        self.history[status] = iso_8601(self.now)
        if status not in QUIET:
            self._tell(status)

    def _tell(self, status: str) -> None:
        self.emails.append(Email("ada@example.com", email.subject(self.order_id, status)))

    def _step(self) -> None:
        if not self.history:
            if self.approval is None or self.approval.status == ApprovalStatus.APPROVED:
                self._come_to(self.outcome)
            return
        if self.payment is None:
            status = PaymentStatus.CAPTURED if self.outcome == Outcome.CONFIRMED else PaymentStatus.VOIDED
            charge = Charge(self.order_id, self.item["total"], self.item["currency"], "pm_card_visa")
            self.payment = Payment(status, charge)
        elif self.regretted:
            self._come_to(Status.CANCELLED)
        elif self.shipping and self.status == Status.CONFIRMED:
            self._come_to(Status.SHIPPING)
            self.shipment = self._planned()
        elif self.status == Status.SHIPPING and self.shipment and self.shipment.delivered:
            until = iso_8601(self.now + self.window)
            self.returns = Returns(self.order_id, self.shipment.units, self.shipment.prices, 0, until)
            self._come_to(Status.DELIVERED)
        elif self.returns and self.status == Status.DELIVERED:
            self._take_back()

    def _planned(self) -> Shipment:
        units: dict[str, dict[str, int]] = {}
        for line in self.item["lines"]:
            units.setdefault(WAREHOUSES.get(line["sku"], "main"), {})[line["sku"]] = line["quantity"]
        parcels = [Parcel(name, of_it, tracking=f"SIM-{name}") for name, of_it in sorted(units.items())]
        return Shipment(self.order_id, tuple(parcels), {line["sku"]: line["unit_price"] for line in self.item["lines"]})

    def _take_back(self) -> None:
        assert self.returns
        assert self.payment
        for one in self.returns.returns.values():
            if one.status == ReturnStatus.REQUESTED and not one.tracking:
                self._write(replace(one, tracking="SIM-back"))
                return
            if one.status == ReturnStatus.ARRIVED:
                self._write(replace(one, status=ReturnStatus.REFUNDED), open_=-1)
                self.restocked[one.return_id] = dict(one.units)
                refund = Refund(one.return_id, RefundStatus.REFUNDED, one.amount, "re_1")
                self.payment = replace(self.payment, refunded=one.amount, refunds=(refund,))
                self._tell(Status.RETURNED)
                return
        over = datetime.fromisoformat(self.returns.until) <= datetime.fromtimestamp(self.now, UTC)
        if self.returns.everything_came_back or (over and not self.returns.open):
            came_back = self.returns.everything_came_back
            self.returns = replace(self.returns, closed=iso_8601(self.now))
            self._come_to(Status.RETURNED if came_back else Status.ARCHIVED)

    def _write(self, one: Return, *, open_: int = 0) -> None:
        assert self.returns
        standing = self.returns
        self.returns = replace(standing, open=standing.open + open_, returns={**standing.returns, one.return_id: one})

    def answer(
        self, method: str, url: str, body: str, headers: dict[str, str], signed_by: object = "the owner"
    ) -> Reply:
        """The API's answer to a webhook or a return."""
        assert method == "POST"
        if url.endswith("/webhooks/carrier"):
            assert signed_by is None
            return self._hear(body, headers)
        assert url == f"http://api/orders/{self.order_id}/returns"
        assert signed_by == "the owner"
        self.keys.append(headers["Idempotency-Key"])
        if self.returns_refused:
            return Reply(self.returns_refused.pop(0), {}, '{"title": "no"}')
        units = {line["sku"]: line["quantity"] for line in json.loads(body)["lines"]}
        standing = self.returns
        assert standing
        amount = sum(count * standing.prices[sku] for sku, count in units.items())
        left = {sku: count - units.get(sku, 0) for sku, count in standing.left.items()}
        self.returns = replace(standing, left=left)
        self._write(Return("r-1", ReturnStatus.REQUESTED, units, amount, iso_8601(self.now), 0), open_=1)
        return Reply(201, {}, json.dumps({"return_id": "r-1"}))

    def _hear(self, body: str, headers: dict[str, str]) -> Reply:
        if self.refusals:
            return Reply(self.refusals.pop(0), {}, '{"error": "no"}')
        signatures.check(Sender.CARRIER, body.encode(), headers[signatures.HEADERS[Sender.CARRIER]])
        news = json.loads(body)
        self.told.append(news)
        _, comes_back, part = read_reference(news["reference"])
        status = ParcelStatus(news["kind"].removeprefix("parcel.").upper())
        if not comes_back:
            assert self.shipment
            parcels = [replace(one, status=status) if one.warehouse == part else one for one in self.shipment.parcels]
            self.shipment = replace(self.shipment, parcels=tuple(parcels))
        elif status == ParcelStatus.DELIVERED:
            assert self.returns
            self._write(replace(self.returns.returns[part], status=ReturnStatus.ARRIVED))
        return Reply(200, {}, "{}")

    def workflows(self) -> Any:
        """Step Functions: an execution for each workflow, and one of somebody else's order."""

        def list_of(**asked: str) -> list[dict[str, Any]]:
            started = datetime.now(UTC)
            names = [f"{asked['stateMachineArn']}-ours", f"{asked['stateMachineArn']}-theirs"]
            return [{"executions": [{"name": one, "executionArn": one, "startDate": started} for one in names]}]

        def describe(**asked: str) -> dict[str, Any]:
            ours = asked["executionArn"].endswith("ours")
            return {
                "status": "SUCCEEDED" if ours else "FAILED",
                "input": json.dumps({"order_id": self.order_id if ours else "theirs"}),
            }

        return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=list_of), describe_execution=describe)

    def books(self, **watched: Any) -> Books:
        """What the stack says: of this order, and of another one with which nothing is as it should be."""
        if not self.placed:
            return Books({}, {}, dict(self._counters()), {}, {}, {}, [], 0)
        ours, paid = self.order_id, self.payment
        self.emails_after -= 1
        lines = tuple(Line(line["sku"], line["quantity"], line["unit_price"]) for line in self.item["lines"])
        inbox = {f"carrier:{one['id']}": {"status": "APPLIED", "subject": one["reference"]} for one in self.told}
        theirs = {"status": Status.SHIPPING, "decision": {"outcome": Outcome.CONFIRMED}, "history": {}}
        taken = Payment(PaymentStatus.CAPTURED, Charge("theirs", 5, "EUR", "pm_card_visa"), refunded=9)
        books = Books(
            orders={ours: self.item, "theirs": {"order_id": "theirs"}},
            states={ours: self.state, "theirs": theirs} if self.history else {},
            counters=dict(self._counters()),
            reservations={ours: Reservation(ours, ReservationStatus.RESERVED, lines)},
            payments={"theirs": taken} | ({ours: paid} if paid else {}),
            intents={"theirs": [Intent("pi_2", "succeeded", 5, "EUR")] * 2}
            | ({ours: [Intent("pi_1", "succeeded", paid.charge.amount, "EUR", paid.refunded)]} if paid else {}),
            emails=self.emails if self.emails_after < 0 else [],
            waiting=0,
            open={"theirs", "theirs/r-1", *([ours] if self.shipping and self.status != Status.ARCHIVED else [])},
            shipments={ours: self.shipment} if self.shipment else {},
            returns={ours: self.returns} if self.returns else {},
            restocked={ours: self.restocked},
            bookings=dict(self._bookings()) | {"theirs/out/main": ["SIM-1", "SIM-2"]},
            inbox=inbox,
            after_sale=self.shipping or None,
            **watched,
        )
        return replace(books, **self.broken)

    def _counters(self) -> list[tuple[str, list[int]]]:
        sold = {line["sku"]: line["quantity"] for line in self.item["lines"]} if self.placed else {}
        back = {sku: count for units in self.restocked.values() for sku, count in units.items()}
        opening = shop.OPENING_STOCK
        return [(sku, [count - sold.get(sku, 0) + back.get(sku, 0)]) for sku, count in opening.items()]

    def _bookings(self) -> list[tuple[str, list[str]]]:
        parcels = self.shipment.parcels if self.shipment else ()
        returns = self.returns.returns.values() if self.returns else ()
        return [
            *((parcel_reference(self.order_id, one.warehouse), [one.tracking]) for one in parcels),
            *((return_reference(self.order_id, one.return_id), [one.tracking]) for one in returns if one.tracking),
        ]


def pending(order_id: str) -> Approval:
    """A person was asked, and has not answered."""
    digest = hashlib.sha256(order_id.encode()).hexdigest()
    return Approval(order_id, ApprovalStatus.PENDING, digest, "2026-01-01T00:00:00Z", 0, 0, "", "")
