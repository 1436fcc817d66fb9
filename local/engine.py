"""MiniStack, started with what differs from AWS mended, as far as the stacks would notice.

Its workflow engine ignores `MaxDelaySeconds` and `JitterStrategy`. Executions that were turned away together then come
back together, for ever, and of a burst some are left over: lesson 14. A task that waits for its token there does not
hear of a function that raised, keeps the token when it is retried, and lets the last answer stand instead of the first.
An API's address is random, so nobody can tell a function where people reach it. A laptop runs a handful of functions
at once where an account runs a thousand: of twenty requests at the same moment it would refuse most. Its
Scheduler does not say when it is. And no job on AWS Batch runs at all: local/batch mends that.

Run as a file and not as a module: the emulator runs in a folder of its own. `python -P local/engine.py`
"""

from __future__ import annotations

import asyncio
import importlib
import random
import socketserver
import sys
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# What of MiniStack's engine is replaced, and why. A version that renames one of these fails here, by name.
RETRIER = "_find_matching_retrier"  # says which retrier is due: it is asked before each wait
SLEEP = "_scaled_sleep"  # waits, for retries as for everything else
ARGUMENTS = "_apply_jsonata_arguments"  # works out what a task is called with: once before each attempt
CALLBACK = "_invoke_with_callback"  # calls what a task waits for, and waits
CALL = "_call_lambda"  # calls a function
SUCCEED, FAIL = "_send_task_success", "_send_task_failure"  # answer a token

# What is used of it as it is.
ERROR = "_ExecutionError"  # how a task fails
TOKENS = "_task_tokens"  # the tokens of tasks that wait, each with the event that its answer sets
REFUSE = "error_response_json"  # a request's answer when it is refused

# Of its API Gateway.
RUN = "run_reentrant"  # runs the function behind a route
ROOM_SECONDS = 25  # for which a request waits until it may run; API Gateway itself gives up after 30

# Of its EventBridge, which Scheduler starts things through.
INVOKE = "_invoke_target"  # starts what a rule or a schedule names
WHEN = "<aws.scheduler.scheduled-time>"  # in a schedule's input, stands for its time

# Of its CloudFormation: what creates, updates and deletes a resource, by the resource's type.
RESOURCES = "_RESOURCE_HANDLERS"
API = "AWS::ApiGatewayV2::Api"
ID_TAG = "ms-custom-id"  # the tag by which MiniStack lets an API have a certain id

_ANSWERING = threading.Lock()  # of two answers at once, too, one is the first


def wait_seconds(retrier: dict[str, Any], retries: int, uniform: Callable[[float, float], float]) -> float:
    """How long to wait before the next attempt, when there were so many `retries` before it.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error
    """
    longest = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** retries
    longest = min(longest, float(retrier.get("MaxDelaySeconds", longest)))
    return uniform(0, longest) if retrier.get("JitterStrategy") == "FULL" else longest


def wait_as_aws(engine: Any, uniform: Callable[[float, float], float] = random.uniform) -> None:
    """Make MiniStack's workflow engine honour jitter and the cap of a retry.

    Raises AttributeError when it has not got what is replaced.
    """
    find, sleep = getattr(engine, RETRIER), getattr(engine, SLEEP)
    due = threading.local()  # each branch of an execution waits in a thread of its own

    def find_and_remember(retriers: Any, error: str, counts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, counts)
        due.seconds = None if retrier is None else wait_seconds(retrier, counts.get(index, 0), uniform)
        return retrier, index

    def wait(seconds: float) -> None:
        remembered = getattr(due, "seconds", None)
        due.seconds = None
        sleep(seconds if remembered is None else remembered)

    setattr(engine, RETRIER, find_and_remember)
    setattr(engine, SLEEP, wait)


