"""`make burst` and `make outage` in small, on a stack that others use as well."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from demo import shop
from local import stack as local_stack
from local.stack import ROOT, Problem
from stress.burst import burst
from stress.outage import function_of, outage
from tests.e2e.conftest import Pipeline, until
from tests.exhaustive import exhaustive


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(local_stack, "STATE", tmp_path_factory.mktemp("state"))  # where the logs of a failure are kept


def test_a_burst_is_confirmed_to_the_last_order_and_leaves_nothing_of_its_own_listening(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.place(shop.order("somebody-elses", {"TEA-100": 1}, payment_method="pm_card_chargeDeclined"))
    assert burst(pipeline.stack, 12) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    assert "Orders cancelled: 0. People called: 0." in printed
    assert "12 orders in " in printed
    assert nobody_listens(pipeline)


@exhaustive
def test_a_burst_that_loses_an_order_and_calls_somebody_fails(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shop.order

    def order(order_id: str, lines: dict[str, int]) -> dict[str, object]:
        declined = {"payment_method": "pm_card_chargeDeclined"} if order_id.endswith("00002") else {}
        pipeline.stack.client("sns").publish(TopicArn=pipeline.stack.outputs["AlertTopicArn"], Message="Help!")
        return place(order_id, lines, **declined)

    monkeypatch.setattr(shop, "order", order)
    assert burst(pipeline.stack, 2) == 1
    printed = capsys.readouterr().out
    assert "Orders cancelled: 1. People called: 2." in printed
    assert "✘ Each order came to an outcome that is right for it" in printed


def test_an_outage_of_seconds_costs_no_order_and_the_function_is_given_back(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outage(pipeline.stack, "payment", minutes=0.05, orders=3) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    assert "payment is away" in printed
    assert "Orders cancelled: 0. People called: 0." in printed
    assert reserved(pipeline) is None


def reserved(pipeline: Pipeline) -> int | None:
    """The concurrency that payment has been given; None when it has nothing of its own."""
    answer = pipeline.stack.client("lambda").get_function_concurrency(
        FunctionName=function_of(pipeline.stack, "payment")
    )
    found: int | None = answer.get("ReservedConcurrentExecutions")
    return found


OUTAGE = """\
import json, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where they were ignored when the tests began
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
from local.command import execute
from local.stack import RunningStack
from stress.outage import away
from stress.watch import alerts

def lasting():
    with alerts(stack, "outage"), away(stack, sys.argv[4]):
        time.sleep(60)

stack = RunningStack(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
sys.exit(execute(lasting))
"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=exhaustive),
        pytest.param(signal.SIGHUP, 129, marks=exhaustive),
        (signal.SIGKILL, -9),
    ],
)
def test_a_function_that_was_taken_away_is_given_back_however_the_outage_ends(
    pipeline: Pipeline, ending: signal.Signals, status: int
) -> None:
    stack = pipeline.stack
    where = [stack.endpoint_url, stack.stack_name, json.dumps(stack.outputs), function_of(stack, "payment")]
    process = subprocess.Popen([sys.executable, "-c", OUTAGE, *where], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until(lambda: reserved(pipeline), lambda now: now == 0)
    finally:
        process.send_signal(ending)
        process.wait()
    assert process.returncode == status
    until(lambda: reserved(pipeline), lambda now: now is None)
    if ending != signal.SIGKILL:
        assert nobody_listens(pipeline)


def nobody_listens(pipeline: Pipeline) -> bool:
    """Whether nobody listens to the alert topic any more."""
    subscriptions = pipeline.stack.client("sns").list_subscriptions()["Subscriptions"]
    return not subscriptions and not pipeline.stack.client("sqs").list_queues(QueueNamePrefix="alerts-").get(
        "QueueUrls"
    )


def test_a_function_that_there_is_not_is_told_with_those_that_there_are(pipeline: Pipeline) -> None:
    with pytest.raises(Problem, match="There are inventory, notify, payment, publish, sweep, validate"):
        outage(pipeline.stack, "shipping", minutes=1, orders=1)
