"""What is put in the place of MiniStack's own parts, so that its workflow engine runs on our clock and our handlers."""

from __future__ import annotations

import contextvars
import functools
import importlib
import json
import math
import os
import sys
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import botocore.retries.quota

from simulation import clock, ministack, shortcuts
from simulation.ministack import Change
from simulation.services import Distant
from simulation.stack import ROOT

if TYPE_CHECKING:
    from simulation.world import World

FUNCTIONS = tuple(sorted(path.parent.name for path in (ROOT / "functions").glob("*/__init__.py")))
ON_THE_CLOCK = (*FUNCTIONS, "aws_lambda_powertools", "ministack", "jsonata", "botocore.endpoint", "stripe")

importlib.import_module("stripe._webhook")  # handlers do so where they use it; it has to be on our clock by then

CALL_SECONDS = 12.0  # for a function that answers by a token: its own timeout, and a cold start

# The state, the execution, the timeout and the execution's short name of the Task that is being carried out.
_task: contextvars.ContextVar[tuple[str, str, float | None, str]] = contextvars.ContextVar(
    "task", default=("", "", None, "")
)


# The context object of that Task, as its expressions read it.
_context: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("context")

# The longest wait between two attempts at a Task, in seconds, and whether it is shortened at random.
_waits: contextvars.ContextVar[tuple[float, bool]] = contextvars.ContextVar("waits", default=(60.0, True))


def changes(world: World) -> list[Change]:
    """Everything to set, as (owner, name, value), for as long as this process simulates."""
    return [
        *clock.changes(ON_THE_CLOCK, lambda: world.loop),
        (ministack.EXECUTIONS.owner, "threading", clock.Threads(lambda: world.loop)),
        ministack.SLEEP.becomes(functools.partial(_wait, world)),
        ministack.STATUS_CHANGED.becomes(world.execution_changed),
        _around(ministack.EXECUTE_TASK, _execute_task, world),
        _around(ministack.EXECUTE_WAIT, _execute_wait),
        ministack.INVOKE_RESOURCE.becomes(functools.partial(_invoke_resource, world, ministack.INVOKE_NOW.get())),
        ministack.WAIT_FOR_TOKEN.becomes(functools.partial(_wait_for_token, world)),
        _around(ministack.ADD_EVENT, _add_event, world),
        ministack.EXECUTE_FUNCTION.becomes(functools.partial(_execute_function, world)),
        _around(ministack.DISPATCH, _dispatch_event, world),
        ministack.TO_WORKFLOW.becomes(world.rule_matched),
        ministack.TO_FUNCTION.becomes(world.rule_matched),
        ministack.WAKE_POLLERS.becomes(_Wake(world)),
        *((sys.modules[name], "emit", world.metric) for name in ("notify.app", "sweep.app")),
        *_randomness_of_our_own(world),
        *shortcuts.changes(lambda: world.loop.now),
        *_memory_of_sandboxes(world),
        *_companies_at_a_distance(world),
        (os, "environ", _Environment(world, os.environ)),
    ]


def _around(name: ministack.Private, ours: Callable[..., Any], *first: Any) -> Change:
    """`ours` in the place of the original, which it gets after `first`."""
    return name.becomes(functools.partial(ours, *first, name.get()))


def _randomness_of_our_own(world: World) -> list[Change]:
    """Whatever is random comes from the schedule's seed."""
    return [
        (uuid, "uuid4", lambda: uuid.UUID(int=world.names.getrandbits(128), version=4)),
        # Each sandbox has a full quota; our clients live for thousands of schedules.
        (botocore.retries.quota.RetryQuota, "acquire", lambda *_: True),
    ]


