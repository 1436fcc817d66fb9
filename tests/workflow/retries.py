"""The retry policies of every workflow, each once, and how long a definition may take with them.

A definition writes its retriers out, because the Amazon States Language has no names for them; tests hold that each is
one of these. Together they share a budget: an Express execution gets 300 s, and a workflow that meets one failure after
the other still has to reach its end in time.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from orders import errors

Json = dict[str, Any]

OUR_ERRORS = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}


@dataclass(frozen=True)
class Policy:
    """How often, and after how long, a Task is tried again after one of `errors`. Times are in seconds.

    An attempt after one of them counts as `attempt_seconds`, or as the Task's timeout where that is None.
    """

    name: str
    errors: frozenset[str]
    attempts: int
    interval: int
    cap: int
    jitter: Literal["FULL", "NONE"]
    attempt_seconds: int | None
    why: str
    backoff: int = 2

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
        """Whether a retrier is this policy. One for errors of our own may name those that its function raises."""
        named = frozenset(retrier["ErrorEquals"])
        complete = named == self.errors or (bool(named) and named <= self.errors <= OUR_ERRORS)
        return complete and {key: retrier[key] for key in retrier if key != "ErrorEquals"} == self.timing


THROTTLED = Policy(
    name="throttled",
    errors=frozenset({"Lambda.TooManyRequestsException", "Lambda.Unknown"}),
    attempts=7,
    interval=1,
    cap=2,
    jitter="FULL",
    # The function was not started. Of Lambda.Unknown this is an assumption: it also stands for functions that ran out
    # of time or memory, and a run of these can exceed the budget. The machine's own timeout ends it, and that has
    # an alarm.
    # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
    attempt_seconds=1,
    why="Concurrency comes back within seconds, and a refused call costs nothing: often rather than late. Jitter keeps"
    " those who were refused together from coming back together.",
)
CONTENDED = Policy(
    name="contended",
    errors=THROTTLED.errors | {"TransactionConflict"},
    attempts=8,
    interval=2,
    cap=3,
    jitter="FULL",
    attempt_seconds=1,
    why="All who want one SKU collide, and only those who wait get out of each other's way: a longer first wait means"
    " fewer collisions, and eight attempts let all of 500 orders at once have their answer (docs/decisions.md). It is"
    " for steps that run beside one of ten seconds, which takes as long in the worst case.",
)
IN_PROGRESS = Policy(
    name="in progress",
    errors=frozenset(name for name in OUR_ERRORS if name.endswith("InProgress")),
    attempts=2,
    interval=8,
    cap=8,
    backoff=1,
    jitter="NONE",
    attempt_seconds=1,
    why="A sandbox that died keeps its lease for as long as the function's timeout: a wait has to outlast it, so none"
    " is shortened by jitter. The second one is for another copy that took the lease meanwhile.",
)
TRANSIENT = Policy(
    name="transient",
    errors=frozenset({"States.ALL"}),
    attempts=2,
    interval=1,
    cap=2,
    jitter="FULL",
    attempt_seconds=None,
    why="A lost connection or a dead sandbox is gone at the next attempt. What is still there at the third is an"
    " outage, which no number of attempts within five minutes outlasts, and each may take the whole timeout.",
)
POLICIES = (THROTTLED, CONTENDED, IN_PROGRESS, TRANSIENT)

STANDARD_STEP: Json = {
    "Type": "Task",
    "TimeoutSeconds": 10,
    "Retry": [{"ErrorEquals": sorted(policy.errors)} | policy.timing for policy in (THROTTLED, TRANSIENT)],
}
"""A call of a function that may take as long as any here: what the budget leaves room for."""


def policy_of(retrier: Json) -> Policy | None:
    """The policy that a retrier is, or None."""
    return next((policy for policy in POLICIES if policy.has(retrier)), None)


def is_never(retrier: Json) -> bool:
    """Whether a retrier only says that some of our own errors are not retried."""
    return retrier.get("MaxAttempts") == 0 and set(retrier["ErrorEquals"]) <= OUR_ERRORS


def every_state(states: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """Every state by name, those inside of branches too."""
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from every_state(branch["States"])


def worst_case(state: Json) -> float:
    """The longest that a state can take, with every attempt of every retrier used up, in seconds."""
    match state["Type"]:
        case "Parallel":
            return max(longest_path(branch["States"], branch["StartAt"])[0] for branch in state["Branches"])
        case "Task":
            return float(state["TimeoutSeconds"]) + sum(_retrying(state, retrier) for retrier in state["Retry"])
        case "Wait" if isinstance(state.get("Seconds"), int):
            return float(state["Seconds"])
        case "Choice" | "Fail" | "Pass" | "Succeed":
            return 0
        case kind:
            raise NotImplementedError(f"say here how long a {kind} can take")


def _retrying(task: Json, retrier: Json) -> float:
    if is_never(retrier):
        return 0
    policy = policy_of(retrier)
    assert policy, f"no policy: {retrier}"
    attempt = task["TimeoutSeconds"] if policy.attempt_seconds is None else policy.attempt_seconds
    # Full jitter waits for anything up to this.
    delays = (min(policy.interval * policy.backoff**number, policy.cap) for number in range(policy.attempts))
    return float(sum(delay + attempt for delay in delays))


def longest_path(states: dict[str, Json], start: str, before: tuple[str, ...] = ()) -> tuple[float, list[str]]:
    """The most seconds from `start` to an end, and the states on the way. Raises ValueError for a loop."""
    if start in before:
        raise ValueError(f"say how long this loop can take: {', '.join((*before, start))}")
    onwards = (longest_path(states, name, (*before, start)) for name in successors(states[start]))
    seconds, path = max(onwards, default=(0.0, []))
    return worst_case(states[start]) + seconds, [start, *path]


def successors(state: Json) -> set[str]:
    """What may come next in the same run.

    A redrive starts the clock anew: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    choices = [choice for choice in state.get("Choices", []) if "Execution.RedriveCount" not in choice["Condition"]]
    handlers = [state, *state.get("Catch", []), *choices]
    return {handler[key] for handler in handlers for key in ("Next", "Default") if key in handler}
