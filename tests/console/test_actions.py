"""People act through the shop's own contracts, and what is refused is said in the shop's own words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from console import actions
from demo.shop import order
from invariants.books import Email
from local.api import Reply
from local.stack import Problem
from orders.approval import token_of
from tests.console.a_place import FakePlace, a_place
from tests.unit.stack import secret_of
from webhooks import signatures
from webhooks.inbox import Sender


@pytest.fixture
def place() -> Iterator[FakePlace]:
    with a_place() as place:
        yield place


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "PAUSE_SECONDS", 0.0)


def shipment(order_id: str, **parcels: tuple[str, str]) -> dict[str, Any]:
    """A shipment of parcels by warehouse, each with its status and tracking number."""
    written: dict[str, Any] = {
        warehouse: {"units": {"TEA-100": 1}, "status": status} | ({"tracking": tracking} if tracking else {})
        for warehouse, (status, tracking) in parcels.items()
    }
    return {"order_id": order_id, "prices": {"TEA-100": 890}, "parcels": written}


def returns(order_id: str, left: int, until: str = "2099-01-01T00:00:00Z", **one: Any) -> dict[str, Any]:
    """What may come back of an order, and a return that does."""
    asked = {"r-1": {"units": {"TEA-100": 1}, "amount": 890, "requested_at": "x", "expires_at": 0} | one} if one else {}
    prices = {"TEA-100": 890}
    return {
        "order_id": order_id,
        "left": {"TEA-100": left},
        "prices": prices,
        "open": len(asked),
        "until": until,
        "returns": asked,
    }


def approval(order_id: str, status: str) -> dict[str, Any]:
    texts = {"content": "x", "asked_at": "x", "waiter": "x", "task_token": "x"}
    return {"order_id": order_id, "status": status, "expires_at": 0, "mail_at": 0} | texts


def names(place: FakePlace, status: str, order_id: str = "o-1") -> list[str]:
    return [action.name for action in actions.possible(place, order_id, status)]


# ── The customer ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_once(place: FakePlace) -> None:
    item = order("o-1", {"TEA-100": 2})
    actions.place_order(place, item)
    assert place.get("Orders", "o-1") == item
    with pytest.raises(Problem, match="already"):
        actions.place_order(place, item | {"total": 1})
    assert place.get("Orders", "o-1") == item


@pytest.mark.parametrize("total", [1.5, object()])
def test_what_nobody_can_store_is_a_problem(place: FakePlace, total: Any) -> None:
    with pytest.raises(Problem, match="can't store"):
        actions.place_order(place, order("o-1", {"TEA-100": 2}, total=total))


def test_an_order_goes_to_the_api_signed_and_with_a_key(place: FakePlace) -> None:
    place.replies[:] = [Reply(201, {}, '{"order_id": "o-9"}')]
    assert actions.order_by_api(place, {"currency": "EUR"}) == "o-9"
    [asked] = place.asked
    assert (asked.method, asked.path, asked.signed) == ("POST", "/orders", True)
    assert json.loads(asked.body or "") == {"currency": "EUR"}
    assert asked.headers["Idempotency-Key"]


def test_what_nobody_could_answer_is_sent_again_under_the_same_key(place: FakePlace) -> None:
    place.replies[:] = [Reply(503, {}, ""), Reply(500, {}, ""), Reply(201, {}, '{"order_id": "o-9"}')]
    actions.order_by_api(place, {})
    assert len(place.asked) == 3
    assert len({asked.headers["Idempotency-Key"] for asked in place.asked}) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"detail": "It is too late."}', "It is too late."),
        ('{"detail": "See the violations.", "violations": ["total: no", "lines: no"]}', "total: no; lines: no"),
        ('{"message": "Forbidden"}', "Forbidden"),
        ("<html>", "<html>"),
        ('"text"', '"text"'),
    ],
)
def test_a_refusal_is_told_in_the_apis_words(place: FakePlace, text: str, words: str) -> None:
    place.replies[:] = [Reply(409, {}, text)]
    with pytest.raises(Problem, match=r"\(409\)") as refused:
        actions.cancel(place, "o-1")
    assert str(refused.value).endswith(words)


def test_an_id_that_says_anything_stays_in_its_place_in_the_path(place: FakePlace) -> None:
    actions.cancel(place, "a/../b?c#d e")
    assert place.asked[0].path == "/orders/a%2F..%2Fb%3Fc%23d%20e/cancel"


def test_a_return_names_what_is_sent_back_and_nothing_else(place: FakePlace) -> None:
    place.replies[:] = [Reply(201, {}, '{"return_id": "r-1"}')]
    assert "r-1" in actions.send_back(place, "o-1", {"TEA-100": 1, "KETTLE": 0})
    assert json.loads(place.asked[0].body or "") == {"lines": [{"sku": "TEA-100", "quantity": 1}]}
    with pytest.raises(Problem, match="Choose"):
        actions.send_back(place, "o-1", {"TEA-100": 0})


# ── The approver ────────────────────────────────────────────────────────────────────────────────────────────────────


def link(order_id: str, secret: str) -> Email:
    return Email("a@example.com", "x", f"Look:\nhttp://api.example.com/approvals/{token_of(order_id, secret)}\n\nThat.")


@pytest.mark.parametrize(("act", "choice"), [(actions.approve, "approve"), (actions.deny, "deny")])
def test_the_approver_follows_the_newest_link_about_this_order(
    monkeypatch: pytest.MonkeyPatch, act: Any, choice: str
) -> None:
    sent = [
        link("o-1", "old"),
        link("o-1", "new"),
        link("o-2", "other"),
        Email("a", "b", "http://x/approvals/nonsense"),
    ]
    monkeypatch.setattr(actions, "emails", lambda _: sent)
    with a_place(embedded=True) as place:
        act(place, "o-1")
    [asked] = place.asked
    assert asked.path == f"/approvals/{token_of('o-1', 'new')}"
    assert (asked.method, asked.body, asked.signed) == ("POST", f"decision={choice}", False)


def test_a_second_answer_is_told_that_the_first_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "emails", lambda _: [link("o-1", "new")])
    with a_place(embedded=True) as place:
        place.replies[:] = [Reply(409, {}, "<html>")]
        with pytest.raises(Problem, match="first answer stands"):
            actions.deny(place, "o-1")


def test_without_an_email_there_is_nothing_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "emails", lambda _: [link("o-2", "other")])
    with a_place(embedded=True) as place, pytest.raises(Problem, match="no email"):
        actions.approve(place, "o-1")


# ── The carrier ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_booked_parcel_is_shipped_and_delivered_with_the_carriers_signature(place: FakePlace) -> None:
    place.put("Shipments", shipment("o-1", main=("PLANNED", "T1"), north=("PLANNED", "T2"), south=("PLANNED", "")))
    actions.ship(place, "o-1")
    told = [json.loads(asked.body or "") for asked in place.asked]
    assert [one["reference"] for one in told] == ["o-1/out/main", "o-1/out/north"]
    assert [one["tracking"] for one in told] == ["T1", "T2"]
    assert {one["kind"] for one in told} == {"parcel.shipped"}
    for asked in place.asked:
        assert not asked.signed
        signature = asked.headers[signatures.HEADERS[Sender.CARRIER]]
        signatures._check_carrier((asked.body or "").encode(), signature, secret_of("CarrierSecret"))


def test_a_parcel_that_nobody_shipped_is_not_delivered(place: FakePlace) -> None:
    place.put("Shipments", shipment("o-1", main=("PLANNED", "T1")))
    with pytest.raises(Problem, match="on its way"):
        actions.deliver(place, "o-1")
    assert not place.asked


def test_a_return_comes_back_once_it_has_a_label(place: FakePlace) -> None:
    place.put("Returns", returns("o-1", 1, status="REQUESTED", tracking="B1"))
    actions.bring_back(place, "o-1")
    told = [json.loads(asked.body or "") for asked in place.asked]
    assert [one["kind"] for one in told] == ["parcel.shipped", "parcel.delivered"]
    assert {one["reference"] for one in told} == {"o-1/back/r-1"}


# ── Which of them make sense ────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_placed_or_confirmed_can_be_cancelled_and_nothing_later(place: FakePlace) -> None:
    assert names(place, "PLACED") == names(place, "CONFIRMED") == ["cancel"]
    assert names(place, "CANCELLED") == names(place, "REJECTED") == names(place, "ARCHIVED") == []


def test_an_order_that_waits_for_a_person_can_be_approved_on_the_embedded_stack() -> None:
    with a_place(embedded=True) as place:
        place.put("Approvals", approval("o-1", "PENDING"))
        place.put("Approvals", approval("o-2", "APPROVED"))
        assert names(place, "PLACED") == ["approve", "deny", "cancel"]
        assert names(place, "PLACED", "o-2") == ["cancel"]


def test_parcels_are_shipped_then_delivered_and_then_something_may_come_back(place: FakePlace) -> None:
    place.put("Shipments", shipment("o-1", main=("PLANNED", "T1"), north=("SHIPPED", "T2")))
    assert names(place, "SHIPPING") == ["ship", "deliver"]
    place.put("Shipments", shipment("o-1", main=("DELIVERED", "T1"), north=("DELIVERED", "T2")))
    place.put("Returns", returns("o-1", 2))
    [action] = actions.possible(place, "o-1", "DELIVERED")
    assert (action.name, action.asks) == ("send_back", {"TEA-100": 2})
    place.put("Returns", returns("o-1", 0, status="REQUESTED", tracking="B1"))
    assert names(place, "DELIVERED") == ["bring_back"]
    place.put("Returns", returns("o-1", 2, until=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))))
    assert names(place, "DELIVERED") == []


def test_who_only_looks_can_do_nothing() -> None:
    with a_place(may_write=False) as place:
        place.put("Shipments", shipment("o-1", main=("PLANNED", "T1")))
        place.put("Returns", returns("o-1", 1, status="REQUESTED", tracking="B1"))
        assert names(place, "PLACED") == names(place, "SHIPPING") == []
        acts: list[Any] = [
            lambda: actions.place_order(place, order("o-1", {"TEA-100": 1})),
            lambda: actions.order_by_api(place, {}),
            lambda: actions.send_event_again(place, "o-1", "x"),
            lambda: actions.send_back(place, "o-1", {"TEA-100": 1}),
            *(
                lambda act=act: act(place, "o-1")
                for act in (
                    *(actions.cancel, actions.approve, actions.deny),
                    *(actions.ship, actions.deliver, actions.bring_back),
                )
            ),
        ]
        for act in acts:
            with pytest.raises(Problem, match="only looks"):
                act()
        assert not place.asked
        assert place.get("Orders", "o-1") is None
