"""An order's way is told in plain words and in the order of time, and what came of it is counted in the ledgers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from console.dossier import HIDDEN, Line, flat, mentions
from console.facts import Fact, came_again, facts, headline
from console.telling import told
from console.timeline import Kind, after, nth, seconds, times
from tests.console import seen
from tests.console.executed import ORDER, Written, at, execution, stepped


def said(kind: Kind | None = None) -> list[str]:
    return [entry.text for entry in seen.view().entries if kind in (None, entry.kind)]


def test_everything_is_told_in_the_order_of_time() -> None:
    entries = seen.view().entries
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert entries[0].text == "The order was placed."
    assert {entry.kind for entry in entries} == {Kind.ORDER, Kind.EVENT, Kind.EXECUTION, Kind.FUNCTION, Kind.EMAIL}


def test_an_event_is_told_before_what_it_started_though_it_is_seen_later() -> None:
    texts = said()
    event = texts.index("The event OrderPlaced came by.")
    assert texts[event + 1] == "Execution 1 of the order workflow began."


def test_what_comes_again_is_told_as_coming_again() -> None:
    assert "The event OrderPlaced came by, for the 2nd time." in said()
    assert "Execution 2 of the order workflow began: the same event was delivered for the 2nd time." in said()
    assert said(Kind.FUNCTION) == ["Says: reserved.", "Says again: reserved."]


def test_an_execution_s_end_says_what_it_did() -> None:
    ends = [entry.detail for entry in seen.view().entries if entry.text.endswith("ended.")]
    assert ends[0].startswith("Did Validate")
    assert ends[1].startswith("Changed nothing")


def test_a_decision_says_why() -> None:
    assert "The order became CONFIRMED." in said(Kind.ORDER)
    state = {"decision": {"outcome": "CANCELLED", "reason": "OUT_OF_STOCK"}, "history": {"CANCELLED": "2026-11-26"}}
    entries = seen.view(seen.dossier(OrderStatesTableName=[state])).entries
    assert "The order became CANCELLED: out of stock." in [entry.text for entry in entries]


def test_what_a_function_says_of_trouble_and_of_requests_is_told_as_such() -> None:
    lines = (
        Line(at(1).timestamp(), "payment", {"message": "charge refused", "level": "WARNING", "code": "x"}),
        Line(at(2).timestamp(), "api", {"message": "order placed", "level": "INFO"}, answers=True),
    )
    dossier = seen.dossier()
    entries = seen.view(type(dossier)(ORDER, dossier.items, (), lines)).entries
    assert [entry.detail for entry in entries if entry.kind == Kind.TROUBLE] == ["code: x"]
    assert [entry.text for entry in entries if entry.kind == Kind.REQUEST] == ["Says: order placed."]


def test_a_line_that_only_counts_is_not_told() -> None:
    counts = {"CloudWatchMetrics": [{"Metrics": [{"Name": "OrdersFinished"}], "Dimensions": [["service"]]}]}
    lines = (
        Line(at(1).timestamp(), "notify", {"_aws": counts, "OrdersFinished": [1.0], "order_id": ORDER}),
        Line(at(2).timestamp(), "notify", {"message": "told", "_aws": counts, "order_id": ORDER}),
    )
    dossier = seen.dossier()
    entries = seen.view(type(dossier)(ORDER, dossier.items, (), lines)).entries
    assert [entry.text for entry in entries if entry.kind == Kind.FUNCTION] == ["Says: told."]


NO_TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "nan", "inf", "1e30", "-1", "12")


@pytest.mark.parametrize("hostile", ["two mugs, please", 12, None, {"a": 1}, ["<b>"], *NO_TIMES])
def test_whatever_an_item_says_it_can_be_told(hostile: object) -> None:
    items = [{"placed_at": hostile, "lines": hostile, "total": hostile, "currency": hostile}]
    states = [{"decision": hostile, "history": hostile, "status": hostile}]
    view = seen.view(seen.dossier(OrdersTableName=items, OrderStatesTableName=states))
    assert view.known
    assert "The order was placed." not in [entry.text for entry in view.entries]


def test_times_are_told_from_the_start() -> None:
    assert [after(at, 0) for at in (3.21, 250, 7500)] == ["+3.2 s", "+4 min 10 s", "+2 h 5 min"]
    assert [nth(number) for number in (1, 2, 3, 4, 11, 12, 21)] == ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st"]
    assert [times(number) for number in (1, 2, 3)] == ["once", "twice", "3 times"]


def test_a_time_may_be_written_in_either_way() -> None:
    assert seconds("2026-11-26T09:00:00+00:00") == seconds("1795683600.0") == 1795683600
    assert seconds("yesterday") is None


# ── Counted ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def counted(**items: list[dict[str, object]]) -> dict[str, Fact]:
    return {fact.what: fact for fact in seen.view(seen.dossier(**items)).facts}


def test_two_deliveries_and_two_executions_come_to_one_of_each() -> None:
    found = seen.view().facts
    assert [f"{fact.count} {fact.what}" for fact in found] == [
        "2 deliveries started a workflow",
        "2 executions",
        "1 reservation",
        "1 charge",
        "1 email",
    ]
    assert found[0].detail == "placed twice"
    assert found[3].detail == "37.50 EUR"


def test_the_headline_says_what_the_second_delivery_did_and_what_came_of_it() -> None:
    delivered, came_of_it = seen.view().headline
    assert delivered == (
        f"The same event ({ORDER}:placed) was delivered twice, so 2 executions of the order workflow ran. "
        "Execution 2 changed nothing: it found everything done."
    )
    assert came_of_it == "All of it took effect once: 1 reservation, 1 charge, 1 email."


def test_a_charge_or_an_email_that_is_there_twice_is_not_told_as_once() -> None:
    charge = {"amount": Decimal(3750), "currency": "EUR", "status": "succeeded"}
    view = seen.view(seen.dossier(SimulatedGatewayTableName=[charge, charge]), seen.mails(2))
    assert view.headline[-1] == "But not all of it happened once: 2 charges, 2 emails."
    assert [fact.twice for fact in view.facts] == [False, False, False, True, True]


def test_what_fails_now_is_said_first() -> None:
    failing = execution("one", Written(1).enter("Validate").call().fail("Lambda.TooManyRequests"), status="RUNNING")
    said = headline([failing], told([failing], seen.MACHINES), [])
    assert said[0] == "Validate of the order workflow fails (Lambda.TooManyRequests), and is tried again."
    assert not came_again([failing])
    assert came_again(seen.executions())


def test_what_ran_at_the_same_time_is_not_said_to_have_found_everything_done() -> None:
    first, second = (execution(name, stepped(start, seen.STEPS)) for name, start in (("one", 1), ("two", 1.05)))
    said = headline([first, second], told([first, second], seen.MACHINES), [])
    assert "Execution 2 changed nothing: each of its steps got the first one’s answer." in said[0]


def test_what_the_sweep_sent_again_is_told_as_that() -> None:
    view = seen.view(swept=3)
    assert view.headline[0].startswith(
        f"The same event ({ORDER}:placed) was delivered twice; the sweep has sent it again 3 times, for the order is "
        "still open, so 2 executions"
    )


@pytest.mark.parametrize(("sweeps", "swept"), [(Decimal(3), 3), (Decimal("1.5"), 0), ("many", 0), (None, 0)])
def test_how_often_an_order_was_swept_is_what_the_list_of_open_orders_says(sweeps: object, swept: int) -> None:
    assert seen.view(seen.dossier(OpenOrdersTableName=[{"order_id": ORDER, "sweeps": sweeps}])).swept == swept


def test_where_nobody_keeps_emails_nothing_is_said_of_them() -> None:
    assert not [fact for fact in facts(seen.dossier(), seen.executions(), None) if "email" in fact.what]


def test_what_was_given_back_is_no_reservation_and_no_charge() -> None:
    found = counted(
        InventoryTableName=[{"status": "RELEASED"}],
        SimulatedGatewayTableName=[],
        PaymentsTableName=[{"status": "VOIDED"}],
    )
    assert found["reservations"].count == 0
    assert found["charges"] == Fact(0, "charges", "nothing is held", once=True)


# ── Read ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_item_of_another_order_whose_id_begins_like_it_is_not_taken_for_its_own() -> None:
    assert mentions({"data": '{"order_id": "order-1", "told_at": ""}'}, ORDER)
    assert mentions({"reference": "order-1/out/main"}, ORDER)
    assert not mentions({"reference": "order-10/out/main"}, ORDER)
    assert not mentions({"id": "my-order-1"}, ORDER)


def test_what_somebody_could_act_by_is_not_shown() -> None:
    item = {"order_id": ORDER, "task_token": "secret", "lines": [{"sku": "A"}], "links": {"b", "a"}, "none": {}}
    assert dict(flat(item)) == {
        "order_id": ORDER,
        "task_token": HIDDEN,
        "lines.0.sku": "A",
        "links": "a, b",
        "none": "{}",
    }
