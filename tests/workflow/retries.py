"""The retry policies of every workflow, each once, and how long a definition may take with them.

A definition writes its retriers out, because the Amazon States Language has no names for them; tests hold that each is
one of these.

An order's retries are for what is over in seconds. Whatever lasts longer is the sweep's: the execution ends in Later,
the order stays open, and its event is sent again. So giving up costs nothing, and neither does running out of time: an
execution that its machine's timeout ends (300 s, which is all that an Express execution gets) leaves the order open as
well. A night of the books is on no list: it fails, and a person is called.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from orders import errors
from simulation.stack import ROOT

Json = dict[str, Any]

OUR_ERRORS = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
CONDITION_FAILED = "DynamoDB.ConditionalCheckFailedException"


@dataclass(frozen=True)
class Policy:
    """How often, and after how long, a Task is tried again after one of `errors`. Times are in seconds.

    `budgeted` says whether these attempts have to fit the workflow's time on its longest path.
    """

    name: str
    errors: frozenset[str]
    attempts: int
    interval: int
    cap: int
    budgeted: bool
    why: str
    backoff: int = 2
    jitter: str = "FULL"  # whatever failed together must not come back together

    @property
    def timing(self) -> Json:
        """The retrier without its errors."""
        return {
            "IntervalSeconds": self.interval,
            "BackoffRate": self.backoff,
            "MaxDelaySeconds": self.cap,
            "MaxAttempts": self.attempts,
            "JitterStrategy": self.jitter,
        }

    def has(self, retrier: Json) -> bool:
        """Whether a retrier is this policy. It may name more errors of ours, those of its own function."""
        named = frozenset(retrier["ErrorEquals"])
        beside = named - self.errors
        # States.ALL stands alone: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
        complete = self.errors <= named and beside <= OUR_ERRORS and not (beside and "States.ALL" in named)
        return complete and {key: retrier[key] for key in retrier if key != "ErrorEquals"} == self.timing


BUSY = Policy(
    name="busy",
    # Lambda.Unknown stands for a function that ran out of time or memory, or was not started at all; on the embedded
    # stack also for one that was throttled.
    # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
    errors=frozenset({"Lambda.TooManyRequestsException", "Lambda.Unknown"}),
    attempts=8,
    interval=2,
    cap=30,
    budgeted=False,
    why="Others want the same concurrency, or the same SKU. There is enough of it for all, only not at once: those who"
    " wait longer and longer, and at random, get out of each other's way. Two steps that are this unlucky may use up"
    " the execution's time. Then the sweep goes on where it ended.",
)
TRANSIENT = Policy(
    name="transient",
    errors=frozenset({"States.ALL"}),
    attempts=2,
    interval=1,
    cap=2,
    budgeted=True,
    why="A lost connection or a dead sandbox is gone at the next attempt. What is still there at the third is an"
    " outage, which no number of attempts within five minutes outlasts, and each may take the whole timeout.",
)
PATIENT = Policy(
    name="patient",
    errors=frozenset({"States.ALL"}),
    attempts=100_000,
    interval=60,
    cap=900,
    budgeted=False,
    why="A workflow that nobody's list starts again has its own retries only. A Standard execution may wait where it is"
    " for as long as a service is away: a wait ends after a quarter of an hour, and the attempts do not end.",
)
QUEUED = Policy(
    name="queued",
    # A job that has failed is States.TaskFailed, and none of these. The first is what Step Functions makes of
    # TooManyRequestsException.
    errors=frozenset({"Batch.AWSBatchException", "Batch.BatchException", "Batch.ServerException"}),
    attempts=8,
    interval=2,
    cap=30,
    budgeted=False,
    why="AWS Batch takes some fifty jobs a second from an account, whoever submits them. Nothing was submitted, so"
    " there is nothing to find twice, and the queue is taken up again within minutes.",
)
AGAIN = Policy(
    name="again",
    errors=frozenset({"States.ALL"}),
    attempts=2,
    interval=60,
    cap=300,
    budgeted=False,
    why="A job has tried three times by itself, and goes on where it stopped. Two more are for what takes minutes to"
    " come back. After that a person is better: nothing here waits for the night but the next day.",
)
POLICIES = (BUSY, TRANSIENT, PATIENT, QUEUED, AGAIN)

LOOPS = dict.fromkeys(
    ("Confirm", "Decline"),
    "They follow each other only where the order is decided otherwise. A decision is final: the one that comes second"
    " finds it as it wants it, and goes on.",
)
"""Each state that one execution may enter twice, and why no more often."""


HOUR, DAY = 60 * 60, 24 * 60 * 60
LASTS_AS_LONG_AS = {
    "Ask": ("template.yaml", "ApprovalHours", HOUR),
    "Await": ("stacks/shipping.yaml", "DeliveryDays", DAY),
    "Keep": ("stacks/shipping.yaml", "ReturnDays", DAY),
    "Arrive": ("stacks/shipping.yaml", "ReturnExpiryDays", DAY),
}
"""Each state that waits for hours or weeks: the template and the parameter that say for how long, and the seconds in
one of its units.
"""


def longest_wait(name: str) -> int:
    """For how many seconds at most a state waits that is in LASTS_AS_LONG_AS."""
    template, parameter, seconds = LASTS_AS_LONG_AS[name]
    parameters = yaml_parse((ROOT / template).read_text("utf-8"))["Parameters"]
    return int(parameters[parameter]["MaxValue"] * seconds)


def policy_of(retrier: Json) -> Policy | None:
    """The policy that a retrier is, or None."""
    return next((policy for policy in POLICIES if policy.has(retrier)), None)


def is_never(retrier: Json) -> bool:
    """Whether a retrier only says what is not retried: an error of ours, or a write's condition that did not hold."""
    return retrier.get("MaxAttempts") == 0 and set(retrier["ErrorEquals"]) <= OUR_ERRORS | {CONDITION_FAILED}


