"""What each of several executions for the same order did, in a sentence or two, from their histories alone.

A step that another execution has finished before this one began it, with the same answer, was found done. Where both
were at it at the same time, who got the answer first is taken as who did it: the steps are conditional writes, or keyed
at whom they call, so that one of the two takes effect and the other finds that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from console.executions import Execution, by_subject
from console.history import Visit
from console.machine import Machine


class Role(StrEnum):
    """What an execution was to the effect of a step."""

    FIRST = "first"
    FOUND = "found it done"
    SECOND = "came second"


@dataclass(frozen=True)
class Account:
    """What one execution did. `number` counts those of its workflow and subject, from 1; `of` is how many there are."""

    number: int
    of: int
    sentence: str
    changed_nothing: bool
    roles: Mapping[str, Role]  # by the state's name


def told(executions: Sequence[Execution], machines: Mapping[str, Machine]) -> dict[str, Account]:
    """An account of each execution, by its ARN."""
    found: dict[str, Account] = {}
    for together in by_subject(executions).values():
        for number, one in enumerate(together, 1):
            others = {n: other for n, other in enumerate(together, 1) if other is not one}
            found[one.arn] = _account(one, number, others, machines[one.workflow])
    return found


def _account(one: Execution, number: int, others: Mapping[int, Execution], machine: Machine) -> Account:
    steps = _steps(one, machine)
    theirs = [(visit, n) for n, other in others.items() for visit in _steps(other, machine)]
    roles: dict[str, Role] = {}
    whose: set[int] = set()
    proof: dict[str, int] = {}
    for visit in steps:
        done = [
            (other.exited, n, role)
            for other, n in theirs
            if other.state == visit.state and other.exited
            if _said(visit) == _said(other) or _is_its(visit, others[n], one)
            if (role := _beside(visit, other, first=number < n))
        ]
        roles[visit.state] = min(done)[2] if done else Role.FIRST
        whose |= {min(done)[1]} if done else set()
        for n, other in others.items():
            if _is_its(visit, other, one):
                proof[visit.state] = n
    by = {role: [name for name, its in roles.items() if its == role] for role in Role}
    nothing = bool(roles) and not by[Role.FIRST] and not one.runs
    did = _did(one, by, _executions(sorted(whose)), nothing=nothing)
    sentence = " ".join(filter(None, (did, _proof(proof), _refused(one), _end(one, machine))))
    return Account(number, len(others) + 1, sentence, nothing, roles)


def _steps(execution: Execution, machine: Machine) -> list[Visit]:
    """The visits that called somebody and were answered, not refused. A Parallel stands for its branches where these
    don't show.
    """
    seen = {visit.state for visit in execution.history.visits}

    def stands_for_itself(visit: Visit) -> bool:
        inside = [name for branch in machine.states[visit.state].branches for name in branch]
        return visit.kind == "Task" or (bool(inside) and not seen.intersection(inside))

    return [
        visit for visit in execution.history.visits if visit.exited and not visit.failing and stands_for_itself(visit)
    ]


def _beside(mine: Visit, theirs: Visit, *, first: bool) -> Role | None:
    """What I was to a step that another execution has also finished; None where I was the first. `first` says who
    began first where both finished at the same moment.
    """
    if theirs.exited is None or mine.exited is None:
        return None
    if theirs.exited <= mine.entered:
        return Role.FOUND
    after = theirs.exited < mine.exited or (theirs.exited == mine.exited and not first)
    return Role.SECOND if after else None


def _said(visit: Visit) -> str:
    return json.dumps(visit.answer, sort_keys=True, default=str)


def _is_its(visit: Visit, other: Execution, mine: Execution) -> bool:
    """Whether what was answered is what another execution has written, and this one has not: it names the other. What
    else is in an item may have changed since.
    """
    said = _said(visit)
    return other.arn in said and mine.arn not in said


def _did(one: Execution, by: Mapping[Role, Sequence[str]], others: str, *, nothing: bool) -> str:
    first, found, second = by[Role.FIRST], by[Role.FOUND], by[Role.SECOND]
    far = "So far: " if one.runs else ""
    if nothing and not second:
        return f"Changed nothing: {_each(found)} that {others} had done it already, and got the same answer."
    if nothing:
        ran = f"it ran at the same time as {others}, and got the same answers after it at {_listed(second)}."
        return f"Changed nothing: {ran}" + (f" It found {_listed(found)} done." if found else "")
    said = []
    if first:
        all_of_it = not (found or second or one.runs)
        said.append(f"did {_listed(first)}" + (", all that there was to do" if all_of_it else ""))
    if found:
        said.append(f"found {_listed(found)} done already by {others}, and got the same answer")
    if second:
        said.append(f"came second at {_listed(second)}, and got the same answer as {others}")
    if not said:
        return ("" if one.history.visits else "Has only begun.") if one.runs else "Finished no step."
    text = far + "; ".join(said) + "."
    return text[0].upper() + text[1:]


def _each(names: Sequence[str]) -> str:
    return f"each of its {len(names)} steps found" if len(names) > 1 else f"its only step, {names[0]}, found"


def _proof(read: Mapping[str, int]) -> str:
    return " ".join(f"What {state} read back had been written by execution {n}." for state, n in read.items())


def _refused(one: Execution) -> str:
    """The steps that ended with an error, which had a way to go on for it."""
    ended = (visit for visit in one.history.visits if visit.exited and visit.failing and visit.errors)
    return " ".join(
        f"{visit.state} ended with {visit.errors[-1]}"
        + (f", and it went on to {visit.went_to}." if visit.went_to else ".")
        for visit in ended
    )


def _end(one: Execution, machine: Machine) -> str:
    """Where it has got to: what it waits for, or the ending's own comment, or how it failed."""
    last = one.history.visits[-1] if one.history.visits else None
    if last is None:
        return ""
    if one.runs:
        failing = [visit for visit in one.history.visits if visit.failing and not visit.exited]
        said = [f"{visit.state} fails ({visit.errors[-1]}), and is tried again." for visit in failing if visit.errors]
        if not said and machine.states[last.state].waits and not last.exited:
            until = "for a time" if last.kind == "Wait" else "until somebody answers"
            said.append(f"It waits in {last.state}, {until}.")
        return " ".join(said)
    if one.status != "SUCCEEDED":
        return f"It ended as {one.status}" + (f": {one.history.error}." if one.history.error else ".")
    if last.kind == "Succeed":
        return " ".join(filter(None, (f"It ended in {last.state}.", machine.states[last.state].comment)))
    return ""


def _executions(numbers: Sequence[int]) -> str:
    return ("execution " if len(numbers) == 1 else "executions ") + _listed(list(map(str, numbers)))


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
