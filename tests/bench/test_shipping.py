"""What comes after the sale, counted, with the number in the test; and that what is measured of it is what it does."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import after_sale, open_orders, prices, runs, shipping, simulated, template, warm
from bench.after_sale import CANCELLED, KEPT, ORDERS, PARCELS, PARTLY, WAYS
from bench.meter import Tally
from bench.open_orders import SHIPMENTS
from bench.prices import Cpu
from bench.simulated import PIPELINE, WHOLE
from tests.exhaustive import exhaustive

# By kind, for each order: transitions, invocations, requests, write units, read units, events.
COUNTS = {
    KEPT: (7, 12, 39, 27, 11, 3),
    PARCELS: (7, 14, 46, 38, 11, 3),
    PARTLY: (15, 22, 70, 52, 21, 4),
    CANCELLED: (10, 11, 23, 17, 17, 1),
}
# By kind: requests of KMS, requests of the API, emails.
BESIDES = {KEPT: (2, 2, 2), PARCELS: (2, 4, 2), PARTLY: (4, 5, 3), CANCELLED: (0, 1, 1)}

SHIPS = ("Book", "TellShipped", "Await", "Deliver", "TellDelivered", "Keep", "Archive")
TAKES_BACK = ("Label", "Arrive", "Inspect", "GiveBack", "Restock", "Refund", "Finish", "TellRefunded")
UNDOES = ("Book", "Undo", "Restock", "Refund", "TellCancelled")


@pytest.fixture(scope="module")
def alone() -> Tally:
    return runs.confirmed(PIPELINE, ORDERS)


@pytest.fixture(params=WAYS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def after(kind: str, alone: Tally) -> Counter[str]:
    """Transitions after the sale, of each order."""
    states = after_sale.followed(kind).tally.transitions - alone.transitions
    return Counter({state: count // ORDERS for state, count in states.items()})


def test_an_order_takes_so_much_after_its_sale(kind: str, alone: Tally) -> None:
    *counts, keys, calls, emails = shipping.beyond(after_sale.followed(kind).tally, alone).values()
    assert (tuple(counts), (keys, calls, emails)) == (COUNTS[kind], BESIDES[kind])


def test_its_sale_takes_what_it_takes_where_nothing_comes_after_it(kind: str, alone: Tally) -> None:
    tally = after_sale.followed(kind).tally
    assert {state: tally.transitions[state] for state in alone.transitions} == alone.transitions
    once = [step for step in alone.invocations if step != "publish"]
    assert {step: tally.invocations[step] for step in once} == dict.fromkeys(once, ORDERS)
    assert not alone.transitions - tally.transitions


def test_an_order_that_is_kept_takes_seven_transitions_more(alone: Tally) -> None:
    assert after(KEPT, alone) == Counter(SHIPS)


def test_a_further_parcel_takes_no_transition_but_two_webhooks_of_three_requests(alone: Tally) -> None:
    assert after(PARCELS, alone) == Counter(SHIPS)
    more = after_sale.followed(PARCELS).tally.requests - after_sale.followed(KEPT).tally.requests
    ours = {request: count / ORDERS for request, count in more.items() if request[0] != "provider"}
    assert ours == {
        ("book", "dynamodb.UpdateItem"): 1,  # the parcel's tracking number
        ("post webhooks carrier, parcel.shipped", "dynamodb.PutItem"): 1,  # into the inbox
        ("post webhooks carrier, parcel.shipped", "dynamodb.UpdateItem"): 2,  # the parcel, the inbox
        ("post webhooks carrier, parcel.delivered", "dynamodb.PutItem"): 1,
        ("post webhooks carrier, parcel.delivered", "dynamodb.UpdateItem"): 2,
    }


def test_a_return_takes_eight_transitions(alone: Tally) -> None:
    assert after(PARTLY, alone) == Counter(SHIPS + TAKES_BACK)


def test_a_cancelled_order_is_undone_twice_because_two_events_say_so(alone: Tally) -> None:
    assert after(CANCELLED, alone) == Counter(UNDOES + UNDOES)


def test_a_webhook_takes_four_write_units_for_the_inbox_half_of_them_for_its_index() -> None:
    for kind in (KEPT, PARCELS, PARTLY):
        tally = after_sale.followed(kind).tally
        webhooks = sum(count for step, count in tally.invocations.items() if "webhooks" in step)
        assert sum(used.writes for (_, table), used in tally.units.items() if table == "InboxTable") == 4 * webhooks


def test_only_the_last_parcels_news_wakes_anybody() -> None:
    tally = after_sale.followed(PARCELS).tally
    assert tally.invocations["post webhooks carrier, parcel.delivered"] == 2 * ORDERS
    assert tally.requests_of("stepfunctions.SendTaskSuccess") == ORDERS


def test_enlist_gets_one_record_of_an_orders_four_and_writes_it_down_once() -> None:
    kept = after_sale.followed(KEPT)
    assert (kept.stream_records, kept.enlisted) == (4 * ORDERS, ORDERS)
    assert kept.tally.invocations["enlist"] == ORDERS
    assert kept.tally.requests["enlist", "dynamodb.PutItem"] == ORDERS


def test_a_secret_is_read_by_each_new_sandbox_and_never_again(kind: str) -> None:
    way = after_sale.followed(kind)
    webhooks = sum(count for step, count in way.cold.invocations.items() if "webhooks" in step)
    assert way.cold.requests_of("secretsmanager.*") == webhooks
    assert way.tally.requests_of("secretsmanager.*") == 0


def test_an_order_that_would_be_swept_on_its_way_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws.open_orders.look_again_at", lambda *_: None)  # so it is due a minute after its sale
    with pytest.raises(RuntimeError, match=r"due for a sweep: \['order-"):
        after_sale.followed.__wrapped__(KEPT)


def test_an_order_that_ends_otherwise_than_it_should_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WAYS, CANCELLED, after_sale.Way(WAYS[CANCELLED].ends))  # and nobody cancels it
    with pytest.raises(RuntimeError, match="ARCHIVED"):
        after_sale.followed.__wrapped__(CANCELLED)


def test_a_pipeline_stands_alone_also_after_one_that_did_not() -> None:
    after_sale.followed(KEPT)
    with simulated.ready(PIPELINE, []) as here:
        assert "shipping" in here.absent
        assert here.carry is None


def cpu_of(*tallies: Tally) -> dict[str, Cpu]:
    """Every step takes a millisecond, and a hundred in a new sandbox."""
    steps = {step for tally in tallies for step in tally.invocations}
    return dict.fromkeys(steps, Cpu(1.0, 1.0, 1.0, 100.0))


def test_what_comes_after_the_sale_costs_its_transitions_its_units_and_its_requests(alone: Tally) -> None:
    tally = after_sale.followed(KEPT).tally
    after_it, before = shipping.bills(tally, alone, cpu_of(tally, alone))
    assert [after_it.workflow, after_it.events, after_it.calls] == pytest.approx([7 * 25, 3, 2])
    assert [after_it.writes, after_it.reads] == pytest.approx([27 * 0.625, 11 * 0.125])
    # Two requests of KMS; and a secret for one in a hundred of two webhooks.
    assert after_it.keys == pytest.approx(2 * 3 + 0.02 * 5)
    assert after_it.emails == pytest.approx(200)
    assert after_it.provider == pytest.approx(0.625)  # the carrier's table
    whole = prices.bill(tally, cpu_of(tally), "STANDARD", "x86_64").total
    assert before["STANDARD"].total + after_it.total == pytest.approx(whole)


def test_an_express_pipeline_makes_an_order_cheaper_and_what_comes_after_it_not(alone: Tally) -> None:
    tally = after_sale.followed(KEPT).tally
    after_it, before = shipping.bills(tally, alone, cpu_of(tally, alone))
    assert before["STANDARD"].total - before["EXPRESS"].total > 170
    assert after_it.workflow == pytest.approx(7 * 25)


def test_a_trace_begins_with_each_record_that_enlist_gets_and_each_call(alone: Tally) -> None:
    tally = after_sale.followed(KEPT).tally
    bill = prices.bill(tally, cpu_of(tally), "STANDARD", "x86_64")
    publish, enlist, calls = 5, 1, 2
    assert bill.traces == pytest.approx(1e6 * prices.traces(publish + enlist + calls, 11.6) * 5e-6)


def test_what_waits_is_read_in_half_a_unit_for_four_kilobytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "replayed", lambda *_, **__: {"warm": 0.0})
    run = open_orders.swept(1_000, 0, SHIPMENTS)
    assert (run.seen, run.swept, run.pages, run.writes, run.events) == (1_000, 0, 1, 0, 0)
    assert run.reads == 15  # 1,000 of 118 to 120 bytes are 30 times 4 KB begun


def test_news_that_does_not_wait_costs_half_a_read_unit_every_five_minutes() -> None:
    tally, _ = after_sale.empty_round()
    assert tally.invocations == {"apply": 1}
    assert tally.units["apply", "InboxTable"].reads == 0.5
    assert tally.counts()["Requests"] == 1


def test_what_is_billed_is_what_the_shipping_stacks_functions_have() -> None:
    assert template.settings(template.SHIPPING) == PIPELINE.settings == WHOLE.settings


@exhaustive
def test_every_step_can_be_played_again() -> None:
    tallies = [after_sale.followed(kind).cold for kind in reversed(WAYS)]
    recordings = {step: recording for tally in tallies for step, recording in tally.recordings.items()}
    of_ship, of_returns = {"book", "await", "deliver", "archive", "label"}, {"arrive", "inspect", "finish"}
    assert {"enlist", *of_ship, *of_returns, "restock", "refund", "shipping notify"} <= set(recordings)
    for recording in [*recordings.values(), after_sale.empty_round()[0].recordings["apply"]]:
        played = warm.replayed("pipeline", recording, warm_up=1, samples=1, calls=1)
        assert played["warm"] > 0


def test_the_kinds_that_are_shown_are_those_that_are_counted() -> None:
    assert set(shipping.KINDS) == set(WAYS) == set(COUNTS)
