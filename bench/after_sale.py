"""Orders that go the whole way in the simulation, counted: kept, in two parcels, partly returned, and cancelled."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from boto3.dynamodb.types import TypeSerializer

from bench import runs, simulated
from bench.meter import Tally, metered
from bench.simulated import DAY, WHOLE, World
from bench.units import Item
from demo import shop
from orders import Status
from orders.events import BECAME
from orders.tables import stock_key

ORDERS = 5  # of each kind: counts are the same for each
LINES = {"TEA-100": 2, "MUG-BLUE": 1}  # as in events/order.json
RETURNED = {"TEA-100": 1}
ASKED_AFTER = 3 * DAY  # the parcel is there after a day and two hours
CANCELLED_AFTER, SHIPPED_AFTER = 5.0, 10.0  # seconds; by then the order is confirmed, and its customer told

EVERY_FIVE_MINUTES = "rate(5 minutes)"

KEPT, PARCELS, PARTLY, CANCELLED = "kept", "two parcels", "partly returned", "cancelled"


@dataclass(frozen=True)
class Way:
    """What is done about each order, and where the SKUs lie that are elsewhere. `ends` is what becomes of it."""

    ends: Status
    do: Callable[[World, str], None] = lambda *_: None
    prepare: Callable[[World], None] = lambda _: None
    warehouses: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Followed:
    """Orders of one kind. `stream_records` are those of OrderStates, and `enlisted` those of them that enlist gets."""

    tally: Tally
    cold: Tally  # one order more, for which each sandbox was new
    stream_records: int
    enlisted: int


def _cancel(here: World, order_id: str) -> None:
    def ask() -> None:
        if (answer := here.ask("POST", f"/orders/{order_id}/cancel")).status != 200:
            raise RuntimeError(f"not cancelled: {answer.status} {answer.body}")

    simulated.later(here, CANCELLED_AFTER, ask)


WAYS = {
    KEPT: Way(Status.ARCHIVED),
    PARCELS: Way(Status.ARCHIVED, warehouses={"MUG-BLUE": "north"}),
    PARTLY: Way(Status.ARCHIVED, lambda here, order_id: simulated.send_back(here, order_id, RETURNED, ASKED_AFTER)),
    # Shipping begins as soon as the bus says that an order is confirmed. Who cancels has to be faster than that.
    CANCELLED: Way(
        Status.CANCELLED,
        _cancel,
        lambda here: simulated.hold_back(here, BECAME[Status.CONFIRMED], SHIPPED_AFTER),
    ),
}


@functools.cache
def followed(kind: str) -> Followed:
    """Orders of one kind to their end, each of them placed when the one before has come to its own. So no two share an
    invocation. One that is not counted goes before them, so that every function has a warm sandbox. Made once in a
    process.

    Raises RuntimeError when one does not end as it should, or would have been swept on its way.
    """
    way = WAYS[kind]
    with simulated.ready(WHOLE, _stock(way.warehouses or {})) as here:
        swept: set[str] = set()
        here.watchers.append(lambda _: swept.update(simulated.due(here, "OpenShipmentsTable")))
        way.prepare(here)
        with metered(here, WHOLE.settings) as cold, simulated.cold(here):
            _place(here, "order-cold", way)
        _place(here, "order-warm", way)
        records, invocations = len(here.changes_of("OrderStatesTable")), len(here.invocations)
        with metered(here, WHOLE.settings) as tally:
            for number in range(ORDERS):
                _place(here, f"order-{number:014}", way)
        simulated.all_closed(here)
        cold.orders, tally.orders = 1, ORDERS
        tally.outcomes.update(item["status"] for item in here.items("OrderStatesTable"))
        if swept or set(tally.outcomes) != {way.ends}:
            raise RuntimeError(f"{kind}: became {dict(tally.outcomes)}, due for a sweep: {sorted(swept)}")
        tally.recordings = cold.recordings  # a sandbox asks for its secret at first
        return Followed(
            tally,
            cold,
            len(here.changes_of("OrderStatesTable")) - records,
            sum(len(one.event["Records"]) for one in here.invocations[invocations:] if one.step == "enlist"),
        )


def _stock(warehouses: Mapping[str, str]) -> list[Item]:
    where = {stock_key(sku)["pk"]["S"]: {"warehouse": {"S": warehouse}} for sku, warehouse in warehouses.items()}
    return [item | where.get(item["pk"]["S"], {}) for item in runs.stock()]


def _place(here: World, order_id: str, way: Way) -> None:
    serialize = TypeSerializer().serialize
    way.do(here, order_id)
    here.put("OrdersTable", {name: serialize(value) for name, value in shop.order(order_id, LINES).items()})
    here.loop.settle()


def empty_round() -> tuple[Tally, float]:
    """One run of what takes up the news that could not be applied when it came, with nothing to do; and for how many
    seconds it ran.
    """
    with simulated.ready(WHOLE, []) as here:
        begun = here.loop.now
        with metered(here, WHOLE.settings) as tally:
            simulated.later(here, 0.0, lambda: simulated.run_schedule(here, "shipping", EVERY_FIVE_MINUTES))
            here.loop.settle()
        tally.orders = 1
        return tally, here.loop.now - begun
