"""MiniStack's private names that the simulation leans on, each with its reason.

Its public interface is AWS's API. What that can't do is to run on a clock of our own, to invoke our handlers, and to be
emptied for the next schedule without a new deployment. A version of MiniStack that renames one of these fails
tests/simulation/test_ministack.py by name.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, NamedTuple

Change = tuple[Any, str, Any]  # owner, name and value of what is set for as long as this process simulates


class Private(NamedTuple):
    """A name in one of MiniStack's services, and why it is needed."""

    service: str
    name: str
    why: str

    @property
    def owner(self) -> Any:
        """The service's module; its settings are read when it is first imported."""
        return _module(self.service)

    def get(self) -> Any:
        """What it stands for."""
        return getattr(self.owner, self.name)

    def becomes(self, value: Any) -> Change:
        """The change that puts `value` in its place."""
        return (self.owner, self.name, value)


@functools.cache  # it is asked for a hundred times in each schedule
def _module(service: str) -> Any:
    return importlib.import_module(f"ministack.services.{service}")


# What is stored, to be read without requests and emptied for each schedule.
TABLES = Private("dynamodb", "_tables", "the items of every table")
STREAM_RECORDS = Private("dynamodb", "_stream_records", "what the streams hold, for pollers of our own")
STREAM_TRIMMED = Private("dynamodb", "_stream_trimmed", "how much of each stream is gone, to be emptied")
TRANSACTIONS = Private("dynamodb", "_txn_idempotency", "client tokens of transactions, to be emptied")
QUEUES = Private("sqs", "_queues", "the messages of every queue")
EMAILS = Private("ses", "_sent_emails_list", "what SES took: no API tells")
EVENTS = Private("eventbridge", "_events_log_list", "what the bus took: no API tells")
EXECUTIONS = Private("stepfunctions", "_executions", "every execution with its history; those of Express are hidden")
STATE_MACHINES = Private("stepfunctions", "_state_machines", "definitions, to be changed for a mutant")

RESOURCES = Private("cloudformation.provisioners", "_RESOURCE_HANDLERS", "what it can't run is deployed by name only")

# What happens by itself, to happen when the schedule says.
START_EXECUTION = Private("stepfunctions", "_start_execution", "to start a workflow without a request")
RUN_EXECUTION = Private("stepfunctions", "_run_execution", "to run one a second time, as Express may")
SLEEP = Private("stepfunctions", "_scaled_sleep", "waits and retries are on our clock, with jitter")
STATUS_CHANGED = Private("stepfunctions", "_emit_execution_status_event", "to see executions begin and end")
EXECUTE_TASK = Private("stepfunctions", "_execute_task", "to know which Task makes a request")
EXECUTE_WAIT = Private("stepfunctions", "_execute_wait", "a state that waits has no jitter")
INVOKE_RESOURCE = Private("stepfunctions", "_invoke_resource_with_timeout", "a Task's request, at which faults happen")
INVOKE_NOW = Private("stepfunctions", "_invoke_resource", "the same without the original's thread for its timeout")
WAIT_FOR_TOKEN = Private("stepfunctions", "_invoke_with_callback", "a Task waits for its token on our clock")
TASK_TOKENS = Private("stepfunctions", "_task_tokens", "who waits for which token, to be emptied")
ADD_EVENT = Private("stepfunctions", "_add_event", "states and failed tasks are part of the timeline")
EXECUTION_ERROR = Private("stepfunctions", "_ExecutionError", "how a Task fails")
EXECUTE_FUNCTION = Private("lambda_svc", "_execute_function", "handlers run in this process")
ENSURE_POLLER = Private("lambda_svc", "_ensure_poller", "we poll: the original ignores batchItemFailures")
FILTER = Private("lambda_svc", "_apply_filter_criteria", "a mapping's filter, which is right")
DISPATCH = Private("eventbridge", "_dispatch_event", "to know which event it is that a rule matched")
TO_WORKFLOW = Private("eventbridge", "_dispatch_to_stepfunctions", "the schedule says when a rule's target gets it")
TO_FUNCTION = Private("eventbridge", "_dispatch_to_lambda", "the same for a function")
WAKE_POLLERS = Private("dynamodb", "esm_wake", "to see a stream grow")

# What decides nothing and is done again and again (shortcuts.py).
OF_TEXT = tuple(
    Private("dynamodb", name, "depends on its text only, so once is enough")
    for name in (
        "_condition_syntax_error",
        "_ddb_canonicalize_number",
        "_number_error",
        "_number_size_bytes",
        "_tokenize",
        "_validate_data_plane_table_name",
    )
)
ITEM_SIZE = Private("dynamodb", "_update_request_charge", "of the 400 KB that an item may have")
NESTING = Private("dynamodb", "_nesting_level", "of the 32 levels that an attribute may have")
JSONATA = Private("stepfunctions", "_evaluate_jsonata", "an expression that names one thing needs no interpreter")
JSONATA_FUNCTIONS = Private("stepfunctions", "_register_sfn_jsonata_functions", "registered once for each expression")
