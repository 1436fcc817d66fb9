"""What heals a fault, and when, in words: worked out from who calls what is broken."""

from __future__ import annotations

from console.parts import Kind, Part
from orders import backoff

_MINUTES = ", ".join(map(str, backoff.MINUTES[:-1]))
SWEPT = (
    f"The order stays on the list of open orders, and the sweep sends its event again: after {_MINUTES} minutes, then "
    f"every {backoff.MINUTES[-1]}."
)


def of_function(part: Part) -> str:
    """What becomes of the calls that a function is not there for. One of a step is tried again by its workflow."""
    said = []
    if part.steps:
        longest = max(step.patience for step in part.steps)
        said.append(
            f"{_called_in(part)} Each call is tried again for up to {_span(longest)}; if it is still refused then, the "
            f"execution ends quietly. {SWEPT}"
        )
    if part.streams:
        said.append(
            f"It reads what changes in {_and(part.streams)}. The stream keeps it, in its order, until the function "
            "takes it: within seconds of its return."
        )
    if part.schedules:
        said.append(
            f"It runs by a schedule, {_and(part.schedules)}. A missed run is not made up for: the next one does "
            "everything that has become due."
        )
    if part.answers_requests:
        said.append("Whoever asks the API for it meanwhile is answered with an error, and has to ask again.")
    return " ".join(said) or "Nobody is known to call it."


def of(part: Part) -> str:
    """What heals what this part, broken, leaves behind."""
    match part.kind:
        case Kind.FUNCTION:
            return of_function(part)
        case Kind.RULE:
            return f"Nobody sends it a second time by itself. {SWEPT}"
        case Kind.STREAM:
            return (
                "Nothing is lost: the stream keeps what changes, on AWS for 24 hours. When it is read again, all of it "
                "comes in the order in which it was written, within seconds."
            )
        case Kind.SCHEDULE:
            return (
                f"Nobody runs {part.calls} meanwhile, so whatever is lost stays undone. The first run after it is "
                "awake again does all that has become due: within a minute, or when its schedule says."
            )


def of_killed(part: Part) -> str:
    """What becomes of the calls of a function that die on their way."""
    said = ["Lambda starts a new runtime for the next call."]
    if part.steps:
        said.append("A call of a workflow that died on its way is made again within seconds.")
    if part.streams:
        said.append("What it was reading of a stream, it is given again at once.")
    if part.schedules:
        said.append(f"A run that died on its way is not repeated: the next one, {_and(part.schedules)}, does it all.")
    if part.answers_requests:
        said.append("Whoever asked the API is answered with an error, and has to ask again.")
    said.append("Whatever it had done by then was done under a condition, so doing it again changes nothing.")
    return " ".join(said)


AGAIN = (
    "Nothing has to heal. Each copy may start another execution, and each of them finds what the first one has done: a "
    "reservation, a payment and an email that are keyed by the order. Look at the figures before and after."
)


def _called_in(part: Part) -> str:
    workflows = dict.fromkeys(step.workflow for step in part.steps)
    places = [
        f"{_and([step.state for step in part.steps if step.workflow == workflow])} of the {workflow} workflow"
        for workflow in workflows
    ]
    return f"It is called in {_and(places)}."


def _and(names: list[str] | tuple[str, ...]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 90 else f"{seconds / 60:g} minutes"
