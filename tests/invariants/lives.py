"""What may become of an order after the sale: whole lives that went well, and what to damage them with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from invariants.books import Books, Called, Email, Happened, News, ReturnRequest
from orders import DisputeStatus, Line, Outcome, Reason, Refund, RefundStatus, Status
from orders.events import BECAME, PLACED
from orders.shipping import (
    CANCELLATION,
    DEFAULT_WAREHOUSE,
    Parcel,
    ParcelStatus,
    Return,
    Returns,
    ReturnStatus,
    Shipment,
    parcel_reference,
    return_reference,
)
from tests.invariants.builders import HELD, STATE, TAKEN, decided, the_books
from webhooks.carrier import DELIVERED, SHIPPED
from webhooks.inbox import NewsStatus, Sender
from webhooks.provider import DISPUTE_CLOSED

OUT, BACK = parcel_reference("o-1", DEFAULT_WAREHOUSE), return_reference("o-1", "r-1")
UNTIL, IN_TIME, TOO_SOON = "2026-01-20T09:00:00.000+00:00", "2026-01-20T09:00:01.000+00:00", "2026-01-20T08:59:59+00:00"
PRICED = replace(HELD, lines=(Line("TEA", 2, 450),))
PARCEL = Parcel(DEFAULT_WAREHOUSE, {"TEA": 2}, ParcelStatus.DELIVERED, "SIM-out")
ONE_BACK = Return("r-1", ReturnStatus.REFUNDED, {"TEA": 1}, 450, "2026-01-07T09:00:00.000+00:00", 0, "SIM-r-1")
REFUND = Refund("r-1", RefundStatus.REFUNDED, 450, "re_r-1", "2026-01-09T09:00:00.000+00:00")
TO_THE_CUSTOMER = [
    News(Sender.CARRIER, "out-1", SHIPPED, OUT, 200),
    News(Sender.CARRIER, "out-2", DELIVERED, OUT, 200),
]
KEPT = [Status.CONFIRMED, Status.SHIPPING, Status.DELIVERED, Status.ARCHIVED]
RETURNED = [*KEPT[:-1], Status.RETURNED]
SUBJECTS = {
    Status.CONFIRMED: "Your order o-1 is confirmed",
    Status.SHIPPING: "Your order o-1 is on its way",
    Status.DELIVERED: "Your order o-1 is delivered",
    Status.CANCELLED: "Your order o-1 is cancelled",
    Status.RETURNED: "Your return of order o-1 has arrived",
}


def told(statuses: Iterable[Status]) -> list[Email]:
    return [Email("ada@example.com", SUBJECTS[status]) for status in statuses if status in SUBJECTS]


def came_to(statuses: Collection[Status], refunds: int = 0, **more: Any) -> dict[str, Any]:
    """What is seen of an order that went this way, with an email for each of its refunds."""
    past = [
        STATE | {"status": status, "history": dict.fromkeys(list(statuses)[: number + 1], "then")} | more
        for number, status in enumerate(statuses)
    ]
    news = [status for status in statuses if status != Status.RETURNED] + [Status.RETURNED] * refunds
    return {
        "states": {"o-1": past[-1]},
        "past": [("o-1", state) for state in past],
        "events": {Happened(what, "o-1") for what in (PLACED, *(BECAME[status] for status in statuses))},
        "emails": told(news),
    }


def said(*news: News, **how: Any) -> dict[str, Any]:
    """What senders told, all of it applied."""
    return {
        "news": list(news),
        "inbox": {f"{one.sender}:{one.event_id}": {"status": NewsStatus.APPLIED, **how} for one in news},
    }


def bank(kind: str, **how: Any) -> dict[str, Any]:
    """The same, and one piece about the payment."""
    return said(*life().news or (), News(Sender.STRIPE, "evt_1", kind, TAKEN.reference, 200), **how)


def reference_of(one: Return) -> str:
    return return_reference("o-1", one.return_id)


def life(*returns: Return, **changes: Any) -> Books:
    """An order that was delivered, and of which this came back. What did not expire was put back and paid back."""
    returns = returns or (ONE_BACK,)
    back = [one for one in returns if one.status == ReturnStatus.REFUNDED]
    count = sum(one.units["TEA"] for one in back)
    payment = the_books().payments["o-1"]
    whole = {
        **came_to(KEPT if count < 2 else RETURNED, len(back)),
        **said(
            *TO_THE_CUSTOMER,
            *(
                News(Sender.CARRIER, one.return_id, DELIVERED, return_reference("o-1", one.return_id), 200)
                for one in back
            ),
        ),
        "reservations": {"o-1": PRICED},
        "counters": {"TEA": [8 + count]},
        "restocked": {"o-1": {one.return_id: one.units for one in back}},
        "payments": {
            "o-1": replace(
                payment,
                refunded=450 * count,
                refunds=tuple(
                    replace(REFUND, return_id=one.return_id, provider_reference=f"re_{one.return_id}") for one in back
                ),
            )
        },
        "intents": {"o-1": [replace(TAKEN, refunded=450 * count)]},
        "after_sale": True,
        "shipments": {"o-1": Shipment("o-1", (PARCEL,), {"TEA": 450})},
        "returns": {
            "o-1": Returns(
                "o-1", {"TEA": 2 - count}, {"TEA": 450}, 0, UNTIL, IN_TIME, {one.return_id: one for one in returns}
            )
        },
        "bookings": {OUT: ["SIM-out"]} | {reference_of(one): [one.tracking] for one in returns},
        "asked_back": [ReturnRequest("o-1", one.units, 201, one.return_id) for one in returns],
        "unpaid": [],
    }
    return the_books(**whole | changes)


SECOND_BACK = replace(ONE_BACK, return_id="r-2", tracking="SIM-r-2")
EXPIRED = replace(ONE_BACK, status=ReturnStatus.EXPIRED)


def whole(**changes: Any) -> Books:
    """An order that came back, one unit after the other."""
    return life(ONE_BACK, SECOND_BACK, **changes)


def expired(**changes: Any) -> Books:
    """An order of which a part was to come back, and did not."""
    return life(EXPIRED, **changes)


def kept(**changes: Any) -> Books:
    """An order that its customer kept."""
    nothing = {"returns": {"o-1": replace(returns_of(expired()), returns={})}, "bookings": {OUT: ["SIM-out"]}}
    return expired(**nothing | {"asked_back": []} | changes)


def cancelled(**changes: Any) -> Books:
    """An order that its customer cancelled after it was confirmed."""
    nothing: dict[str, Any] = {"shipments": {}, "returns": {}, "bookings": {}, "asked_back": [], **said()}
    refund = Refund(CANCELLATION, RefundStatus.REFUNDED, 900, "re_1")
    return life(
        **came_to([Status.CONFIRMED, Status.CANCELLED], reason=Reason.CANCELLED_BEFORE_SHIPPING)
        | nothing
        | {
            "counters": {"TEA": [10]},
            "restocked": {"o-1": {CANCELLATION: {"TEA": 2}}},
            **paid(refunded=900, refunds=(refund,)),
            **ledger(900),
            "cancels": {"o-1": [200]},
        }
        | changes
    )


def returns_of(books: Books) -> Returns:
    return books.returns["o-1"]


def paid(**changes: Any) -> dict[str, Any]:
    """The payment, with one refund unless it says otherwise."""
    payment = replace(the_books().payments["o-1"], refunded=450, refunds=(REFUND,))
    return {"payments": {"o-1": replace(payment, **changes)}}


def ledger(refunded: int) -> dict[str, Any]:
    """What the provider has paid back."""
    return {"intents": {"o-1": [replace(TAKEN, refunded=refunded)]}}


def returning(**changes: Any) -> dict[str, Any]:
    return {"returns": {"o-1": replace(returns_of(life()), **changes)}}


def sent(**changes: Any) -> dict[str, Any]:
    return {"shipments": {"o-1": Shipment("o-1", (replace(PARCEL, **changes),), {"TEA": 450})}}


def worth(amount: int) -> dict[str, Any]:
    """A return, its refund, and what the provider paid: all of the same amount."""
    refund = replace(REFUND, amount=amount)
    return (
        returning(returns={"r-1": replace(ONE_BACK, amount=amount)})
        | paid(refunded=amount, refunds=(refund,))
        | ledger(amount)
    )


def answered(status: int) -> dict[str, Any]:
    """The carrier's last news, and what it was answered with."""
    news = list(life().news or ())
    return {"news": [*news[:-1], news[-1]._replace(status=status)]}


