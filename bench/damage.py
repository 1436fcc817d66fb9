"""What may be wrong with an order: done to the items of one that is well, and the code that it has to be found by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.units import Item
from jobs.findings import Code
from orders import ReservationStatus

Tables = dict[str, list[Item]]  # by logical name, items as DynamoDB writes them

PROVIDER, CARRIER = "SimulatedGatewayTable", "SimulatedCarrierTable"


@dataclass(frozen=True)
class Damage:
    """Done to an order of this kind (lives.KINDS) that has come to its end."""

    code: Code
    kind: str
    do: Callable[[Tables], None]


def _set(table: str, **attributes: Item) -> Callable[[Tables], None]:
    def do(tables: Tables) -> None:
        tables[table][0] |= attributes

    return do


def _lose(*lost: str) -> Callable[[Tables], None]:
    def do(tables: Tables) -> None:
        for table in lost:
            del tables[table]

    return do


def _keep(*kept: str) -> Callable[[Tables], None]:
    def do(tables: Tables) -> None:
        for table in tables.keys() - set(kept):
            del tables[table]

    return do


def _more(table: str, attribute: str, more: int) -> Callable[[Tables], None]:
    def do(tables: Tables) -> None:
        item = tables[table][0]
        item[attribute] = {"N": str(int(item[attribute]["N"]) + more)}

    return do


def _charge_again(tables: Tables) -> None:
    tables[PROVIDER].append(tables[PROVIDER][0] | {"id": {"S": "pi_" + 24 * "a"}})


def _send_one_more(tables: Tables) -> None:
    (parcel,) = tables["ShipmentsTable"][0]["parcels"]["M"].values()
    for units in parcel["M"]["units"]["M"].values():
        units["N"] = str(int(units["N"]) + 1)


DAMAGES = (
    Damage(Code.HOLD_OF_A_FINISHED_ORDER, "sold out", _set(PROVIDER, status={"S": "requires_capture"})),
    Damage(Code.CAPTURED_AT_THE_PROVIDER_ONLY, "sold out", _set(PROVIDER, status={"S": "succeeded"})),
    Damage(Code.CAPTURED_HERE_ONLY, "kept", _set(PROVIDER, status={"S": "canceled"})),
    Damage(Code.CAPTURED_TWICE, "kept", _charge_again),
    Damage(Code.AMOUNT_DIFFERS, "kept", _more(PROVIDER, "amount", 100)),
    Damage(Code.REFUND_DIFFERS, "partly sent back", _more(PROVIDER, "amount_refunded", -1)),
    Damage(Code.ORDER_LOST, "kept", _keep("OrdersTable")),
    Damage(Code.DECISION_WITHOUT_EFFECTS, "declined", _set("InventoryTable", status={"S": ReservationStatus.RESERVED})),
    Damage(Code.PAYMENT_WITHOUT_ORDER, "kept", _keep("PaymentsTable", PROVIDER)),
    Damage(Code.RESERVATION_WITHOUT_ORDER, "kept", _keep("InventoryTable")),
    Damage(Code.PARCEL_WITHOUT_ORDER, "kept", _keep(CARRIER)),
    Damage(Code.PARCEL_NOT_BOOKED, "kept", _lose(CARRIER)),
    Damage(Code.WEBHOOK_NOT_APPLIED, "kept", _set("InboxTable", status={"S": "RECEIVED"})),
    Damage(Code.INVARIANT_BROKEN, "approved", _send_one_more),
)
