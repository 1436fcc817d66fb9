"""An order is judged when it is at rest, and by what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs.cases import Case, seconds
from jobs.findings import SEND_AGAIN, VOID, Code, Finding
from jobs.reconcile import what_is_wrong
from orders import iso_8601
from orders.approval import digest
from orders.retention import DAY, RETENTION_SECONDS
from orders.shipping import parcel_reference
from orders.tables import Item, order_key, refund_attribute, reservation_item, reservation_key
from tests.jobs import a_shop

HOUR = 60 * 60


@pytest.fixture(autouse=True, scope="module")
def _before_there_is_no_network() -> None:
    with a_shop.with_sockets():
        a_shop.in_the_evening()


def ago(seconds_ago: float) -> dict[str, str]:
    _, now = a_shop.in_the_evening()
    return {"S": iso_8601(now - seconds_ago)}


def the_case(order_id: str = "K-0") -> Case:
    tables, as_of = a_shop.in_the_evening()
    return next(case for case in a_shop.cases(tables, as_of) if case.order_id == order_id)


def having(case: Case, **items: list[Item]) -> Case:
    """The same order with other items, by source."""
    return replace(case, items={**case.items, **items})


def changed(case: Case, source: str, **attributes: Any) -> Case:
    """The same order, of which an item of a source has other attributes; one that is None is taken away."""
    first, *rest = case.items[source]
    new = {name: value for name, value in {**first, **attributes}.items() if value is not None}
    return having(case, **{source: [new, *rest]})


def came_to(case: Case, status: str, at: dict[str, str], **more: Any) -> Case:
    """The same order with another status, to which it came at a time."""
    history = {name: then for name, then in case.items["states"][0]["history"]["M"].items() if name == "CONFIRMED"}
    return changed(case, "states", status={"S": status}, history={"M": {**history, status: at}}, **more)


def codes(case: Case) -> list[Code]:
    return [finding.code for finding in what_is_wrong(case)]


def the_finding(case: Case) -> Finding:
    [finding] = what_is_wrong(case)
    return finding


# ── At rest ───────────────────────────────────────────────────────────────────────────────────────────────────────────

WRONG: dict[str, list[Item]] = {"provider": []}  # which is a finding in every order that is paid and at rest


def wrong(case: Case) -> Case:
    return having(case, **WRONG)


def test_an_order_that_came_to_its_end_is_judged() -> None:
    assert the_case().under_way_since is None
    assert codes(wrong(the_case())) == [Code.CAPTURED_HERE_ONLY]


@pytest.mark.parametrize(
    ("source", "attributes"),
    [
        ("payments", {"asked_at": {"N": "99999999999"}}),
        ("payments", {refund_attribute("r-1"): {"M": {"status": {"S": "REFUNDED"}, "amount": {"N": "1250"},
            "provider_reference": {"S": "re_1"}, "refunded_at": {"S": "2099-01-01T00:00:00Z"}}}}),
        ("returns", {"closed": {"S": "2099-01-01T00:00:00Z"}}),
        ("inbox", {"received_at": {"S": "2099-01-01T00:00:00Z"}}),
        ("told", {"data": {"S": '{"order_id": "R-1", "outcome": "CONFIRMED", "told_at": "2099-01-01T00:00:00Z"}'}}),
        ("states", {"history": {"M": {"CONFIRMED": {"S": "2099-01-01T00:00:00Z"}}}}),
    ],
)  # fmt: skip
def test_an_order_of_which_anything_changed_since_the_night_began_is_under_way(
    source: str, attributes: dict[str, Any]
) -> None:
    case = changed(the_case("R-1"), source, **attributes)
    assert case.under_way_since == case.night.as_of
    assert codes(wrong(case)) == []


def test_what_was_decided_in_the_same_second_before_it_is_at_rest_and_after_it_under_way() -> None:
    case = the_case("D-1")
    for before, at_rest in ((0.001, True), (0.0, False), (-0.001, False)):
        state = case.items["states"][0]
        decision = {"M": {**state["decision"]["M"], "decided_at": ago(before)}}
        assert (changed(case, "states", decision=decision).under_way_since is None) == at_rest


@pytest.mark.parametrize("hours", [0, 23.9, 24, 100])
def test_an_order_on_the_list_is_under_way_and_a_finding_after_a_day(hours: float) -> None:
    entry = {**order_key("K-0"), "occurred_at": ago(hours * HOUR), "sweeps": {"N": "1"}}
    case = wrong(having(the_case(), open=[entry]))
    assert codes(case) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours >= 24 else [])


@pytest.mark.parametrize(
    ("status", "expires_in", "waits"), [("PENDING", HOUR, True), ("PENDING", -HOUR, False), ("APPROVED", HOUR, False)]
)
def test_an_order_that_a_person_may_still_approve_is_not_open_for_too_long(
    status: str, expires_in: float, waits: bool
) -> None:
    case = the_case()
    asked = {
        **order_key("K-0"),
        "status": {"S": status},
        "content": {"S": digest({})},
        "asked_at": ago(50 * HOUR),
        "expires_at": {"N": str(int(case.night.as_of + expires_in))},
    }
    entry = {**order_key("K-0"), "occurred_at": ago(50 * HOUR), "review": {"BOOL": True}}
    case = having(case, states=[], open=[entry], approvals=[asked])
    assert codes(case) == ([] if waits else [Code.ORDER_OPEN_FOR_A_DAY])


ON_THE_LIST = [{**order_key("K-0"), "occurred_at": {"S": "2026-03-02T09:00:00Z"}}]


@pytest.mark.parametrize("hours", [1, 30])
@pytest.mark.parametrize("status", ["CONFIRMED", "CANCELLED"])
def test_an_order_that_is_about_to_be_booked_or_paid_back_is_under_way(status: str, hours: float) -> None:
    case = came_to(the_case(), status, ago(hours * HOUR))
    case = wrong(having(case, open_shipments=ON_THE_LIST, shipments=[], returns=[], carrier=[]))
    assert codes(case) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours > 24 else [])


@pytest.mark.parametrize("status", ["SHIPPING", "DELIVERED"])
def test_an_order_that_waits_for_its_carrier_or_its_customer_is_at_rest(status: str) -> None:
    case = came_to(the_case(), status, ago(30 * HOUR))
    case = having(changed(case, "returns", closed=None), open_shipments=ON_THE_LIST)
    if status == "SHIPPING":
        case = having(case, returns=[])
    assert codes(case) == []
    assert codes(wrong(case)) == [Code.CAPTURED_HERE_ONLY]


@pytest.mark.parametrize("hours", [1, 30])
def test_a_parcel_that_is_being_booked_is_under_way(hours: float) -> None:
    case = came_to(the_case(), "SHIPPING", ago(hours * HOUR))
    parcels = case.items["shipments"][0]["parcels"]["M"]
    planned = {"main": {"M": {"units": parcels["main"]["M"]["units"], "status": {"S": "PLANNED"}}}}
    case = changed(having(case, returns=[], carrier=[]), "shipments", parcels={"M": planned})
    assert codes(wrong(case)) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours > 24 else [])


@pytest.mark.parametrize("hours", [1, 30])
def test_an_order_whose_returns_are_closed_is_about_to_end(hours: float) -> None:
    case = changed(came_to(the_case(), "DELIVERED", ago(40 * HOUR)), "returns", closed=ago(hours * HOUR))
    assert codes(wrong(case)) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours > 24 else [])


def a_return(case: Case, **attributes: Any) -> Case:
    [(return_id, one)] = case.items["returns"][0]["returns"]["M"].items()
    new = {name: value for name, value in {**one["M"], **attributes}.items() if value is not None}
    return changed(case, "returns", returns={"M": {return_id: {"M": new}}})


@pytest.mark.parametrize("hours", [1, 30])
def test_a_return_whose_label_is_being_made_is_under_way(hours: float) -> None:
    case = a_return(the_case("R-1"), status={"S": "REQUESTED"}, tracking=None, requested_at=ago(hours * HOUR))
    assert codes(wrong(case)) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours > 24 else [])


@pytest.mark.parametrize("hours", [1, 30])
def test_a_return_is_being_paid_back_since_its_carrier_told_that_it_arrived(hours: float) -> None:
    case = a_return(the_case("R-1"), status={"S": "ARRIVED"}, requested_at=ago(100 * HOUR))
    told = [
        item | ({"received_at": ago(hours * HOUR)} if "/back/" in item["subject"]["S"] else {})
        for item in case.items["inbox"]
    ]
    assert codes(wrong(having(case, inbox=told))) == ([Code.ORDER_OPEN_FOR_A_DAY] if hours > 24 else [])


@pytest.mark.parametrize("placed_at", ["2026-03-02T09:00:00Z", "2099-01-01T00:00:00Z", "yesterday"])
def test_an_order_that_nobody_decides_is_lost_whatever_its_customer_says_of_the_time(placed_at: str) -> None:
    case = having(changed(the_case("D-1"), "orders", placed_at={"S": placed_at}), states=[])
    assert codes(case) == [Code.ORDER_LOST]


def test_an_order_that_was_placed_while_the_night_went_on_is_under_way() -> None:
    assert codes(having(changed(the_case("D-1"), "orders", placed_at=ago(-1)), states=[])) == []


# ── What is known ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_provider_whose_ledger_was_not_read_contradicts_nothing() -> None:
    case = wrong(the_case())
    night = replace(case.night, sources=case.night.sources - {"provider"})
    assert codes(replace(case, night=night)) == []


@pytest.mark.parametrize("days", [1, 40])
def test_a_payment_from_before_the_ledger_was_read_is_not_missing_in_it(days: int) -> None:
    case = changed(wrong(the_case()), "payments", asked_at={"N": str(int(the_case().night.as_of - days * DAY))})
    case = replace(case, night=replace(case.night, provider_since=case.night.as_of - 30 * DAY))
    assert codes(case) == ([Code.CAPTURED_HERE_ONLY] if days < 30 else [])


@pytest.mark.parametrize("missing", [["payments"], ["inventory"], ["payments", "inventory"]])
def test_what_forbids_a_late_hold_may_expire_and_must_not_be_missing_before_that(missing: list[str]) -> None:
    case = having(the_case("I-1"), **{source: [] for source in missing})
    assert (the_finding(case).code, the_finding(case).repair) == (Code.DECISION_WITHOUT_EFFECTS, SEND_AGAIN)
    much_later = replace(case, night=replace(case.night, as_of=case.night.as_of + RETENTION_SECONDS))
    assert codes(much_later) == []


def test_a_carrier_whose_bookings_were_not_read_contradicts_nothing() -> None:
    case = having(the_case(), carrier=[])
    assert codes(case) == [Code.PARCEL_NOT_BOOKED]
    assert codes(replace(case, night=replace(case.night, sources=case.night.sources - {"carrier"}))) == []


def test_a_return_that_expired_before_it_had_a_label_was_never_booked() -> None:
    case = a_return(the_case("R-1"), status={"S": "EXPIRED"}, tracking=None)
    out = [item for item in case.items["carrier"] if "/out/" in item["reference"]["S"]]
    assert Code.PARCEL_NOT_BOOKED not in codes(having(case, carrier=out))
    labelled = a_return(the_case("R-1"), status={"S": "EXPIRED"})
    assert Code.PARCEL_NOT_BOOKED in codes(having(labelled, carrier=out))


def test_an_order_that_its_owner_has_deleted_or_changed_is_no_finding() -> None:
    assert codes(having(the_case(), orders=[])) == []
    assert codes(changed(the_case(), "orders", total={"N": "1"}, lines={"L": []})) == []


@pytest.mark.parametrize("known", ["payments", "provider"])
def test_money_without_an_order_is_found_whoever_knows_of_it(known: str) -> None:
    case = replace(the_case(), items={known: the_case().items[known]})
    assert codes(case) == [Code.PAYMENT_WITHOUT_ORDER]


def test_what_was_given_back_without_an_order_is_no_finding() -> None:
    case = the_case("O-1")
    assert codes(replace(case, items={name: case.items[name] for name in ("payments", "provider", "inventory")})) == []
    released = reservation_item(replace(a_reservation(the_case("D-1")), order_id="O-1"))
    assert codes(replace(case, items={"inventory": [released]})) == []


def a_reservation(case: Case) -> Any:
    assert case.reservation
    return case.reservation


def test_the_carrier_has_no_parcel_that_the_orders_shipment_does_not_know() -> None:
    stray = {"id": {"S": "SIM-stray"}, "reference": {"S": parcel_reference("K-0", "nowhere")}}
    case = having(the_case(), carrier=[*the_case().items["carrier"], stray])
    assert (the_finding(case).code, the_finding(case).subject) == (Code.PARCEL_WITHOUT_ORDER, "K-0/out/nowhere")


# ── Money ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_capture_under_another_id_than_ours_is_not_repaired() -> None:
    case = changed(the_case(), "payments", status={"S": "AUTHORIZED"})
    assert (the_finding(case).code, the_finding(case).repair) == (Code.CAPTURED_AT_THE_PROVIDER_ONLY, SEND_AGAIN)
    stray = changed(case, "provider", id={"S": "pi_stray"})
    assert (the_finding(stray).code, the_finding(stray).repair) == (Code.CAPTURED_AT_THE_PROVIDER_ONLY, "")


def taken_back() -> Case:
    """An order whose hold lapsed before it was taken, and that its customer cancelled then."""
    case = came_to(the_case(), "CANCELLED", ago(30 * HOUR), reason={"S": "CANCELLED_BEFORE_SHIPPING"})
    case = changed(case, "payments", status={"S": "VOIDED"}, reason={"S": "PAYMENT_VOIDED"})
    case = changed(case, "provider", status={"S": "canceled"})
    [reservation] = case.items["inventory"]
    units = {"M": {"mug": {"N": "1"}, "pot": {"N": "2"}}}
    put_back = {**reservation_key("K-0"), "sk": {"S": "RESTOCKED#cancellation"}, "units": units}
    nothing: dict[str, list[Item]] = {"shipments": [], "returns": [], "carrier": [], "inbox": []}
    return having(case, inventory=[reservation, put_back], **nothing)


def test_an_order_whose_hold_lapsed_and_that_was_cancelled_then_is_no_finding() -> None:
    assert codes(taken_back()) == []


def test_a_hold_of_an_order_that_was_taken_back_can_be_voided() -> None:
    case = changed(taken_back(), "provider", status={"S": "requires_capture"})
    assert (the_finding(case).code, the_finding(case).repair) == (Code.HOLD_OF_A_FINISHED_ORDER, VOID)


def test_of_two_holds_each_is_voided() -> None:
    [intent] = the_case("O-1").items["provider"]
    held = [{**intent, "id": {"S": name}, "status": {"S": "requires_capture"}} for name in ("pi_1", "pi_2")]
    found = what_is_wrong(having(the_case("O-1"), provider=held))
    assert [(one.subject, one.repair) for one in found] == [("pi_1", VOID), ("pi_2", VOID)]


def test_who_cancels_an_order_that_was_paid_gets_the_money_back() -> None:
    paid = changed(changed(taken_back(), "payments", status={"S": "CAPTURED"}), "provider", status={"S": "succeeded"})
    assert (the_finding(paid).code, the_finding(paid).expected, the_finding(paid).found) == (
        Code.REFUND_DIFFERS,
        3750,
        0,
    )
    refund = {"status": {"S": "REFUNDED"}, "amount": {"N": "3750"}, "provider_reference": {"S": "re_1"}}
    back = changed(paid, "payments", **{refund_attribute("cancellation"): {"M": refund}, "refunded": {"N": "3750"}})
    assert codes(changed(back, "provider", amount_refunded={"N": "3750"})) == []
    assert codes(changed(paid, "payments", dispute={"S": "LOST"})) == []


def test_the_sum_of_the_refunds_is_theirs() -> None:
    case = changed(the_case("R-1"), "payments", refunded={"N": "1"})
    assert (the_finding(case).code, the_finding(case).subject) == (Code.REFUND_DIFFERS, "refunded")


# ── News ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("hours", "status", "about", "found"), [
    (24.5, "RECEIVED", "K-0/out/main", False),
    (26, "RECEIVED", "K-0/out/main", True),
    (26, "APPLIED", "K-0/out/main", False),
    (26, "RECEIVED", "K-0/out/nowhere", True),
    (26, "UNKNOWN", "K-0/out/nowhere", False),
    (1, "UNKNOWN", "K-0/out/main", True),
])  # fmt: skip
def test_news_is_a_finding_that_nobody_settles_or_that_is_ours_and_was_put_aside(
    hours: float, status: str, about: str, found: bool
) -> None:
    told = {
        "id": {"S": "carrier:1"},
        "status": {"S": status},
        "subject": {"S": about},
        "received_at": ago(hours * HOUR),
    }
    assert codes(having(the_case(), inbox=[told])) == ([Code.WEBHOOK_NOT_APPLIED] if found else [])


@pytest.mark.parametrize("about", ["subject", "intent"])
def test_news_of_a_payment_is_ours_by_its_intent(about: str) -> None:
    reference = the_case().items["payments"][0]["provider_reference"]
    told = {"id": {"S": "stripe:1"}, "status": {"S": "UNKNOWN"}, about: reference, "received_at": ago(HOUR)}
    assert codes(having(the_case(), inbox=[told])) == [Code.WEBHOOK_NOT_APPLIED]
    others = {**told, about: {"S": "pi_of_somebody_else"}}
    assert codes(having(the_case(), inbox=[others])) == []


def test_what_is_no_time_has_no_seconds() -> None:
    assert (seconds("yesterday"), seconds(""), seconds("2026-01-01")) == (None, None, seconds("2026-01-01T00:00:00Z"))