def inbox(without: str, **instead: Any) -> dict[str, Any]:
    rest = {name: item for name, item in life().inbox.items() if name != without}
    return {"inbox": rest | ({without: instead} if instead else {})}


def without(status: Status) -> dict[str, Any]:
    """The state of an order that was kept, in whose history this is missing."""
    state = kept().states["o-1"]
    return {"o-1": state | {"history": {name: at for name, at in state["history"].items() if name != status}}}


def strange(subject: str) -> dict[str, Any]:
    """The carrier tells of a parcel that is none of ours, too."""
    right = life()
    told = News(Sender.CARRIER, "x", SHIPPED, subject, 200)
    return {
        "news": [*(right.news or ()), told],
        "inbox": {**right.inbox, "carrier:x": {"status": NewsStatus.UNKNOWN}},
    }


FAILED_REFUND = replace(REFUND, status=RefundStatus.FAILED)
A_PERSON: dict[str, Any] = {"called": {"o-1": [Called(120.0)]}, "mistaken": {"o-1": 60.0}}
TWO_REFUNDS = (REFUND, replace(REFUND, return_id="r-9"))
LOST = paid(dispute=DisputeStatus.LOST) | bank(DISPUTE_CLOSED, said="lost")
FAILED = paid(refunded=0, refunds=(FAILED_REFUND,)) | ledger(0)
NOT_PAID_BACK = paid(refunded=0, refunds=()) | ledger(0)
NO_MORE_THAN_SHIPPED = said(TO_THE_CUSTOMER[0])
NOT_SHIPPED: dict[str, Any] = {"shipments": {}, "bookings": {}, **said()}
EAST = parcel_reference("o-1", "east")
TWO_PARCELS = {
    "shipments": {
        "o-1": Shipment(
            "o-1",
            (
                replace(PARCEL, units={"TEA": 1}),
                Parcel("east", {"TEA": 1}, ParcelStatus.SHIPPED, "SIM-east"),
            ),
            {"TEA": 450},
        )
    },
    "bookings": {OUT: ["SIM-out"], EAST: ["SIM-east"]},
    **said(*TO_THE_CUSTOMER, News(Sender.CARRIER, "east-1", SHIPPED, EAST, 200)),
}
ASKED = [ReturnRequest("o-1", {"TEA": 1}, 201, "r-1")]
CANCELLED_AND_SHIPPED = decided(Outcome.CANCELLED, Reason.ORDER_CHANGED)
CANCELLED_AND_SHIPPED |= {
    "states": {
        "o-1": CANCELLED_AND_SHIPPED["states"]["o-1"]
        | {"status": Status.SHIPPING, "history": {Status.CANCELLED: "then", Status.SHIPPING: "then"}}
    },
    "emails": told([Status.CANCELLED, Status.SHIPPING]),
}
UNDER_WAY = replace(ONE_BACK, status=ReturnStatus.ARRIVED)
