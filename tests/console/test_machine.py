"""Every workflow that there is can be drawn from its definition, and lit from a history of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from console import history, machine
from console.drawing import Lit, draw
from console.history import Progress, Standing
from console.machine import Kind, Machine
from tests.console.executed import Written

STATEMACHINE = Path(__file__).parents[2] / "statemachine"
DEFINITIONS = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in STATEMACHINE.glob("*.asl.json")}
HOSTILE = 'x"] --> evil["<img src=x onerror=alert(1)>'

every_definition = pytest.mark.parametrize("name", sorted(DEFINITIONS))


def names(states: dict[str, Any]) -> set[str]:
    """The names of all states, those within others as well."""
    found = set(states)
    for state in states.values():
        for inner in [*state.get("Branches", ()), *(state[key] for key in ("ItemProcessor",) if key in state)]:
            found |= names(inner["States"])
    return found


def order() -> Machine:
    return machine.read(DEFINITIONS["order"])


def nodes(text: str) -> set[str]:
    return set(re.findall(r"^(?:subgraph )?(s_\w+)[\[({]", text, re.MULTILINE))


@every_definition
def test_every_state_of_every_workflow_is_drawn_where_every_way_is_asked_for(name: str) -> None:
    read = machine.read(DEFINITIONS[name])
    assert set(read.states) == names(DEFINITIONS[name]["States"])
    assert nodes(draw(read, name, everything=True)) == {state.node for state in read.states.values()}


@every_definition
def test_the_simple_drawing_begins_at_the_start_and_has_no_loose_ends(name: str) -> None:
    read = machine.read(DEFINITIONS[name])
    text = draw(read, name)
    assert f"start_ --> {read.states[read.start].node}" in text
    arrows = re.findall(r"^(\w+) -.*-> ?(?:\|[^|]*\| )?(\w+)$|^(\w+) -->(?:\|[^|]*\|)? (\w+)$", text, re.MULTILINE)
    ends = {node for arrow in arrows for node in arrow if node} - {"start_", "end_"}
    assert ends
    assert ends <= nodes(text)


@every_definition
def test_a_node_s_id_is_a_function_of_the_state_s_name(name: str) -> None:
    read = machine.read(DEFINITIONS[name])
    assert len(read.by_node) == len(read.states)
    assert all(machine.read(DEFINITIONS[name]).states[one].node == state.node for one, state in read.states.items())


@every_definition
def test_a_drawing_says_whom_each_step_calls(name: str) -> None:
    read = machine.read(DEFINITIONS[name])
    assert all(state.calls for state in read.states.values() if state.kind == "Task")


def test_a_function_is_named_in_a_few_words_however_it_was_deployed() -> None:
    def calls(function: str) -> str:
        state = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": {"action": "capture"}},
            "End": True,
        }
        return machine.read({"StartAt": "One", "States": {"One": state}}).states["One"].calls

    arn = "arn:aws:lambda:us-east-1:123456789012:function:"
    assert calls("${PaymentFunctionArn}") == "payment: capture"
    assert calls(f"{arn}orders-prod-PaymentFunction-C50296BFB2629") == "payment: capture"
    assert calls(f"{arn}pay:live") == "pay: capture"


def test_a_parallel_is_a_box_around_its_branches_and_a_choice_a_rhombus() -> None:
    text = draw(order(), "order", everything=True)
    box = text.partition("subgraph s_Try[")[2].partition("\nend\n")[0]
    assert "s_Reserve[" in box
    assert "s_Authorize[" in box
    assert 's_Patience{"Patience"}' in text


def test_a_map_is_a_box_around_what_each_item_goes_through() -> None:
    inner = {"StartAt": "Each", "States": {"Each": {"Type": "Pass", "End": True}}}
    definition = {"StartAt": "All", "States": {"All": {"Type": "Map", "ItemProcessor": inner, "End": True}}}
    text = draw(machine.read(definition), "map")
    assert "subgraph s_All[" in text
    assert 's_Each["Each"]' in text


def test_what_an_error_leads_to_is_a_dotted_way() -> None:
    text = draw(order(), "order", everything=True)
    assert "s_Confirm -.->|ConditionalCheckFailed| s_Decline" in text
    assert "s_Confirm --> s_Capture" in text


def test_another_course_of_business_is_drawn_and_the_exits_that_most_states_have_only_when_taken() -> None:
    simple = draw(order(), "order")
    assert "s_Decline" in simple
    assert "s_Escalate" not in simple
    taken = Lit({"Notify": Progress(Standing.CAUGHT), "Escalate": Progress(Standing.RUNNING)}, [("Notify", "Escalate")])
    assert "s_Notify -.->|Unrecoverable| s_Escalate" in draw(order(), "order", taken)


def test_nothing_in_a_definition_is_markup_or_syntax() -> None:
    definition = {
        "Comment": HOSTILE,
        "StartAt": HOSTILE,
        "States": {
            HOSTILE: {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": HOSTILE, "Payload": {"action": HOSTILE}},
                "Catch": [{"ErrorEquals": [HOSTILE], "Next": "Two"}],
                "Next": "Two",
            },
            "Two": {"Type": "Succeed"},
        },
    }
    text = draw(machine.read(definition), HOSTILE, everything=True)
    assert "<img" not in text
    assert "evil[" not in text
    assert text.count('"') == 2 * 2  # a pair around each of the two labels


# ── Lit by a history ────────────────────────────────────────────────────────────────────────────────────────────────


def tried(*, over: bool = True) -> Written:
    """An execution that has come through Try, one branch of which was retried."""
    written = Written().task("Validate").enter("Try", "Parallel")
    written.latest["reserve"] = written.latest["authorize"] = written.latest[""]
    written.enter("Reserve", branch="reserve").enter("Authorize", branch="authorize")
    written.call("reserve").call("authorize").fail("Lambda.Unknown", "reserve").answer(branch="authorize")
    written.leave("Authorize", branch="authorize")
    if over:
        written.call("reserve").answer(branch="reserve").leave("Reserve", branch="reserve").leave("Try", "Parallel")
    return written


def standings(events: list[dict[str, Any]]) -> dict[str, Standing]:
    return {name: one.standing for name, one in history.progress(order(), history.read(events)).items()}


def test_a_state_is_lit_as_it_happens() -> None:
    written = Written().enter("Validate")
    assert standings(written.events) == {"Validate": Standing.RUNNING}
    written.call().fail("Lambda.Unknown")
    assert standings(written.events) == {"Validate": Standing.RETRYING}
    written.call().answer().leave("Validate").enter("Try", "Parallel")
    assert standings(written.events)["Validate"] == Standing.DONE


def test_branches_are_told_apart_and_a_retry_is_counted_where_it_was() -> None:
    assert standings(tried(over=False).events)["Reserve"] == Standing.RETRYING
    assert standings(tried(over=False).events)["Authorize"] == Standing.DONE
    found = history.progress(order(), history.read(tried().events))
    assert (found["Reserve"].standing, found["Reserve"].retries) == (Standing.DONE, 1)
    assert found["Reserve"].errors == ("Lambda.Unknown",)
    assert found["Authorize"].retries == 0
    assert found["Try"].retries == 0


def test_a_history_that_links_nothing_lights_what_is_within_a_parallel_with_it() -> None:
    written = Written().task("Validate").enter("Try", "Parallel").call().call().answer()
    assert standings(written.unlinked)["Reserve"] == standings(written.unlinked)["Try"] == Standing.RUNNING
    written.answer().leave("Try", "Parallel")
    assert standings(written.unlinked)["Authorize"] == Standing.DONE
    assert "NotReserved" not in standings(written.unlinked)


def test_an_error_that_was_caught_is_told_from_one_that_ended_the_execution() -> None:
    caught = Written().enter("Validate").call().fail("OrderInvalid").leave("Validate").enter("Decline").call()
    assert standings(caught.events) == {"Validate": Standing.CAUGHT, "Decline": Standing.RUNNING}
    assert history.read(caught.events).taken == [("Validate", "Decline")]
    ended = Written().enter("Validate").call().fail("States.Runtime")
    ended.end("ExecutionFailed", executionFailedEventDetails={"error": "States.Runtime"})
    assert standings(ended.events) == {"Validate": Standing.FAILED}
    assert history.read(ended.events).error == "States.Runtime"


def test_what_another_branch_s_failure_has_ended_is_stopped() -> None:
    written = (
        tried(over=False).enter("NotReserved", "Fail", "reserve").leave("Try", "Parallel").enter("Later", "Succeed")
    )
    found = standings(written.events)
    assert found["NotReserved"] == Standing.FAILED
    assert found["Try"] == Standing.CAUGHT


def test_a_task_that_waits_for_an_answer_is_no_work() -> None:
    read = machine.read(DEFINITIONS["shipping"])
    written = Written().task("Book").task("TellShipped").enter("Await").call()
    assert history.progress(read, history.read(written.events))["Await"].standing == Standing.WAITING
    lit = Lit(history.progress(read, history.read(written.events)), [("Book", "TellShipped"), ("TellShipped", "Await")])
    text = draw(read, "shipping", lit)
    assert "class s_Await waiting" in text
    assert "class s_Book done" in text


def test_the_way_that_was_taken_is_drawn_as_taken() -> None:
    read = order()
    events = history.read(Written().task("Validate").enter("Try", "Parallel").events)
    text = draw(read, "order", Lit(history.progress(read, events), events.taken))
    lines = text.splitlines()
    arrows = [line for line in lines if "->" in line]
    way = next(number for number, line in enumerate(arrows) if line == "s_Validate --> s_Try")
    assert f"linkStyle {way} stroke-width:3px" in lines


def test_a_drawing_is_told_in_words_as_well() -> None:
    read = order()
    lit = Lit({"Validate": Progress(Standing.DONE, retries=2)})
    text = draw(read, "Execution 1", lit)
    assert "accTitle: Execution 1" in text
    assert "accDescr: Validate done" in text
    assert "retried 2 ×" in text
    assert "✓ Validate" in text


def test_ways_are_found_by_their_kind() -> None:
    read = order()
    assert {way.kind for way in read.between("Patience", "Later")} == {Kind.CHOICE}
    assert {way.kind for way in read.between("Validate", "Try")} == {Kind.NEXT}
