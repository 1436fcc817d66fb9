"""Two interpreters of the Amazon States Language in the test's process: MiniStack's, which the embedded stack uses, and
LocalStack's, which moto carries. `Engine.run` takes any definition to its end on either.

What a Task calls is the test's, on both: a `Call` gets the integration and the arguments, and returns what AWS would or
raises `TaskFailed`. Neither engine sleeps, neither opens a socket, and a run has ended when its last thread has. A Task
that waits for its token is answered as soon as its function has been called.

They read states, retries, catches, choices and data flow independently of each other. They don't read JSONata so:
Python has one port of it, jsonata-python, and both evaluate with that. Where they differ is in `DIFFERENCES`.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import jsonata
from botocore.exceptions import ClientError
from ministack.services import stepfunctions
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branch_worker import BranchWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcomeSuccess
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workflow"
WAITS = ".waitForTaskToken"
SECONDS_TO_END = 60  # far above what a run takes; reached only by an engine that hangs

DIFFERENCES = {
    "branches": "MiniStack's history leaves out the states of a Parallel's branches. What they did shows in their"
    " requests and in the next state's input, which are compared.",
    "parallel": "MiniStack ignores Arguments, Output and Assign of a Parallel. The definitions do without.",
    "choice": "A Choice that matches nothing is States.Runtime to moto, and States.NoChoiceMatched to MiniStack and"
    " AWS. The adapter renames it.",
    "dollar": "moto refuses an expression with a bare $, also inside a path, where it is the current value. The"
    " definitions name that value: $map(…, function($each) {…}).",
    "branch": "An error of the language's own, such as States.TaskFailed, that fails a branch and that nobody catches"
    " is the execution's in MiniStack and AWS. In moto that is States.Runtime. The adapter renames it.",
    "cause": "A cause is prose, in each engine's own words. Errors are compared by name.",
}
"""Where the engines differ, each with its reason, and what the comparison does about it. Tests hold that each is so."""

type Call = Callable[[str, dict[str, Any]], Any]
"""Answers a Task: from "dynamodb:updateItem" and its arguments to the service's response, or raises `TaskFailed`."""


