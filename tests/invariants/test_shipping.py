"""Each invariant of what comes after the sale can be broken, and lives that went well break none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from invariants.books import Books, Email, Happened, News, ReturnRequest, from_tables
from invariants.checks import violations
from invariants.shipping import INVARIANTS
from orders import DisputeStatus, OpenOrder, Outcome, Reason, Refund, RefundStatus, ReservationStatus, Status
from orders.shipping import (
    CANCELLATION,
    DEFAULT_WAREHOUSE,
    ParcelStatus,
    counted,
    parcel_reference,
    return_item,
    returns_item,
    shipment_item,
)
from orders.tables import open_order_item, order_key, refund_attribute, restock_key
from tests.invariants.builders import HELD, TAKEN, broken, decided, the_books
from tests.invariants.lives import (
    A_PERSON,
    ASKED,
    BACK,
    CANCELLED_AND_SHIPPED,
    FAILED,
    FAILED_REFUND,
    IN_TIME,
    KEPT,
    LOST,
    NO_MORE_THAN_SHIPPED,
    NOT_PAID_BACK,
    NOT_SHIPPED,
    ONE_BACK,
    OUT,
    PARCEL,
    PRICED,
    REFUND,
    RETURNED,
    TO_THE_CUSTOMER,
    TOO_SOON,
    TWO_PARCELS,
    TWO_REFUNDS,
    UNDER_WAY,
    UNTIL,
    answered,
    bank,
    came_to,
    cancelled,
    expired,
    inbox,
    kept,
    ledger,
    life,
    paid,
    returning,
    returns_of,
    said,
    sent,
    strange,
    told,
    whole,
    without,
    worth,
)
from webhooks.carrier import SHIPPED
from webhooks.inbox import NewsStatus, Sender
from webhooks.provider import DISPUTE_CLOSED, DISPUTED, REFUND_FAILED

WELL: dict[str, Books] = {
    "kept": kept(),
    "older than the prices in reservations, and not shipped": the_books(after_sale=True),
    "partly returned": life(),
    "returned whole": whole(),
    "returned whole before the time was over": whole(returns={"o-1": replace(returns_of(whole()), closed=TOO_SOON)}),
    "closed in the moment that the time was over": life(**returning(closed=UNTIL)),
    "a return that never came": expired(),
    "cancelled before it was shipped": cancelled(),
    "a dispute that was lost, and nothing more is paid back": life(
        **ledger(0) | paid(refunded=0, refunds=(), dispute=DisputeStatus.LOST) | bank(DISPUTE_CLOSED, said="lost")
    ),
    "a dispute that was lost after the refund": life(**LOST),
    "a dispute that was lost while the refund was asked for": life(
        **ledger(0)
        | paid(refunded=0, refunds=(FAILED_REFUND,), dispute=DisputeStatus.LOST)
        | bank(DISPUTE_CLOSED, said="lost")
    ),
    "a dispute that ended as nobody knows": life(
        **paid(dispute=DisputeStatus.OPEN) | bank(DISPUTE_CLOSED, said="prevented") | A_PERSON
    ),
    "a refund that failed, and a person who knows": life(**FAILED | bank(REFUND_FAILED, subject="re_r-1") | A_PERSON),
    "a return that came after the end, and a person who knows": expired(**said(*life().news or ()) | A_PERSON),
    "news of nobody's parcel": life(**strange("o-9/out/main")),
    "news of no parcel": life(**strange("no reference")),
    "told twice, which can be explained": kept(emails=told([*KEPT, Status.SHIPPING]), unrecorded={"o-1": 1}),
    "a request whose answer was lost": life(asked_back=[ReturnRequest("o-1", {"TEA": 1}, 503, "")]),
}

# What is damaged, by the invariant that it breaks; then the others that have to notice it as well.
Damage = tuple[Books, set[str]]
DAMAGES: dict[str, dict[str, Damage]] = {
    "what_is_kept_is_paid_for": {
        "paid back too much": (life(**worth(460)), set()),
        "paid back too little": (life(**worth(440)), set()),
        "cancelled, and not paid back": (cancelled(**NOT_PAID_BACK), set()),
        "a unit that was paid back is kept": (life(restocked={}, counters={"TEA": [8]}), {"returns_add_up"}),
        "shipped, and no price is known": (life(reservations={"o-1": HELD}), set()),
    },
    "refunds_are_what_was_returned": {
        "the sum is another": (life(**paid(refunded=900)), set()),
        "a refund is missing": (life(**NOT_PAID_BACK), {"what_is_kept_is_paid_for"}),
        "of a return that nobody knows": (life(**paid(refunds=(replace(REFUND, return_id="r-2"),))), set()),
        "of another return, of a dispute that was lost": (
            life(**LOST | ledger(900) | paid(refunded=900, refunds=TWO_REFUNDS, dispute=DisputeStatus.LOST)),
            set(),
        ),
        "of another amount": (
            life(**paid(refunded=460, refunds=(replace(REFUND, amount=460),)) | ledger(460)),
            {"what_is_kept_is_paid_for"},
        ),
        "of a return that never came": (expired(**paid() | ledger(450)), {"what_is_kept_is_paid_for"}),
        "of more than was captured": (life(**worth(901)), {"what_is_kept_is_paid_for"}),
        "failed, and nobody knows": (life(**FAILED), set()),
    },
    "every_refund_is_told": {"the second is not": (whole(emails=told(RETURNED)), set())},
    "no_refund_is_paid_twice": {
        "twice": (life(**ledger(900)), {"what_is_kept_is_paid_for"}),
        "twice, of a dispute that was lost": (life(**LOST | ledger(900)), set()),
        "never": (life(**ledger(0)), {"what_is_kept_is_paid_for"}),
        "paid, and not known to be": (life(**paid(refunds=(replace(REFUND, status=RefundStatus.REFUNDING),))), set()),
        "failed, and paid": (life(**FAILED | ledger(450) | A_PERSON), {"what_is_kept_is_paid_for"}),
    },
    "a_parcel_is_booked_once": {
        "twice": (kept(bookings={OUT: ["SIM-out", "SIM-2"]}), set()),
        "under another number": (kept(bookings={OUT: ["SIM-2"]}), set()),
        "and the number is not known": (kept(**sent(tracking="")), set()),
        "never": (kept(bookings={}), set()),
        "never, and carried": (kept(**sent(tracking="") | {"bookings": {}}), set()),
        "for nobody": (kept(bookings={OUT: ["SIM-out"], parcel_reference("o-1", "east"): ["SIM-3"]}), set()),
        "for an order that nobody knows": (cancelled(bookings={parcel_reference("o-9", "main"): ["SIM-9"]}), set()),
        "the label twice": (life(bookings={OUT: ["SIM-out"], BACK: ["SIM-r-1", "SIM-r-2"]}), set()),
        "the label never": (life(bookings={OUT: ["SIM-out"]}), set()),
    },
    "what_is_shipped_is_what_was_sold": {
        "more": (kept(**sent(units={"TEA": 3})), set()),
        "less": (kept(**sent(units={"TEA": 1})), set()),
        "something else": (kept(**sent(units={"TEA": 2, "MUG": 1})), set()),
    },
    "cancelled_is_not_shipped": {
        "booked": (cancelled(**sent(status=ParcelStatus.PLANNED) | {"bookings": {OUT: ["SIM-out"]}}), set()),
        "for another reason": (cancelled(**came_to([Status.CONFIRMED, Status.CANCELLED]) | {"cancels": {}}), set()),
        "not put back": (cancelled(restocked={}, counters={"TEA": [8]}), {"what_is_kept_is_paid_for"}),
        "put back in part, of a dispute that was lost": (
            cancelled(
                **paid(refunded=0, refunds=(), dispute=DisputeStatus.LOST)
                | said(News(Sender.STRIPE, "evt_1", DISPUTE_CLOSED, TAKEN.reference, 200), said="lost")
                | ledger(0)
                | {"restocked": {"o-1": {CANCELLATION: {"TEA": 1}}}, "counters": {"TEA": [9]}}
            ),
            set(),
        ),
        "shipped, and undone": (
            kept(
                **paid(refunded=900, refunds=(Refund(CANCELLATION, RefundStatus.REFUNDED, 900),))
                | ledger(900)
                | {"restocked": {"o-1": {CANCELLATION: {"TEA": 2}}}, "counters": {"TEA": [10]}}
            ),
            set(),
        ),
    },
    "returns_add_up": {
        "more is left": (life(**returning(left={"TEA": 2})), set()),
        "less is left": (life(**returning(left={"TEA": 0})), {"an_end_is_the_right_one"}),
        "less than nothing is left": (life(**returning(left={"TEA": 1, "MUG": -1})), set()),
        "the count of what is under way": (life(**returning(open=1)), {"an_end_is_the_right_one"}),
        "what expired is gone": (expired(returns={"o-1": replace(returns_of(expired()), left={"TEA": 1})}), set()),
        "what expired is put back": (
            expired(restocked={"o-1": {"r-1": {"TEA": 1}}}, counters={"TEA": [9]}),
            {"what_is_kept_is_paid_for"},
        ),
        "put back for nobody, of a dispute that was lost": (
            life(**LOST | {"restocked": {"o-1": {"r-1": {"TEA": 1}, "r-9": {"TEA": 1}}}, "counters": {"TEA": [10]}}),
            set(),
        ),
        "put back is another number": (
            life(**LOST | {"restocked": {"o-1": {"r-1": {"TEA": 2}}}, "counters": {"TEA": [10]}}),
            set(),
        ),
    },
    "an_end_is_the_right_one": {
        "returned, with something left": (life(**came_to(RETURNED, 1)), set()),
        "kept, with nothing left": (whole(**came_to(KEPT, 2)), set()),
        "not closed": (life(**returning(closed="")), set()),
        "closed too soon": (life(**returning(closed=TOO_SOON)), set()),
        "with a return under way": (life(**returning(returns={"r-1": UNDER_WAY}, open=1) | came_to(KEPT)), set()),
    },
    "every_life_ends": {
        "still confirmed": (kept(**came_to(KEPT[:1]) | NOT_SHIPPED | {"returns": {}}), set()),
        "still on its way": (
            kept(**came_to(KEPT[:2]) | sent(status=ParcelStatus.SHIPPED) | NO_MORE_THAN_SHIPPED | {"returns": {}}),
            set(),
        ),
        "still delivered": (kept(**came_to(KEPT[:3])), set()),
        "never shipped": (kept(**NOT_SHIPPED), set()),
        "and could not be sent back": (kept(returns={}), set()),
    },
    "delivered_is_all_of_it": {
        "on its way": (kept(**sent(status=ParcelStatus.SHIPPED) | NO_MORE_THAN_SHIPPED), set()),
        "still here": (kept(**sent(status=ParcelStatus.PLANNED) | said()), set()),
        "still here, and not booked": (
            kept(**sent(status=ParcelStatus.PLANNED, tracking="") | {"bookings": {}} | said()),
            set(),
        ),
        "one of two": (kept(**TWO_PARCELS), set()),
    },
    "nothing_is_shipped_unpaid": {"a parcel": (kept(unpaid=[OUT]), set())},
    "a_return_that_was_answered_stands": {
        "it is not there": (life(asked_back=[*ASKED, ReturnRequest("o-1", {"TEA": 1}, 201, "r-2")]), set()),
        "nothing is there": (kept(asked_back=ASKED), set()),
        "no return ever could be": (kept(returns={}, asked_back=ASKED), {"every_life_ends"}),
        "of another number": (life(asked_back=[*ASKED, ReturnRequest("o-1", {"TEA": 2}, 201, "r-1")]), set()),
        "nobody asked": (life(asked_back=[]), set()),
    },
    "no_news_is_lost": {
        "never taken": (life(**answered(500)), set()),
        "refused": (life(**answered(400)), set()),
        "not kept": (life(**inbox("carrier:out-2")), set()),
        "not applied": (life(**inbox("carrier:out-2", status=NewsStatus.RECEIVED)), set()),
        "not recognized": (life(**inbox("carrier:r-1", status=NewsStatus.UNKNOWN)), set()),
        "applied, and it is not so": (kept(**sent(status=ParcelStatus.SHIPPED)), {"delivered_is_all_of_it"}),
        "of a parcel that is not there": (
            kept(**said(*TO_THE_CUSTOMER, News(Sender.CARRIER, "x", SHIPPED, "o-1/out/east", 200))),
            set(),
        ),
        "of a return that is not there": (kept(**said(*life().news or ())), set()),
        "where no return ever could be": (kept(**said(*life().news or ()) | {"returns": {}}), {"every_life_ends"}),
        "of a return that expired": (expired(**said(*life().news or ())), set()),
        "a dispute": (life(**bank(DISPUTED)), set()),
        "the end of a dispute": (life(**paid(dispute=DisputeStatus.OPEN) | bank(DISPUTE_CLOSED, said="won")), set()),
        "a refund that failed": (life(**bank(REFUND_FAILED, subject="re_r-1")), set()),
    },
    "nobody_makes_news_up": {
        "all of it": (kept(**said()), set()),
        "that it has arrived": (kept(**NO_MORE_THAN_SHIPPED), set()),
        "that it was shipped": (kept(**sent(status=ParcelStatus.SHIPPED) | said()), {"delivered_is_all_of_it"}),
        "that it came back": (life(**said(*TO_THE_CUSTOMER)), set()),
        "a dispute": (life(**paid(dispute=DisputeStatus.OPEN)), set()),
        "a dispute, and of a refund it is true": (
            life(
                **ledger(0)
                | paid(refunded=0, refunds=(FAILED_REFUND,), dispute=DisputeStatus.OPEN)
                | bank(REFUND_FAILED, subject="re_r-1")
                | A_PERSON
            ),
            set(),
        ),
        "a dispute that was lost": (life(**paid(dispute=DisputeStatus.LOST)), set()),
    },
    # Of all orders, and what they say of those that were sold.
    "records_agree_with_the_decision": {
        "shipped, and never confirmed": (the_books(**CANCELLED_AND_SHIPPED, after_sale=True), set()),
        "where it is, its history does not say": (kept(states=without(Status.ARCHIVED)), set()),
        "how it began": (kept(states=without(Status.CONFIRMED)), {"the_customer_is_told_the_outcome"}),
    },
    "confirmed_is_captured_in_full": {
        "no reservation": (
            kept(reservations={}, counters={"TEA": [10]}),
            {
                "records_agree_with_the_decision",
                "returns_add_up",
                "what_is_kept_is_paid_for",
                "what_is_shipped_is_what_was_sold",
            },
        )
    },
    "one_payment_at_most": {
        "a second is held": (kept(intents={"o-1": [TAKEN, replace(TAKEN, status="requires_capture")]}), set())
    },
    "otherwise_nothing_is_held": {
        "money": (
            the_books(
                **decided(Outcome.CANCELLED, Reason.ORDER_CHANGED)
                | {"reservations": {"o-1": replace(PRICED, status=ReservationStatus.RELEASED)}}
                | ledger(0)
                | {"after_sale": True}
            ),
            set(),
        )
    },
    "the_decision_never_changes": {
        "archived before it was delivered": (kept(**came_to([*KEPT[:2], Status.ARCHIVED])), set()),
        "delivered again": (kept(past=[*(kept().past or ()), *(kept().past or ())[2:3]]), set()),
    },
    "every_change_is_announced": {
        "shipped": (kept(events=set(kept().events or ()) - {Happened("OrderShipped", "o-1")}), set())
    },
    "the_customer_is_told_the_outcome": {
        "not that it is shipped": (kept(emails=told([KEPT[0], KEPT[2]])), set()),
        "not that it has arrived": (kept(emails=told(KEPT[:2])), set()),
        "not of a refund": (life(emails=told(KEPT)), {"every_refund_is_told"}),
        "not that it is cancelled": (cancelled(emails=told(KEPT[:1])), set()),
        "of a refund that never was": (kept(emails=told(RETURNED)), set()),
        "that it is kept": (kept(emails=[*told(KEPT), Email("ada@example.com", "Your order o-1 is archived")]), set()),
    },
    "nobody_is_told_twice": {
        "that it is shipped": (kept(emails=told([*KEPT, Status.SHIPPING])), set()),
        "that it has arrived": (kept(emails=told([*KEPT, Status.DELIVERED])), set()),
        "of a refund": (life(emails=told([*RETURNED, Status.RETURNED])), set()),
        "that it is cancelled": (cancelled(emails=told([Status.CONFIRMED, *[Status.CANCELLED] * 2])), set()),
    },
    "a_cancel_that_was_answered_stands": {
        "and it was shipped": (kept(cancels={"o-1": [200]}), set()),
        "refused, and it is cancelled": (cancelled(cancels={"o-1": [409]}), set()),
        "nobody asked": (cancelled(cancels={}), set()),
    },
    "stock_is_conserved": {"put back twice": (life(counters={"TEA": [10]}), set())},
    "every_order_ends": {"a return is on the list": (life(open={"o-1/r-1"}), set())},
}


@pytest.mark.parametrize("how", WELL)
def test_nothing_contradicts_a_life_that_went_well(how: str) -> None:
    assert broken(WELL[how]) == set()


@pytest.mark.parametrize(("name", "damage"), [(name, damage) for name, of in DAMAGES.items() for damage in of])
def test_damage_is_noticed_by_its_invariant_and_by_no_other_than_those_named(name: str, damage: str) -> None:
    books, others = DAMAGES[name][damage]
    assert broken(books) == {name} | others


def test_for_every_invariant_there_is_damage_that_no_other_notices() -> None:
    alone = {name for name, of in DAMAGES.items() if any(not others for _, others in of.values())}
    assert alone >= {invariant.name for invariant in INVARIANTS}


@pytest.mark.parametrize("evidence", ["after_sale", "news", "asked_back", "unpaid", "called"])
def test_what_nobody_watched_is_not_judged(evidence: str) -> None:
    for books in WELL.values():
        unwatched: dict[str, Any] = {evidence: None}
        judged = violations(replace(books, **unwatched))
        assert [one for one in judged if evidence in one.needs] == []
        assert not any(judged.values())


def test_the_tables_tell_of_it_all() -> None:
    item = return_item(ONE_BACK)
    item["M"]["tracking"] = {"S": ONE_BACK.tracking}
    standing = returns_item(returns_of(life())) | {"closed": {"S": IN_TIME}, "returns": {"M": {"r-1": item}}}
    shipment = shipment_item(life().shipments["o-1"])
    shipment["parcels"]["M"][DEFAULT_WAREHOUSE]["M"]["tracking"] = {"S": PARCEL.tracking}
    refund = {"M": {"status": {"S": REFUND.status}, "amount": {"N": "450"}, "provider_reference": {"S": "re_r-1"}}}
    payment = {**order_key("o-1"), "status": {"S": "CAPTURED"}, "amount": {"N": "900"}, "refunded": {"N": "450"}}
    intent = {"id": {"S": TAKEN.reference}, "status": {"S": TAKEN.status}, "amount": {"N": "900"}}
    listed = open_order_item(OpenOrder("o-1", "then", return_id="r-1"))
    books = from_tables(
        {
            **dict.fromkeys(("OrdersTable", "OrderStatesTable", "OpenOrdersTable"), ()),
            "InventoryTable": [restock_key("o-1", "r-1") | {"units": counted({"TEA": 1})}],
            "PaymentsTable": [payment | {refund_attribute("r-1"): refund}],
            "SimulatedGatewayTable": [
                {**order_key("o-1"), **intent, "currency": {"S": "EUR"}, "amount_refunded": {"N": "450"}}
            ],
            "OpenShipmentsTable": [listed],
            "ShipmentsTable": [shipment],
            "ReturnsTable": [standing],
            "SimulatedCarrierTable": [
                {"id": {"S": "SIM-out"}, "reference": {"S": OUT}},
                {"id": {"S": "SIM-r-1"}, "reference": {"S": BACK}},
            ],
            "InboxTable": [{"id": {"S": "carrier:out-1"}, "status": {"S": "APPLIED"}}],
        },
        [],
        0,
    )
    right = life()
    assert (books.shipments, books.returns, books.restocked) == (right.shipments, right.returns, right.restocked)
    assert (books.bookings, books.intents) == (right.bookings, right.intents)
    assert books.payments["o-1"].refunds == (replace(REFUND, refunded_at=""),)
    assert books.open == {"o-1/r-1"}
    assert books.inbox["carrier:out-1"]["status"] == NewsStatus.APPLIED
