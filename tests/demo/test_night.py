"""The night as a person follows it: how far each job is, and what becomes of it when nobody watches any more."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from demo import night
from demo.night import Night, Step, started, steps, watch
from local.command import Ended
from local.stack import Problem, RunningStack
from tests.printing import printed_to

BEGAN = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
WORKFLOW = "arn:aws:states:us-east-1:123456789012:stateMachine:books"


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def entered(state: str, seconds: float, kind: str = "Task") -> dict[str, Any]:
    return {
        "type": f"{kind}StateEntered",
        "timestamp": after(seconds),
        "stateEnteredEventDetails": {"name": state},
    }


def exited(state: str, seconds: float) -> dict[str, Any]:
    return {"type": "TaskStateExited", "timestamp": after(seconds), "stateExitedEventDetails": {"name": state}}


def a_job(name: str, status: str, seconds: float, stopped: float | None = None, **changes: Any) -> dict[str, Any]:
    def milliseconds(at: float) -> int:
        return int(after(at).timestamp() * 1000)

    ended = {} if stopped is None else {"stoppedAt": milliseconds(stopped)}
    return {"jobId": name, "jobName": name, "status": status, "createdAt": milliseconds(seconds), **ended, **changes}


def an_array(succeeded: int, size: int) -> Any:
    return {"arrayProperties": {"size": size, "statusSummary": {"SUCCEEDED": succeeded}}}


def test_each_job_is_shown_from_its_start_to_its_end_with_its_children() -> None:
    events = [entered("Begin", 0), exited("Begin", 4), entered("ExtractOrders", 5)]
    jobs = [
        a_job("begin", "SUCCEEDED", 1, stopped=4),
        a_job("extract-orders", "RUNNING", 6, **an_array(succeeded=1, size=3)),
    ]
    assert steps(events, jobs, after(15)) == [
        Step("begin", "SUCCEEDED", 1, 1, 4.0),
        Step("extract-orders", "RUNNING", 1, 3, 10.0),
    ]


def test_a_job_that_no_event_tells_of_is_shown_where_it_belongs() -> None:
    events = [entered("Begin", 0), exited("Begin", 4), entered("Reconcile", 9)]
    jobs = [a_job("reconcile", "RUNNABLE", 9), a_job("extract-orders", "SUCCEEDED", 5, stopped=8)]
    assert [step.name for step in steps(events, jobs, after(10))] == ["extract-orders", "reconcile"]


def test_of_a_job_that_is_tried_again_the_last_attempt_counts() -> None:
    jobs = [a_job("load", "RUNNING", 60), a_job("load", "FAILED", 0, stopped=5)]
    [step] = steps([entered("Load", 0)], jobs, after(70))
    assert (step.status, step.done, step.of) == ("RUNNING", 0, 1)


def test_what_is_no_job_is_shown_while_it_takes_its_time_and_not_afterwards() -> None:
    at_it = [entered("Tell", 0)]
    assert steps(at_it, [], after(2)) == [Step("tell", "RUNNING", 0, 0, 2.0)]
    assert steps([*at_it, exited("Tell", 1)], [], after(2)) == []


@dataclass
class Account:
    """Step Functions and Batch, with one night that has this status and history."""

    status: str = "RUNNING"
    cause: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    children: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        pages = {
            "get_execution_history": lambda **_: [{"events": self.history}],
            "list_jobs": lambda **_: [{"jobSummaryList": self.jobs}],
        }
        return SimpleNamespace(
            get_paginator=lambda name: SimpleNamespace(paginate=pages[name]),
            describe_execution=lambda **_: {"status": self.status, "error": "States.TaskFailed", "cause": self.cause},
            start_execution=lambda **asked: self.orders.append(asked),
            stop_execution=lambda **asked: self.stopped.append(asked["executionArn"]),
            list_jobs=lambda **_: {"jobSummaryList": self.children},
            describe_jobs=lambda jobs: {"jobs": [one for one in (*self.jobs, *self.children) if one["jobId"] in jobs]},
            get_log_events=lambda **_: {"events": [{"message": "no such table"}]},
        )


@dataclass(frozen=True)
class Stack(RunningStack):
    """Where the night runs."""

    account: Account = field(kw_only=True)

    def client(self, service: str) -> Any:
        return self.account.client(service)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(night, "POLL_SECONDS", 0)
    return Account()


@pytest.fixture
def stack(account: Account) -> Stack:
    outputs = {"BooksWorkflowArn": WORKFLOW, "BooksQueueArn": "queue"}
    return Stack("http://nowhere", "orders", outputs, account=account)


@pytest.fixture(autouse=True)
def printed() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with printed_to(out):
        yield out


def test_a_night_is_of_a_day_and_repairs_only_when_it_is_told_to(stack: Stack, account: Account) -> None:
    for repair in (False, True):
        with started(stack, "2026-11-25", repair=repair):
            pass
    assert [json.loads(asked["input"]) for asked in account.orders] == [
        {"day": "2026-11-25", "repair": "no"},
        {"day": "2026-11-25", "repair": "yes"},
    ]
    assert account.orders[0]["name"] != account.orders[1]["name"]
    assert account.stopped == []


@pytest.mark.parametrize("end", [Ended(15), BrokenPipeError(), Problem("the stack is gone")])
def test_however_it_is_ended_the_night_ends_too(end: BaseException, stack: Stack, account: Account) -> None:
    with pytest.raises(type(end)), started(stack, "2026-11-25", repair=False) as running:
        raise end
    assert account.stopped == [running.arn]
    assert running.arn == f"{WORKFLOW.replace('stateMachine', 'execution')}:{account.orders[0]['name']}"


def test_other_nights_jobs_are_not_shown(stack: Stack, account: Account, printed: io.StringIO) -> None:
    with started(stack, "2026-11-25", repair=False) as running:
        account.status = "SUCCEEDED"
        account.jobs = [
            a_job("begin", "SUCCEEDED", 0, stopped=1, container={"command": ["--run", "another"]}),
            a_job("load", "SUCCEEDED", 0, stopped=1, container={"command": ["--run", running.arn]}),
        ]
        watch(running)
    assert "load" in printed.getvalue()
    assert "begin" not in printed.getvalue()


def test_a_night_that_fails_says_why_with_the_last_words_of_the_job(stack: Stack, account: Account) -> None:
    running = Night(stack, "a night")
    container = {"command": ["--run", "a night"], "logStreamName": "stream"}
    account.status, account.cause = "FAILED", json.dumps({"Status": "FAILED", "StatusReason": "Array Child Job failed"})
    account.jobs = [a_job("reconcile", "FAILED", 0, container=container, **an_array(succeeded=1, size=2))]
    account.children = [
        a_job("reconcile:1", "FAILED", 0, container=container, statusReason="exited", arrayProperties={"index": 1})
    ]
    with pytest.raises(Problem) as said:
        watch(running)
    assert str(said.value).splitlines() == [
        "The night failed. States.TaskFailed: Array Child Job failed",
        "reconcile:1 (reconcile:1): exited",
        "  no such table",
    ]


def test_a_day_that_another_run_is_at_is_a_problem(stack: Stack, account: Account) -> None:
    account.status, account.history = "SUCCEEDED", [entered("Taken", 1, kind="Succeed")]
    with pytest.raises(Problem, match="Another run"), started(stack, "2026-11-25", repair=False) as running:
        watch(running)