def _memory_of_sandboxes(world: World) -> list[Change]:
    """Every `functools.cache` of the handlers, so that two sandboxes share nothing and a dead one takes it along."""

    def per_sandbox(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def remembered(*arguments: Any) -> Any:
            memory, key = world.invocation().sandbox.memory, (function, arguments)
            if key not in memory:
                memory[key] = function(*arguments)
            return memory[key]

        return remembered

    clients: Any = importlib.import_module("aws.clients")
    return [
        (clients, "_client", lambda service, config=clients.PATIENT: world.services.client(service, config)),
        *(
            (module, name, per_sandbox(value.__wrapped__))
            for module in [module for name, module in sys.modules.items() if name.split(".")[0] in FUNCTIONS]
            for name, value in list(vars(module).items())
            if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == module.__name__
        ),
    ]


def _companies_at_a_distance(world: World) -> list[Change]:
    """The payment provider and the carrier."""
    return [_at_a_distance(world, "payment", "gateway"), _at_a_distance(world, "ship", "carrier")]


def _at_a_distance(world: World, function: str, name: str) -> Change:
    app: Any = importlib.import_module(f"{function}.app")
    provider = getattr(app, name).__wrapped__

    def distant() -> Distant:
        sandbox = world.invocation().sandbox.memory
        if name not in sandbox:
            sandbox[name] = Distant(world, provider(), name, f"{function}.{name}")
        return sandbox[name]  # type: ignore[no-any-return]

    return app, name, distant


class _Environment(MutableMapping[str, str]):
    """The process's variables, as the function sees them whose code runs."""

    def __init__(self, world: World, shared: MutableMapping[str, str]) -> None:
        self._world, self._shared = world, dict(shared)  # the process's own would encode and decode each time

    def _own(self) -> dict[str, str]:
        invocation = self._world.whose_code()
        return self._world.stack.variables.get(invocation.function, {}) if invocation else {}

    def __getitem__(self, name: str) -> str:
        own = self._own()
        return own[name] if name in own else self._shared[name]

    def copy(self) -> dict[str, str]:
        """As `os.environ` has it."""
        return dict(self)

    def __setitem__(self, name: str, value: str) -> None:
        self._shared[name] = value

    def __delitem__(self, name: str) -> None:
        del self._shared[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._shared, **self._own()})

    def __len__(self) -> int:
        return len({**self._shared, **self._own()})


def _dispatch_event(world: World, original: Any, event: dict[str, Any], *arguments: Any) -> Any:
    """Around the original: remember which event it is, for what the rules do with it."""
    world.announcing = event["DetailType"]
    return original(event, *arguments)