def every_state(states: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """Every state by name, those inside of branches too."""
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from every_state(branch["States"])


def worst_case(name: str, state: Json) -> float:
    """The longest that a state can take, with every attempt of every budgeted retrier used up, in seconds."""
    match state["Type"]:
        case "Parallel":
            return max(longest_path(branch["States"], branch["StartAt"])[0] for branch in state["Branches"])
        case "Task":
            return float(state["TimeoutSeconds"]) + sum(_retrying(state, retrier) for retrier in state["Retry"])
        case "Wait" if isinstance(state.get("Seconds"), int):
            return float(state["Seconds"])
        case "Wait" if "Timestamp" in state:
            return float(longest_wait(name))
        case "Choice" | "Fail" | "Pass" | "Succeed":
            return 0
        case kind:
            raise NotImplementedError(f"say here how long a {kind} can take")


def _retrying(task: Json, retrier: Json) -> float:
    if is_never(retrier):
        return 0
    policy = policy_of(retrier)
    assert policy, f"no policy: {retrier}"
    if not policy.budgeted:
        return 0
    # Full jitter waits for anything up to this.
    delays = (min(policy.interval * policy.backoff**number, policy.cap) for number in range(policy.attempts))
    return float(sum(delay + task["TimeoutSeconds"] for delay in delays))


def longest_path(states: dict[str, Json], start: str, before: tuple[str, ...] = ()) -> tuple[float, list[str]]:
    """The most seconds from `start` to an end, and the states on the way, with each of LOOPS taken once.

    Raises ValueError for any other loop.
    """
    again = start in before
    if again and start not in LOOPS:
        raise ValueError(f"say how long this loop can take: {', '.join((*before, start))}")
    next_states = successors(states[start]) - (set(before) if again else set())
    onwards = (longest_path(states, name, (*before, start)) for name in sorted(next_states))
    seconds, path = max(onwards, default=(0.0, []))
    return worst_case(start, states[start]) + seconds, [start, *path]


def successors(state: Json) -> set[str]:
    """What may come next."""
    handlers = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {handler[key] for handler in handlers for key in ("Next", "Default") if key in handler}
