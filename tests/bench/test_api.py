"""The front door's counts, with the number in the test, and that what is measured of it is what it does."""

from __future__ import annotations

import pytest

from bench import api, door, prices, simulated, template, warm
from bench.door import CALLS, Approvals
from bench.log_lines import access_line
from bench.meter import Tally
from bench.prices import Cpu
from bench.simulated import PIPELINE
from tests.exhaustive import exhaustive

# By call: requests, write units, read units.
COUNTS = {
    "POST /orders": (2, 2, 2),  # the order and its entry in the index; the catalogue, an item for each line
    "POST /orders, sent again": (2, 1, 2),  # the write whose condition fails is billed
    "GET /orders/{order_id}": (1, 0, 3),  # the order, what became of it, its approval, whether or not they are there
    f"GET /orders, {CALLS} of them": (2, 0, 0.5 + CALLS / 2),  # a page of the index, and the status of each
    "POST /orders/{order_id}/cancel": (2, 1, 3),
}


@pytest.fixture(scope="module")
def calls() -> dict[str, Tally]:
    return door.calls()


@pytest.fixture(scope="module")
def approvals() -> Approvals:
    return door.approvals()


@pytest.mark.parametrize("call", COUNTS)
def test_a_call_takes_so_many_requests_and_units(call: str, calls: dict[str, Tally]) -> None:
    counts = calls[call].counts()
    assert (counts["Requests"], counts["Write units"], counts["Read units"]) == COUNTS[call]
    assert counts["Invocations"] == 1
    assert calls[call].calls == CALLS


def test_every_call_is_counted(calls: dict[str, Tally]) -> None:
    assert set(calls) == set(COUNTS)


def test_a_call_is_one_line_of_api_gateways_and_an_effect_is_one_more(calls: dict[str, Tally]) -> None:
    lines = {call: tally.log_lines.total() / CALLS for call, tally in calls.items()}
    effects = {"POST /orders", "POST /orders/{order_id}/cancel"}
    assert lines == {call: 2 if call in effects else 1 for call in COUNTS}


def test_the_access_log_has_none_of_its_variables_left() -> None:
    assert "$" not in access_line("GET /orders/{order_id}")
    assert '"route": "GET /orders/{order_id}"' in access_line("GET /orders/{order_id}")


def without_lines(counts: dict[str, float]) -> dict[str, float]:
    return {name: count for name, count in counts.items() if not name.startswith("Log")}


def test_an_approval_takes_two_transitions_four_invocations_and_two_requests_of_kms(approvals: Approvals) -> None:
    assert approvals.over.outcomes == approvals.under.outcomes == {"CONFIRMED": 1}
    beyond = api.minus(approvals.over, approvals.under)
    assert without_lines(beyond) == {
        "State transitions": 2,
        "Invocations": 4,
        "Requests": 13,
        "Write units": 4,
        "Read units": 12,
        "Events": 1,
    }
    assert approvals.over.transitions - approvals.under.transitions == {"Ask": 1, "Settle": 1}
    assert approvals.over.requests_of("kms.*") == 2
    assert approvals.over.calls - approvals.under.calls == 2


def test_a_sweep_while_it_waits_takes_two_transitions_and_six_requests(approvals: Approvals) -> None:
    beyond = api.minus(approvals.after_a_sweep, approvals.over, approvals.empty_sweep)
    assert without_lines(beyond) == {
        "State transitions": 2,
        "Invocations": 2,
        "Requests": 6,
        "Write units": 2,
        "Read units": 6,
        "Events": 1,
    }


def test_a_limit_that_an_order_is_under_takes_one_request_and_half_a_read_unit(approvals: Approvals) -> None:
    with_a_limit = approvals.under.each_request()
    assert with_a_limit["publish: dynamodb.BatchGetItem"] == 1
    assert with_a_limit["publish: events.PutEvents"] == 2
    assert approvals.under.units["publish", "OrdersTable"].reads == 0.5


@pytest.mark.parametrize(("minutes", "sweeps"), [(0.5, 0), (1, 1), (30, 5), (120, 11), (24 * 60, 99)])
def test_an_open_order_is_swept_so_often(minutes: float, sweeps: int) -> None:
    assert door.sweeps_within(minutes) == sweeps


def test_an_approval_costs_its_transitions_its_keys_and_its_calls(approvals: Approvals) -> None:
    steps = approvals.after_a_sweep.invocations
    cpu = dict.fromkeys(steps, Cpu(1.0, 1.0, 1.0, 100.0))
    one, other = (prices.bill(tally, cpu, "STANDARD", "x86_64") for tally in (approvals.over, approvals.under))
    approval = api.difference(one, other)
    assert [approval.workflow, approval.keys, approval.calls, approval.events] == pytest.approx([50, 6, 2, 1])
    assert [approval.writes, approval.reads] == pytest.approx([4 * 0.625, 12 * 0.125])
    assert approval.total == pytest.approx(one.total - other.total)


def test_what_is_billed_is_what_the_front_doors_functions_have() -> None:
    assert template.settings(template.FRONT_DOOR) == PIPELINE.settings


def test_the_front_doors_functions_are_found_with_the_pipelines() -> None:
    assert set(template.functions_of(template.FRONT_DOOR)) < set(template.functions())
    assert set(template.functions_of(template.PIPELINE)) < set(template.functions())
    assert template.functions()["ApiFunction"]["MemorySize"] == 256
    assert template.variables("ApiFunction")["CALLERS"] == "shop"


@exhaustive
def test_every_step_can_be_played_again(calls: dict[str, Tally], approvals: Approvals) -> None:
    tallies = [*calls.values(), approvals.after_a_sweep, approvals.empty_sweep]
    recordings = {step: recording for tally in tallies for step, recording in tally.recordings.items()}
    assert {"post orders", "get orders", "ask", "settle", "post approvals {token}"} <= set(recordings)
    for recording in recordings.values():
        played = warm.replayed("pipeline", recording, warm_up=1, samples=1, calls=1)
        assert played["warm"] > 0


def test_an_order_that_is_not_taken_is_an_error() -> None:
    with simulated.ready(PIPELINE, []) as here, pytest.raises(RuntimeError, match="422"):
        door.place(here, "nothing is sold")
