"""An order's executions are found by their input, and what each of them did is told from its history alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from console import machine
from console.executions import Execution, Executions
from console.place import Place
from console.telling import Role, told
from tests.console.executed import BEGAN, ORDER, Written, execution, stepped
from tests.console.test_machine import DEFINITIONS

MACHINES = {name: machine.read(definition) for name, definition in DEFINITIONS.items()}
ARN = "arn:aws:states:us-east-1:123456789012:"


# ── What they did ───────────────────────────────────────────────────────────────────────────────────────────────────


def confirmed_by(name: str) -> dict[str, Any]:
    return {"decision": {"M": {"execution": {"S": f"{ARN}execution:order:{name}"}}}}


def ran(name: str, start: float, decided_by: str) -> Execution:
    """An execution that came to the end, in which another one may have decided."""
    steps = [("Validate", {"amount": 1}), ("Confirm", confirmed_by(decided_by)), ("Notify", {"notified": True})]
    return execution(name, stepped(start, steps))


def accounts(*executions: Execution) -> list[Any]:
    found = told(executions, MACHINES)
    return [found[one.arn] for one in executions]


def test_a_second_execution_that_found_everything_done_says_so_and_whose_decision_it_read() -> None:
    first, second = accounts(ran("one", 0, "one"), ran("two", 60, "one"))
    assert not first.changed_nothing
    assert first.sentence == "Did Validate, Confirm and Notify, all that there was to do."
    assert second.changed_nothing
    assert second.sentence == (
        "Changed nothing: each of its 3 steps found that execution 1 had done it already, and got the same answer. "
        "What Confirm read back had been written by execution 1."
    )
    assert set(second.roles.values()) == {Role.FOUND}


def test_of_many_the_one_is_named_that_did_it_and_not_all_that_found_it_done() -> None:
    fifth = accounts(*(ran(str(number), 60 * number, "0") for number in range(5)))[-1]
    assert "found that execution 1 had done it already" in fifth.sentence


def test_of_two_at_the_same_time_the_one_that_got_its_answers_later_changed_nothing() -> None:
    first, second = accounts(ran("one", 0, "one"), ran("two", 0.05, "one"))
    assert not first.changed_nothing
    assert second.changed_nothing
    assert "it ran at the same time as execution 1" in second.sentence
    assert Role.SECOND in second.roles.values()


def test_what_an_item_says_besides_makes_no_difference_to_whose_decision_it_is() -> None:
    later = confirmed_by("one") | {"status": {"S": "SHIPPING"}}
    second = execution("two", stepped(60, [("Confirm", later)]))
    assert accounts(execution("one", stepped(0, [("Confirm", confirmed_by("one"))])), second)[1].changed_nothing


def test_an_execution_that_got_another_answer_did_something() -> None:
    short = execution("one", stepped(0, [("Reserve", {"held": False})]))
    held = execution("two", stepped(60, [("Reserve", {"held": True})]))
    assert not accounts(short, held)[1].changed_nothing


def test_two_that_shared_the_work_say_who_did_what() -> None:
    first = execution("one", Written(0).task("Validate", 1).enter("Confirm").call().fail("X").end("ExecutionFailed"))
    second = execution("two", stepped(60, [("Validate", 1), ("Confirm", confirmed_by("two"))]))
    account = accounts(first, second)[1]
    assert not account.changed_nothing
    assert account.sentence.startswith("Did Confirm; found Validate done already by execution 1")


def test_one_that_still_runs_has_not_changed_nothing_yet() -> None:
    running = execution("two", Written(60).task("Validate", {"amount": 1}).enter("Confirm").call(), status="RUNNING")
    account = accounts(ran("one", 0, "one"), running)[1]
    assert not account.changed_nothing
    assert account.sentence.startswith("So far: found Validate done already by execution 1")


def test_one_that_waits_says_for_what() -> None:
    waiting = Written().task("Book").task("TellShipped").enter("Await").call()
    one = execution("one", waiting, workflow="shipping", status="RUNNING")
    assert accounts(one)[0].sentence == "So far: did Book and TellShipped. It waits in Await, until somebody answers."


def test_an_end_that_is_no_success_of_the_business_is_told_in_the_definition_s_words() -> None:
    later = Written().enter("Validate").call().fail("Broken").leave("Validate").enter("Later", "Succeed")
    one = execution("one", later.leave("Later", "Succeed").end())
    assert "It ended in Later. The order stays open, and the sweep sends its event again." in accounts(one)[0].sentence


def test_a_step_that_gave_up_did_nothing_and_its_execution_says_where_it_went_on() -> None:
    def captured(name: str, start: float, *, fails: bool) -> Execution:
        written = Written(start).task("Validate", 1).enter("Capture").call()
        if fails:
            written.fail("Lambda.Unknown").leave("Capture").enter("Later", "Succeed").leave("Later", "Succeed")
        else:
            written.answer({"captured": True}).leave("Capture")
        return execution(name, written.end())

    account = accounts(captured("one", 0, fails=False), captured("two", 60, fails=True))[1]
    assert account.changed_nothing
    assert "Capture ended with Lambda.Unknown, and it went on to Later." in account.sentence


def test_one_that_is_tried_again_says_what_fails() -> None:
    written = Written().task("Validate", 1).enter("Capture").call().fail("Lambda.Unknown")
    account = accounts(execution("one", written, status="RUNNING"))[0]
    assert account.sentence == "So far: did Validate. Capture fails (Lambda.Unknown), and is tried again."


def test_returns_of_one_order_are_no_copies_of_each_other() -> None:
    def back(name: str, return_id: str) -> Execution:
        return execution(name, stepped(0, [("Label", {})]), workflow="return", return_id=return_id)

    assert [(one.number, one.of) for one in accounts(back("one", "r1"), back("two", "r2"))] == [(1, 1), (1, 1)]


# ── Which they are ──────────────────────────────────────────────────────────────────────────────────────────────────


class StepFunctions:
    """As much of it as is asked for, and what was asked."""

    def __init__(self, *executions: tuple[str, Any, str]) -> None:
        """Executions by name, input and status; the newest first."""
        self.executions = {f"{ARN}execution:order:{name}": (given, status) for name, given, status in executions}
        self.asked: list[tuple[str, str]] = []

    def describe_state_machine(self, **asked: Any) -> dict[str, Any]:
        name = asked["stateMachineArn"].rpartition(":")[2]
        return {"definition": json.dumps(DEFINITIONS[name]), "type": "STANDARD"}

    def get_paginator(self, name: str) -> Any:
        def list_executions(**_: Any) -> Iterator[Any]:
            yield {"executions": [{"executionArn": arn} for arn in self.executions]}

        def get_execution_history(executionArn: str) -> Iterator[Any]:  # noqa: N803 - as boto3 names it
            self.asked.append(("history", executionArn.rpartition(":")[2]))
            running = self.executions[executionArn][1] == "RUNNING"
            written = Written().enter("Validate").call()
            yield {"events": (written if running else written.answer().leave("Validate").end()).events}

        return type("Pages", (), {"paginate": staticmethod(locals()[name])})

    def describe_execution(self, **asked: Any) -> dict[str, Any]:
        name = asked["executionArn"]
        self.asked.append(("describe", name.rpartition(":")[2]))
        if name not in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        given, status = self.executions[name]
        return {"input": given if isinstance(given, str) else json.dumps(given), "status": status, "startDate": BEGAN}


def found_by(client: StepFunctions, monkeypatch: pytest.MonkeyPatch, *workflows: str) -> Executions:
    outputs = {f"{name.title()}WorkflowArn": f"{ARN}stateMachine:{name}" for name in workflows or ("order",)}
    place = Place("orders", outputs, embedded=False, may_write=False, endpoint_url=None, stacks=("orders",))
    monkeypatch.setattr(Place, "client", lambda *_: client)
    return Executions(place)


def test_an_order_s_executions_are_those_whose_input_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    client = StepFunctions(
        ("a", {"order_id": ORDER}, "SUCCEEDED"),
        ("b", {"order_id": f"{ORDER}-b"}, "SUCCEEDED"),
        ("c", {"order_id": [ORDER]}, "SUCCEEDED"),
        ("d", "no JSON", "SUCCEEDED"),
        ("e", {"order_id": ORDER}, "RUNNING"),
    )
    found = found_by(client, monkeypatch).of(ORDER)
    assert [one.arn.rpartition(":")[2] for one in found] == ["a", "e"]


def test_what_has_ended_is_read_once_and_what_runs_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    client = StepFunctions(("a", {"order_id": ORDER}, "SUCCEEDED"), ("b", {"order_id": ORDER}, "RUNNING"))
    executions = found_by(client, monkeypatch)
    for _ in range(3):
        executions.of(ORDER)
    assert client.asked.count(("history", "a")) == 1
    assert client.asked.count(("history", "b")) == 3
    assert client.asked.count(("describe", "a")) == 2  # its input, and how it ended


def test_a_workflow_is_found_by_its_output_and_only_if_it_is_about_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    executions = found_by(StepFunctions(), monkeypatch, *DEFINITIONS)
    assert set(executions.workflows()) == set(DEFINITIONS) - {"books"}


def test_an_execution_that_is_gone_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    client = StepFunctions(("a", {"order_id": ORDER}, "RUNNING"))
    executions = found_by(client, monkeypatch)
    assert len(executions.of(ORDER)) == 1
    client.executions.clear()
    assert executions.of(ORDER) == []