def answer_as_aws(engine: Any) -> None:
    """Make the tasks of MiniStack's workflow engine that wait for a token end as AWS's do.

    A function that raises fails its task, unless the token was answered while it ran. Each attempt has a token of its
    own (where arguments are JSONata). The first answer stands, and a later one is refused with TaskTimedOut.
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token

    Raises AttributeError when it has not got what is replaced.
    """
    arguments, callback, call = getattr(engine, ARGUMENTS), getattr(engine, CALLBACK), getattr(engine, CALL)
    succeed, fail = _once(engine, getattr(engine, SUCCEED)), _once(engine, getattr(engine, FAIL))
    failure: Any = getattr(engine, ERROR)
    waiting = threading.local()  # each branch of an execution waits in a thread of its own

    def with_a_token_of_its_own(state: Any, given: Any, context: dict[str, Any] | None = None) -> Any:
        if context and "Task" in context:
            context["Task"] = {"Token": str(uuid.uuid4())}
        return arguments(state, given, context)

    def call_and_wait(resource: str, given: Any, token: str, state: Any) -> Any:
        waiting.token = token
        try:
            return callback(resource, given, token, state)
        finally:
            waiting.token = None

    def call_and_tell(function: str, event: Any) -> Any:
        try:
            return call(function, event)
        except failure as raised:
            if token := getattr(waiting, "token", None):
                fail({"taskToken": token, "error": raised.error, "cause": raised.cause})
            raise

    replaced = {ARGUMENTS: with_a_token_of_its_own, CALLBACK: call_and_wait, CALL: call_and_tell}
    for name, function in (replaced | {SUCCEED: succeed, FAIL: fail}).items():
        setattr(engine, name, function)


def _once(engine: Any, send: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """What answers a token, if nothing has before.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """
    tokens, refuse = getattr(engine, TOKENS), getattr(engine, REFUSE)

    def answer(request: dict[str, Any]) -> Any:
        with _ANSWERING:
            waits = tokens.get(request.get("taskToken"))
            if not waits or waits["event"].is_set():
                return refuse("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
            return send(request)

    return answer


def name_apis(cloudformation: Any) -> None:
    """Make the id of an API that MiniStack's CloudFormation creates the API's name, so that its address is known.

    Two APIs can't have one name then. Raises AttributeError or KeyError when it has not got what is replaced.
    """
    handlers = getattr(cloudformation, RESOURCES)[API]
    create = handlers["create"]

    def create_as_named(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        tags = {ID_TAG: properties["Name"]} if "Name" in properties else {}
        return create(logical_id, properties | {"Tags": tags | properties.get("Tags", {})}, stack_name)

    handlers["create"] = create_as_named


def wait_for_room(gateway: Any, seconds: float = ROOM_SECONDS, pause: float = 0.1) -> None:
    """Make the requests of MiniStack's APIs wait until there is room for their function, in place of refusing them.

    Raises AttributeError when it has not got what is replaced.
    """
    run = getattr(gateway, RUN)

    async def run_when_there_is_room(*arguments: Any, **named: Any) -> Any:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while True:
            result = await run(*arguments, **named)
            if not (isinstance(result, dict) and result.get("throttle")) or clock.time() >= deadline:
                return result
            await asyncio.sleep(pause)

    setattr(gateway, RUN, run_when_there_is_room)


def say_when(events: Any) -> None:
    """Make MiniStack's Scheduler write its time into a schedule's input. It is when it starts, which is up to ten
    seconds later than planned.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    Raises AttributeError when it has not got what is replaced.
    """
    invoke = getattr(events, INVOKE)

    def invoke_with_the_time(target: dict[str, Any], event: dict[str, Any], *others: Any) -> Any:
        if WHEN in target.get("Input", ""):
            moment = datetime.fromtimestamp(event["Time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            target = target | {"Input": target["Input"].replace(WHEN, moment)}
        return invoke(target, event, *others)

    setattr(events, INVOKE, invoke_with_the_time)


if __name__ == "__main__":
    workflows = importlib.import_module("ministack.services.stepfunctions")
    wait_as_aws(workflows)
    answer_as_aws(workflows)
    name_apis(importlib.import_module("ministack.services.cloudformation.provisioners"))
    # The functions' processes answer in small pieces, each of which would wait 40 ms for the other end to say it came.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    wait_for_room(importlib.import_module("ministack.services.apigateway"))
    say_when(importlib.import_module("ministack.services.eventbridge"))
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    importlib.import_module("local.batch").install()
    importlib.import_module("local.histories").link_as_aws(workflows)
    importlib.import_module("ministack.app").main()
