"""How a task's token is kept, and how the task is woken."""

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws import callback, clients
from tests.unit.approving import Tasks, token_of
from tests.unit.builders import TASK_TOKEN
from tests.unit.bus import UNREACHABLE
from tests.unit.faults import fails
from tests.unit.stack import MotoStack

LONGEST = TASK_TOKEN + "x" * (2_048 - len(TASK_TOKEN))


@pytest.fixture
def tasks(stack: MotoStack) -> Tasks:
    return Tasks()


@pytest.fixture
def key(stack: MotoStack) -> str:
    return stack["ApprovalKey"]


def test_a_task_that_waits_is_woken_by_the_token_that_was_kept(tasks, key):
    tasks.waiting.append(LONGEST)
    kept = callback.encrypt(LONGEST, "order-1", key)

    assert callback.wake(kept, "order-1") is True

    assert (tasks.woken, tasks.waiting) == ([LONGEST], [])


def test_what_is_kept_of_a_token_wakes_nobody_by_itself(key):
    kept = callback.encrypt(TASK_TOKEN, "order-1", key)

    assert TASK_TOKEN not in kept
    assert TASK_TOKEN.encode() not in base64.b64decode(kept)
    assert callback.encrypt(TASK_TOKEN, "order-1", key) != kept


def test_a_token_of_another_order_is_of_no_use(tasks, key):
    """Whoever may write the Approvals table could put one order's token into another's item."""
    tasks.waiting.append(TASK_TOKEN)
    kept = callback.encrypt(TASK_TOKEN, "order-2", key)

    with pytest.raises(ClientError, match="InvalidCiphertext"):
        callback.wake(kept, "order-1")

    assert tasks.woken == []


def test_a_token_that_was_tampered_with_is_of_no_use(tasks, key):
    tasks.waiting.append(TASK_TOKEN)
    kept = bytearray(base64.b64decode(callback.encrypt(TASK_TOKEN, "order-1", key)))
    kept[-1] ^= 1

    with pytest.raises(ClientError, match="InvalidCiphertext"):
        callback.wake(base64.b64encode(kept).decode(), "order-1")

    assert tasks.woken == []


def test_a_task_is_woken_once_and_to_find_it_gone_is_no_failure(tasks, key):
    tasks.waiting.append(TASK_TOKEN)
    kept = callback.encrypt(TASK_TOKEN, "order-1", key)

    assert [callback.wake(kept, "order-1") for _ in range(3)] == [True, False, False]

    assert tasks.woken == [TASK_TOKEN]


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_a_task_that_waits_no_more_is_no_failure(code, tasks, key):
    kept = callback.encrypt(TASK_TOKEN, "order-1", key)
    gone = getattr(clients.workflows().exceptions, code)({"Error": {"Code": code, "Message": TASK_TOKEN}}, "Send")

    with fails(clients.workflows(), "send_task_success", gone):
        assert callback.wake(kept, "order-1") is False


def throttled(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, operation)


@pytest.mark.parametrize("error", [UNREACHABLE, throttled("SendTaskSuccess")], ids=["unreachable", "throttled"])
@pytest.mark.parametrize(("service", "call"), [(clients.keys, "decrypt"), (clients.workflows, "send_task_success")])
def test_who_could_not_be_asked_may_let_somebody_wait_still_so_it_is_a_failure(service, call, error, tasks, key):
    tasks.waiting.append(TASK_TOKEN)
    kept = callback.encrypt(TASK_TOKEN, "order-1", key)

    with pytest.raises(type(error)), fails(service(), call, error):
        callback.wake(kept, "order-1")

    assert callback.wake(kept, "order-1") is True


def test_a_task_that_does_not_wait_lets_itself_go_on(tasks):
    tasks.waiting.append(token_of())

    callback.go_on(token_of())

    assert tasks.woken == [token_of()]


def test_a_task_goes_on_with_nothing_that_anybody_could_take_for_a_decision(tasks, key, monkeypatch):
    outputs: list[Any] = []
    monkeypatch.setattr(clients.workflows(), "send_task_success", lambda **said: outputs.append(said["output"]))

    callback.wake(callback.encrypt(TASK_TOKEN, "order-1", key), "order-1")
    callback.go_on(TASK_TOKEN)

    assert outputs == ["{}", "{}"]
