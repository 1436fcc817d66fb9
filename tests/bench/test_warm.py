"""The warm path replays what was recorded: a handler that would take another way can't be measured by it."""

from __future__ import annotations

import pytest

from bench import runs, warm
from bench.meter import Recording
from bench.simulated import PIPELINE
from bench.usual.design import USUAL
from local.stack import Problem
from tests.exhaustive import exhaustive


@pytest.fixture(scope="module")
def recordings() -> dict[tuple[str, str], Recording]:
    """One invocation of each step, by design and step."""
    return {
        (design.name, step): recording
        for design in (PIPELINE, USUAL)
        for step, recording in runs.confirmed(design, orders=1).recordings.items()
    }


def replayed(design: str, recording: Recording) -> dict[str, float]:
    return warm.replayed(design, recording, warm_up=2, samples=1, calls=1)


@exhaustive
@pytest.mark.parametrize("step", warm.STEPS)
@pytest.mark.parametrize("design", warm.DESIGNS)
def test_a_handler_in_its_own_process_takes_the_way_that_was_recorded(
    design: str, step: str, recordings: dict[tuple[str, str], Recording]
) -> None:
    assert replayed(design, recordings[design, step])["warm"] > 0


def test_another_answer_than_the_recorded_one_is_a_problem(recordings: dict[tuple[str, str], Recording]) -> None:
    recording = recordings["pipeline", "validate"]
    with pytest.raises(Problem, match="and not"):
        replayed(
            "pipeline",
            Recording(recording.handler, recording.time, recording.event, "something else", recording.exchanges),
        )


def test_another_request_than_the_recorded_one_is_a_problem(recordings: dict[tuple[str, str], Recording]) -> None:
    recording = recordings["pipeline", "capture"]
    backwards = recording.exchanges[::-1]
    with pytest.raises(Problem, match="Expected"):
        replayed("pipeline", Recording(recording.handler, recording.time, recording.event, recording.answer, backwards))