class _Wake:
    """In place of the emulator's event that wakes its pollers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def set(self) -> None:
        self._world.stream_grew()


def _execute_function(world: World, record: dict[str, Any], event: Any) -> Any:
    """In place of the original."""
    _, execution, timeout, name = _task.get()
    return world.invoke((record.get("config") or record)["FunctionName"], event, timeout, execution, name)


def _wait(world: World, seconds: float) -> None:
    """In place of the original: with the jitter and the cap that the emulator leaves out. A Task's retriers have one
    kind of jitter, and the largest of their caps is above what the others ask for.
    """
    longest, jitter = _waits.get()
    seconds = min(seconds, longest)
    world.loop.sleep(world.random.uniform(0, seconds) if jitter else seconds)


def _execute_task(  # noqa: PLR0917 - as the original, and what it needs besides
    world: World, original: Any, state: Any, raw_input: Any, execution: dict[str, Any], ctx: dict[str, Any]
) -> Any:
    """Around the original: remember which Task it is, for what it invokes."""
    # Who waits for a token waits for its function only as long as for any other.
    waits = ".waitForTaskToken" in state["Resource"]
    timeout, name = CALL_SECONDS if waits else float(state["TimeoutSeconds"]), short_name(execution)
    token = _task.set((ctx["State"]["Name"], execution["executionArn"], timeout, name))
    retriers = state.get("Retry", ())
    longest = max((retrier.get("MaxDelaySeconds", 60) for retrier in retriers), default=60)
    _context.set(ctx)
    _waits.set((longest, any(retrier.get("JitterStrategy") == "FULL" for retrier in retriers)))
    if world.injector.at(f"{ctx['State']['Name'].lower()}/states.Task#1") == "dies":
        _die(world, execution)
    try:
        return original(state, raw_input, execution, ctx)
    finally:
        _task.reset(token)


def _execute_wait(original: Any, *arguments: Any) -> Any:
    """Around the original: a state that waits does so to the second, and not as one that tries again."""
    token = _waits.set((math.inf, False))
    try:
        return original(*arguments)
    finally:
        _waits.reset(token)


def _die(world: World, execution: dict[str, Any]) -> NoReturn:
    execution["status"] = "ABORTED"
    world.execution_changed(execution)
    raise clock.Abandoned


def _invoke_resource(world: World, original: Any, resource: str, arguments: Any, timeout: float) -> Any:
    """In place of the original. What the state machine asks of a service itself can
    fail as well; it has no sandbox that could die.
    """
    if "lambda:invoke" in resource:
        return original(resource, arguments)
    state, execution, _, name = _task.get()
    service, action = resource.rsplit(":::", 1)[1].split(":")
    if service == "batch":
        return _run_job(world, arguments, timeout)
    order_id = order_of(ministack.EXECUTIONS.get()[execution])
    site = f"{state.lower()}/states.{action[0].upper()}{action[1:]}#1"

    def effect(outcome: str) -> Any:
        world.log("request", order_id, site, outcome, execution=name)
        return original(resource, arguments)

    def unheard(outcome: str) -> None:
        with suppress(ministack.EXECUTION_ERROR.get()):  # that it was refused is an answer, too
            effect(outcome)

    def time_out() -> Exception:
        world.loop.sleep(timeout)
        failure: Exception = ministack.EXECUTION_ERROR.get()("States.Timeout", "")
        return failure

    fault = world.injector.at(site)
    world.pause()
    match fault:
        case "throttled":
            world.log("request", order_id, site, fault, execution=name)
            raise ministack.EXECUTION_ERROR.get()(f"{service}.ThrottlingException", "")
        case "lost":
            unheard("answer lost")
            raise time_out()
        case "zombie":
            world.log("request", order_id, site, "delayed", execution=name)
            world.loop.spawn(lambda: unheard("arrives late"), delay=timeout + 5)
            raise time_out()
    result = effect("done")
    world.pause()
    return result


def _wait_for_token(world: World, resource: str, arguments: Any, token: str, state: dict[str, Any]) -> Any:
    """In place of the original, which swallows what the function raises. On AWS the Task fails with it.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
    """
    tokens = ministack.TASK_TOKENS.get()
    answered = clock.Flag(world.loop)
    tokens[token] = {"event": answered, "result": None, "error": None, "heartbeat": None}
    try:
        ministack.INVOKE_NOW.get()(resource.removesuffix(".waitForTaskToken"), arguments)
        name, arn, *_ = _task.get()
        if world.injector.at(f"{name.lower()}/states.Wait#1") == "dies":
            _die(world, ministack.EXECUTIONS.get()[arn])
        if not answered.wait(float(state["TimeoutSeconds"])):
            world.in_vain.append(order_of(ministack.EXECUTIONS.get()[arn]))
            failure: Exception = ministack.EXECUTION_ERROR.get()("States.Timeout", "")
            raise failure
        return json.loads(tokens[token]["result"])
    finally:
        tokens.pop(token, None)
        _context.get()["Task"]["Token"] = str(uuid.uuid4())  # each attempt has one of its own


def _run_job(world: World, arguments: dict[str, Any], timeout: float) -> Any:
    """What AWS Batch does with `batch:submitJob.sync`: run the job to its end. Its container is a sandbox that dies
    with it, and its code what was hosted under the job definition's name (World.hosting).
    """
    _, execution, _, name = _task.get()
    answer = world.invoke(arguments["JobDefinition"], arguments.get("Parameters", {}), timeout, execution, name)
    if answer.get("error"):
        raise ministack.EXECUTION_ERROR.get()("States.TaskFailed", json.dumps(answer["body"]))
    return {"JobName": arguments["JobName"], "Status": "SUCCEEDED"}


def _add_event(world: World, original: Any, execution: dict[str, Any], kind: str, details: Any = None) -> Any:
    """Around the original: what an execution does is part of the timeline."""
    if execution["status"] == "ABORTED":
        raise clock.Abandoned  # one of its branches met its end
    entered = (details or {}).get("stateEnteredEventDetails")
    failed = (details or {}).get("taskFailedEventDetails")
    if entered:
        world.log("execution", order_of(execution), entered["name"], "", short_name(execution))
    elif failed:
        world.log("execution", order_of(execution), "a task failed", failed["error"], short_name(execution))
    return original(execution, kind, details)


def order_of(execution: dict[str, Any]) -> str:
    """Which order an execution is for."""
    return _order_in(execution["input"])


@functools.lru_cache(1000)
def _order_in(event: str) -> str:
    return str(json.loads(event).get("order_id", ""))


def short_name(execution: dict[str, Any]) -> str:
    """Enough of an execution's name to tell it apart in a timeline."""
    return str(execution["executionArn"])[-6:] + ("′" if execution.get("copy") else "")
