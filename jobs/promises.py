"""What the pipeline promises (invariants/), held against the real data.

Nobody has watched the orders on their way, so only those invariants speak that need no more than the tables. They hold
for orders at rest, and hundreds of them are looked at in one go: each costs less than a look of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws.item import plain_item
from invariants.books import Books
from invariants.checks import violations
from jobs.cases import Case
from jobs.findings import Code, Finding
from orders.tables import approval_from

# What an item that is not as the pipeline writes it makes of the code that reads it.
NOT_UNDERSTOOD = (KeyError, ValueError, TypeError, AttributeError, IndexError)


def contradictions(cases: Sequence[Case]) -> list[Finding]:
    """What contradicts an invariant, of orders that are decided and at rest; one finding for each of them."""
    found: list[Finding] = []
    for known in (True, False):
        some = [case for case in cases if case.provider_is_known == known]
        if some and _broken(some, provider=known):
            found += [finding for case in some for finding in _contradicts(case, provider=known)]
    return found


def _contradicts(case: Case, *, provider: bool) -> list[Finding]:
    if broken := _broken([case], provider=provider):
        return [Finding(Code.INVARIANT_BROKEN, case.order_id, detail="; ".join(broken))]
    return []


def _broken(cases: Sequence[Case], *, provider: bool) -> list[str]:
    """The invariants that do not hold, by their sentences: what exactly contradicts them may quote anything."""
    try:
        return [
            invariant.sentence for invariant, broken in violations(books(cases, provider=provider)).items() if broken
        ]
    except NOT_UNDERSTOOD as error:
        return [f"an item is not understood ({type(error).__name__})"]


def books(cases: Sequence[Case], *, provider: bool) -> Books:
    """The books of these orders; with `provider`, also what the payment provider has on them. The list of what shipping
    has to do is left out: an order may be on it for weeks, at rest.
    """
    sources = cases[0].night.sources
    known = {"intents": provider, "bookings": "carrier" in sources}
    unread = {"emails", "waiting", *(evidence for evidence, read in known.items() if not read)}
    return Books(
        orders={case.order_id: plain_item(case.order) for case in cases if case.order},
        states={case.order_id: plain_item(case.state) for case in cases if case.state},
        counters={},
        reservations={case.order_id: case.reservation for case in cases if case.reservation},
        payments={case.order_id: case.payment for case in cases if case.payment},
        intents={case.order_id: [*case.intents] for case in cases},
        emails=(),
        waiting=0,
        unread=unread,
        forgotten={case.order_id for case in cases if case.is_forgotten},
        approvals={case.order_id: approval_from(item) for case in cases for item in case.items.get("approvals", ())},
        after_sale=True if "shipments" in sources else None,
        shipments={case.order_id: case.shipment for case in cases if case.shipment},
        returns={case.order_id: case.returns for case in cases if case.returns},
        restocked={case.order_id: case.restocked for case in cases if case.restocked},
        bookings={reference: ids for case in cases for reference, ids in case.bookings.items()},
    )
