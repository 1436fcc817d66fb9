"""The invariants of what comes after the sale: parcels, returns, refunds, and what senders tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from invariants.books import Books, News, Plain
from invariants.invariant import Invariant
from notify import email
from orders import NEXT, DisputeStatus, Outcome, Payment, Reason, RefundStatus, Status, epoch_seconds
from orders.shipping import (
    CANCELLATION,
    ParcelStatus,
    Return,
    ReturnStatus,
    parcel_reference,
    read_reference,
    return_reference,
)
from webhooks.carrier import STATUSES as PARCEL_KINDS
from webhooks.inbox import NewsStatus
from webhooks.provider import DISPUTE_CLOSED, DISPUTED, REFUND_FAILED
from webhooks.provider import ENDS as DISPUTE_ENDS

# Where nothing more comes.
ENDS = {status for status, following in NEXT.items() if not following}
SHIPPED = (Status.SHIPPING, Status.DELIVERED, Status.ARCHIVED, Status.RETURNED)
_UP = list(ParcelStatus)


def refunds_to_tell(books: Books, order_id: str) -> int:
    """How many refunds an order's customer has to be told of, one by one: a cancellation's is told with it."""
    returns = books.returns.get(order_id)
    return sum(one.status == ReturnStatus.REFUNDED for one in returns.returns.values()) if returns else 0


def what_is_kept_is_paid_for(books: Books) -> Iterator[str]:
    for order_id, payment in books.payments.items():
        if books.decision(order_id).get("outcome") != Outcome.CONFIRMED:
            continue
        if payment.dispute == DisputeStatus.LOST:
            continue  # the bank has given the money back, whoever has the goods
        reservation = books.reservations.get(order_id)
        prices = {line.sku: line.unit_price for line in reservation.lines} if reservation else {}
        # A refund that the customer's bank sent back is paid by a person.
        failed = sum(refund.amount for refund in payment.refunds if refund.status == RefundStatus.FAILED)
        paid = sum(intent.amount - intent.refunded for intent in books.live(order_id) if intent.status == "succeeded")
        kept = sum(count * prices.get(sku, 0) for sku, count in books.held_by(order_id).items())
        if not (prices and all(prices.values())):
            if order_id in books.shipments:  # others may be older than the prices in reservations
                yield f"{order_id}: shipped, and nobody has written down what it was sold for"
        elif paid - failed != kept:
            yield f"{order_id}: {paid} paid, and {kept} is the price of what is kept"


def refunds_are_what_was_returned(books: Books) -> Iterator[str]:
    for order_id, payment in books.payments.items():
        returns = books.returns.get(order_id)
        going = {refund.return_id: refund for refund in payment.refunds}
        for one in returns.returns.values() if returns else ():
            refund = going.pop(one.return_id, None)
            owed = one.amount if one.status == ReturnStatus.REFUNDED and payment.dispute != DisputeStatus.LOST else 0
            if owed and (refund is None or refund.amount != owed):
                yield f"{order_id}: {one.return_id} is refunded, of {owed}: {refund}"
            if refund and one.status not in (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED):
                yield f"{order_id}: {one.return_id} is {one.status}, and paid back"
        going.pop(CANCELLATION, None)
        yield from (f"{order_id}: {return_id} is paid back, and nobody asked for it" for return_id in going)
        yield from _failed_refunds_are_seen_to(books, order_id, payment)
        counted = sum(refund.amount for refund in payment.refunds if refund.status != RefundStatus.FAILED)
        if counted != payment.refunded or counted > payment.charge.amount:
            yield f"{order_id}: {counted} refunded of {payment.charge.amount}, and the sum says {payment.refunded}"


def _failed_refunds_are_seen_to(books: Books, order_id: str, payment: Payment) -> Iterator[str]:
    if books.called is None or order_id in books.called or payment.dispute == DisputeStatus.LOST:
        return
    for refund in payment.refunds:
        if refund.status == RefundStatus.FAILED:
            yield f"{order_id}: the refund of {refund.return_id} failed, and nobody was called"


def every_refund_is_told(books: Books) -> Iterator[str]:
    for order_id in books.returns:
        told, refunds = books.told(order_id).count(Status.RETURNED), refunds_to_tell(books, order_id)
        if told < refunds and email.address_of(books.orders.get(order_id, {})) is not None:
            yield f"{order_id}: {refunds} refunds, and the customer was told of {told}"


def no_refund_is_paid_twice(books: Books) -> Iterator[str]:
    for order_id, payment in books.payments.items():
        paid = sum(intent.refunded for intent in books.intents.get(order_id, ()))
        right = sum(refund.amount for refund in payment.refunds if refund.status == RefundStatus.REFUNDED)
        if paid != right:
            yield f"{order_id}: the provider has paid {paid} back, of refunds over {right}"


def a_parcel_is_booked_once(books: Books) -> Iterator[str]:
    expected = {
        parcel_reference(order_id, parcel.warehouse): parcel.tracking
        for order_id, shipment in books.shipments.items()
        for parcel in shipment.parcels
    } | {
        return_reference(order_id, one.return_id): one.tracking
        for order_id, returns in books.returns.items()
        for one in returns.returns.values()
    }
    for reference, booked in books.bookings.items():
        if len(booked) != 1 or expected.get(reference) != booked[0]:
            yield f"{reference}: booked as {booked}, and known as {expected.get(reference)}"
    moved = {
        parcel_reference(order_id, parcel.warehouse)
        for order_id, shipment in books.shipments.items()
        for parcel in shipment.parcels
        if parcel.status != ParcelStatus.PLANNED
    }
    for reference, tracking in expected.items():
        if (tracking or reference in moved) and reference not in books.bookings:
            yield f"{reference}: known as {tracking or 'carried'}, and never booked"


def what_is_shipped_is_what_was_sold(books: Books) -> Iterator[str]:
    for order_id, shipment in books.shipments.items():
        sent: Counter[str] = Counter()
        for parcel in shipment.parcels:
            sent.update(parcel.units)
        if sent != books.sold_to(order_id):
            yield f"{order_id}: sent {dict(sent)}, sold {dict(books.sold_to(order_id))}"


def cancelled_is_not_shipped(books: Books) -> Iterator[str]:
    for order_id, state in books.states.items():
        put_back = books.restocked.get(order_id, {}).get(CANCELLATION)
        if state["status"] == Status.CANCELLED and state["decision"]["outcome"] == Outcome.CONFIRMED:
            booked = [reference for reference in books.bookings if read_reference(reference)[0] == order_id]
            everything = put_back is not None and Counter(put_back) == books.sold_to(order_id)
            if state.get("reason") != Reason.CANCELLED_BEFORE_SHIPPING or booked or not everything:
                yield f"{order_id}: cancelled for {state.get('reason')}, booked {booked}, put back: {put_back}"
        elif put_back is not None:
            yield f"{order_id}: put back as cancelled, and it is {state['status']}"


def returns_add_up(books: Books) -> Iterator[str]:
    for order_id, returns in books.returns.items():
        coming = Counter(returns.left)
        under_way = 0
        for one in returns.returns.values():
            if one.status != ReturnStatus.EXPIRED:
                coming.update(one.units)
            under_way += one.status in (ReturnStatus.REQUESTED, ReturnStatus.ARRIVED)
            yield from _return_adds_up(books, order_id, one)
        if +coming != books.sold_to(order_id) or min(returns.left.values(), default=0) < 0:
            yield f"{order_id}: {dict(coming)} left or coming back, of {dict(books.sold_to(order_id))}"
        if under_way != returns.open:
            yield f"{order_id}: {under_way} returns are under way, counted as {returns.open}"
    for order_id in books.states:
        known = {CANCELLATION, *(books.returns[order_id].returns if order_id in books.returns else ())}
        put_back = books.restocked.get(order_id, {}).keys() - known
        yield from (f"{order_id}: {return_id} is put back, and no return" for return_id in sorted(put_back))


def _return_adds_up(books: Books, order_id: str, one: Return) -> Iterator[str]:
    put_back = books.restocked.get(order_id, {}).get(one.return_id)
    if one.status == ReturnStatus.REFUNDED and put_back != one.units:
        yield f"{order_id}: {one.return_id} came back with {dict(one.units)}, put back {put_back}"
    if put_back and one.status not in (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED):
        yield f"{order_id}: {one.return_id} is {one.status}, and put back"


def an_end_is_the_right_one(books: Books) -> Iterator[str]:
    for order_id, returns in books.returns.items():
        status = books.status(order_id)
        if returns.open and status in ENDS:
            yield f"{order_id}: {status}, with {returns.open} returns under way"
        if (status == Status.RETURNED) != (bool(returns.closed) and returns.everything_came_back):
            yield f"{order_id}: {status}, with {dict(returns.left)} left"
        if status in (Status.ARCHIVED, Status.RETURNED) and not returns.closed:
            yield f"{order_id}: {status}, and more may still come back"
        # What came back whole is over at once, anything else when the time to send it back is.
        in_time = not returns.closed or epoch_seconds(returns.closed) >= epoch_seconds(returns.until)
        if not (in_time or returns.everything_came_back):
            yield f"{order_id}: closed at {returns.closed}, and it may come back until {returns.until}"


def every_life_ends(books: Books) -> Iterator[str]:
    for order_id in books.states:
        if books.status(order_id) not in ENDS:
            yield f"{order_id} is still {books.status(order_id)}"
        elif books.status(order_id) in SHIPPED and not (order_id in books.shipments and order_id in books.returns):
            yield f"{order_id} is {books.status(order_id)}, and was never shipped, or could not be sent back"


def delivered_is_all_of_it(books: Books) -> Iterator[str]:
    for order_id, shipment in books.shipments.items():
        if books.status(order_id) in SHIPPED[1:] and not shipment.delivered:
            yield f"{order_id} is {books.status(order_id)}, and a parcel has not arrived"


def nothing_is_shipped_unpaid(books: Books) -> Iterator[str]:
    yield from (f"{reference} was booked before its money was taken" for reference in books.unpaid or ())


def a_return_that_was_answered_stands(books: Books) -> Iterator[str]:
    for asked in books.asked_back or ():
        returns = books.returns.get(asked.order_id)
        standing = returns.returns.get(asked.return_id) if returns else None
        if asked.status == 201 and (standing is None or dict(standing.units) != dict(asked.units)):
            yield f"{asked.order_id}: {dict(asked.units)} may come back, and {standing} stands"
    # Whose answer was lost may still have been heard.
    wanted = [(asked.order_id, dict(asked.units)) for asked in books.asked_back or ()]
    for order_id, returns in books.returns.items():
        for one in returns.returns.values():
            if (order_id, dict(one.units)) not in wanted:
                yield f"{order_id}: {dict(one.units)} come back, and nobody asked for that"


def no_news_is_lost(books: Books) -> Iterator[str]:
    for news in books.news or ():
        if news.status != 200:
            yield f"{news.sender} {news.event_id} was answered with {news.status}"
            continue
        kept = books.inbox.get(f"{news.sender}:{news.event_id}")
        known = _is_known(books, news.subject)
        if kept is None or (kept["status"] != NewsStatus.APPLIED and known):
            yield f"{news.sender} {news.event_id}, {news.kind}: {kept and kept['status']}"
        elif known and not _is_so(books, news, kept):
            yield f"{news.subject}: {news.kind} was told, and it is not so"


def _is_known(books: Books, subject: str) -> bool:
    try:
        order_id, _, _ = read_reference(subject)
    except ValueError:
        return bool(_order_of(books, subject))
    return order_id in books.shipments


def _order_of(books: Books, intent: str) -> str:
    """The order that a payment intent is of, or nothing."""
    found = (order_id for order_id, intents in books.intents.items() if intent in {one.reference for one in intents})
    return next(found, "")


def _is_so(books: Books, news: News, kept: Plain) -> bool:
    """Whether things have come as far as it was told, or further."""
    if news.kind in PARCEL_KINDS:
        return _has_come_so_far(books, news.subject, PARCEL_KINDS[news.kind])
    payment = books.payments.get(_order_of(books, news.subject))
    match news.kind:
        case _ if payment is None:
            return True
        case kind if kind == DISPUTED:
            return bool(payment.dispute)
        case kind if kind == DISPUTE_CLOSED:
            return kept.get("said") not in DISPUTE_ENDS or payment.dispute in DISPUTE_ENDS.values()
        case kind if kind == REFUND_FAILED:
            failed = {one.provider_reference for one in payment.refunds if one.status == RefundStatus.FAILED}
            return kept.get("subject") in failed
        case _:
            return True


def _has_come_so_far(books: Books, reference: str, status: ParcelStatus) -> bool:
    order_id, comes_back, part = read_reference(reference)
    if comes_back:
        returns = books.returns.get(order_id)
        one = returns.returns.get(part) if returns else None
        if one is None or status != ParcelStatus.DELIVERED:
            return one is not None
        # What comes after its time, and after the order's end, is a person's.
        late = one.status == ReturnStatus.EXPIRED and (books.called is None or order_id in books.called)
        return late or one.status in (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED)
    parcels = [parcel for parcel in books.shipments[order_id].parcels if parcel.warehouse == part]
    return any(_UP.index(parcel.status) >= _UP.index(status) for parcel in parcels)


def nobody_makes_news_up(books: Books) -> Iterator[str]:
    told = {(news.subject, PARCEL_KINDS[news.kind]) for news in books.news or () if news.kind in PARCEL_KINDS}
    for order_id, shipment in books.shipments.items():
        for parcel in shipment.parcels:
            reference = parcel_reference(order_id, parcel.warehouse)
            if parcel.status != ParcelStatus.PLANNED and (reference, parcel.status) not in told:
                yield f"{reference} is {parcel.status}, and the carrier never said so"
    for order_id, returns in books.returns.items():
        for one in returns.returns.values():
            reference = return_reference(order_id, one.return_id)
            arrived = one.status in (ReturnStatus.ARRIVED, ReturnStatus.REFUNDED)
            if arrived and (reference, ParcelStatus.DELIVERED) not in told:
                yield f"{reference} is {one.status}, and the carrier never said so"
    disputed = {_order_of(books, news.subject) for news in books.news or () if news.kind in (DISPUTED, DISPUTE_CLOSED)}
    for order_id, payment in books.payments.items():
        if payment.dispute and order_id not in disputed:
            yield f"{order_id}: a dispute is {payment.dispute}, and the provider never said so"


INVARIANTS = (
    Invariant(
        "What was captured and not refunded is the price of what the customer keeps",
        what_is_kept_is_paid_for,
        ("after_sale", "intents"),
    ),
    Invariant(
        "Refunds are what was returned, and never more than was captured",
        refunds_are_what_was_returned,
        ("after_sale",),
    ),
    Invariant(
        "Each refund is told to its customer",
        every_refund_is_told,
        ("after_sale", "asked_back", "emails"),
    ),
    Invariant("No return is paid twice", no_refund_is_paid_twice, ("after_sale", "intents")),
    Invariant("A parcel is booked once", a_parcel_is_booked_once, ("after_sale", "bookings")),
    Invariant("What is shipped is what was sold", what_is_shipped_is_what_was_sold, ("after_sale",)),
    Invariant(
        "An order that is cancelled is not shipped, and one that is shipped is not undone",
        cancelled_is_not_shipped,
        ("after_sale",),
    ),
    Invariant("What comes back is what was sold, each unit once", returns_add_up, ("after_sale",)),
    Invariant(
        "An order ends as returned if everything came back, else as archived", an_end_is_the_right_one, ("after_sale",)
    ),
    Invariant(
        "Each confirmed order is shipped, and comes to its end",
        every_life_ends,
        ("after_sale", "news"),
    ),
    Invariant("An order is delivered when its last parcel is", delivered_is_all_of_it, ("after_sale",)),
    Invariant(
        "Nothing is shipped before its money is taken",
        nothing_is_shipped_unpaid,
        ("after_sale", "unpaid"),
    ),
    Invariant(
        "A return that was answered stands",
        a_return_that_was_answered_stands,
        ("after_sale", "asked_back"),
    ),
    Invariant(
        "No news is lost, whenever and in whatever order it comes",
        no_news_is_lost,
        ("after_sale", "news"),
    ),
    Invariant(
        "Nothing is believed that its sender did not say",
        nobody_makes_news_up,
        ("after_sale", "news"),
    ),
)