class TaskFailed(Exception):
    """A Task's error as the state machine gets it: its name and its cause, which for a function's exception is JSON."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Run:
    """How a definition went on one engine.

    `output` is that of an execution that succeeded. `entered` are the states of the top level in their order, each with
    its input; `inside` are those of branches. `history` is all that the engine would show of the execution, as text.
    """

    status: str
    error: str | None
    cause: str | None
    output: Any
    entered: list[tuple[str, Any]]
    inside: list[str]
    execution: str
    history: str


@dataclass(frozen=True)
class Engine:
    """An interpreter and the type of workflow that it runs the definition as."""

    name: str
    workflow_type: str
    execute: Callable[[str, str, str, str, Call], tuple[dict[str, Any], list[dict[str, Any]]]]

    def run(self, definition: str, detail: dict[str, Any], call: Call) -> Run:
        """Take `definition` to its end, from `detail` as its input, in a state machine of its own."""
        name = f"run-{next(_numbers)}"
        execution, events = self.execute(definition, self.workflow_type, name, json.dumps(detail), call)
        details = [event["stateEnteredEventDetails"] for event in events if "stateEnteredEventDetails" in event]
        top = json.loads(definition)["States"]
        return Run(
            status=execution["status"],
            error=execution.get("error"),
            cause=execution.get("cause"),
            output=json.loads(execution["output"]) if execution["status"] == "SUCCEEDED" else None,
            entered=[(entered["name"], json.loads(entered["input"])) for entered in details if entered["name"] in top],
            inside=[entered["name"] for entered in details if entered["name"] not in top],
            execution=execution["executionArn"],
            history=json.dumps([events, execution], default=str),
        )

    def __str__(self) -> str:
        return f"{self.name}, {self.workflow_type}"


_numbers = itertools.count(1)


def _on_ministack(
    definition: str, workflow_type: str, name: str, text: str, call: Call
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    def invoke(resource: str, arguments: dict[str, Any]) -> Any:
        try:
            return call(resource.rpartition(":::")[2], arguments)
        except TaskFailed as failed:
            raise stepfunctions._ExecutionError(failed.error, failed.cause) from None

    def invoke_and_wake(resource: str, arguments: dict[str, Any], *_: Any) -> Any:
        invoke(resource.removesuffix(WAITS), arguments)
        return {}

    machine = ask(
        stepfunctions._create_state_machine, name=name, definition=definition, roleArn=ROLE, type=workflow_type
    )["stateMachineArn"]
    with ExitStack() as patches:
        patches.enter_context(patch.object(stepfunctions, "_invoke_resource", invoke))
        patches.enter_context(patch.object(stepfunctions, "_invoke_with_callback", invoke_and_wake))
        # Retries and Wait states sleep, and so does every execution before its first state.
        patches.enter_context(patch.object(stepfunctions, "time", SimpleNamespace(sleep=_no_wait)))
        arn = _to_the_end(
            lambda: ask(stepfunctions._start_execution, stateMachineArn=machine, name=name, input=text)["executionArn"]
        )
    events = ask(stepfunctions._get_execution_history, executionArn=arn, maxResults=1000)["events"]
    return ask(stepfunctions._describe_execution, executionArn=arn), events


def _on_moto(
    definition: str, workflow_type: str, name: str, text: str, call: Call
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    backend = StepFunctionsParserBackend(REGION, ACCOUNT)
    with ExitStack() as patches:
        patches.enter_context(patch.object(moto_jsonata, "_eval_jsonata", _evaluate))
        patches.enter_context(patch.object(AmazonStateLanguageParser, "parse", _parse))
        patches.enter_context(patch.object(BranchWorker, "start", _start_and_wait))
        patches.enter_context(patch.object(StateTaskServiceCallback, "_eval_wait_for_task_token", _woken))
        patches.enter_context(patch.object(retrier_decl, "time", SimpleNamespace(sleep=_no_wait)))
        patches.enter_context(patch.object(WaitFunction, "_wait_interval", _no_wait))
        patches.enter_context(
            patch.object(
                boto_client, "boto3", SimpleNamespace(client=lambda **made: _Client(made["service_name"], call))
            )
        )
        machine = backend.create_state_machine(name, definition, ROLE, sm_type=workflow_type).arn
        execution = _to_the_end(lambda: backend.start_execution(machine, name, text))
    described: dict[str, Any] = dict(execution.to_describe_output())
    if "No branching option reached" in described.get("cause", ""):
        described["error"] = "States.NoChoiceMatched"
    if lost := re.search(r"MUST NOT begin with the prefix 'States.', got '(States.\w+)'", described.get("cause", "")):
        described["error"] = lost[1]
    return described, [dict(event) for event in execution.to_history_output()["events"]]


# Parsing is most of a run's time, and what it returns holds nothing of a run.
_parse = functools.cache(AmazonStateLanguageParser.parse)


_start: Callable[[BranchWorker], None] = BranchWorker.start  # the adapter replaces it while the engine runs


def _start_and_wait(branch: BranchWorker) -> None:
    """Run the branches of a Parallel one after the other.

    Of several that fail, the first one's error is then the Parallel's, as in MiniStack, and none is cut off. In AWS it
    is the error of whichever fails first in time, and that stops the others wherever they happen to be.
    https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
    """
    _start(branch)
    thread = branch._worker_thread
    assert thread
    thread.join(SECONDS_TO_END)


def _woken(*_: Any, callback_endpoint: Any, **__: Any) -> CallbackOutcomeSuccess:
    return CallbackOutcomeSuccess(callback_id=callback_endpoint.callback_id, output="{}")


def _no_wait(*_: object, **__: object) -> None:
    pass


def _evaluate(expression: str) -> Any:
    """JSONata for moto, which looks for a Java library that it does not bring."""
    try:
        return jsonata.Jsonata(expression).evaluate(None)
    except Exception as failed:
        raise moto_jsonata.JSONataException(type(failed).__name__, str(failed)) from failed


class _Client:
    """The client that moto's interpreter calls a service with; every method goes to the test."""

    def __init__(self, service: str, call: Call) -> None:
        self._service = service
        self._call = call

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        first, *rest = method.split("_")
        integration = f"{self._service}:{first}{''.join(word.capitalize() for word in rest)}"

        def request(**arguments: Any) -> dict[str, Any]:
            if integration == "lambda:invoke":
                arguments["Payload"] = json.loads(arguments["Payload"])
            try:
                response = dict(self._call(integration, arguments))
            except TaskFailed as failed:
                return _failed(integration, failed)
            if integration == "lambda:invoke":
                response["Payload"] = BytesIO(json.dumps(response["Payload"]).encode())
            return response

        return request


def _failed(integration: str, failed: TaskFailed) -> dict[str, Any]:
    """A function's exception is an answer of Lambda's. A service's refusal is botocore's error, named by the engine."""
    service, _, code = failed.error.partition(".")
    if code and service.lower() == integration.partition(":")[0]:
        metadata: Any = {"HTTPStatusCode": 400, "RequestId": "request"}
        raise ClientError({"Error": {"Code": code, "Message": failed.cause}, "ResponseMetadata": metadata}, integration)
    return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": BytesIO(failed.cause.encode())}


def _to_the_end[T](start: Callable[[], T]) -> T:
    """Start an execution and wait until every thread that it started has ended.

    Raises:
        TimeoutError: one is still alive after a minute.
    """
    before = set(threading.enumerate())
    started = start()
    deadline = time.monotonic() + SECONDS_TO_END
    while running := set(threading.enumerate()) - before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still running: {', '.join(sorted(thread.name for thread in running))}")
        for thread in running:
            if thread.is_alive():  # one that is just being started can't be joined yet
                thread.join(SECONDS_TO_END)
    return started


def ask(operation: Callable[[dict[str, Any]], Any], **arguments: Any) -> Any:
    """What one of MiniStack's operations answers.

    Raises:
        ValueError: it refuses.
    """
    status, _, body = operation(arguments)
    if status != 200:
        raise ValueError(body)
    return json.loads(body)


# moto has no Express workflows: it would run the same thing a second time.
ENGINES = [
    Engine("MiniStack", "STANDARD", _on_ministack),
    Engine("MiniStack", "EXPRESS", _on_ministack),
    Engine("moto", "STANDARD", _on_moto),
]
