"""The benchmark's own logic: statistics, table, results file, exit status."""

from __future__ import annotations

import io
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import bench.__main__ as command
from bench import cold_start, loop, plots, results, table
from bench.figures import Figure, Section
from local.stack import Problem

GOOD = Figure("publish", 0.812, "×", target=1.1, compared=2.05, compared_with="usual handler", spread=(0.78, 0.85))
CURVE = {"name": "rush", "title": "Rush", "x": "orders", "y": "s", "lines": {"one": [(1, 2), (10, 3)]}}
BAD = Figure("states", 9, "", target=8)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark's files, in a folder of the test's own."""
    for module in (command, results):
        for name in ("LATEST", "KEPT"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, tmp_path / f"{name.lower()}.json")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "STATE", tmp_path)
    return tmp_path


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a section answer this."""

    def answer(*figures: Figure, error: BaseException | None = None) -> None:
        def measure(progress: Any) -> Section:
            progress("measuring")
            if error:
                raise error
            return Section("A section", list(figures))

        monkeypatch.setattr("bench.__main__.importlib.import_module", lambda _: types.SimpleNamespace(measure=measure))

    return answer


def test_the_interval_of_a_median_leaves_out_what_chance_explains() -> None:
    assert cold_start.median_interval(range(25)) == (7, 17)
    assert cold_start.median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_a_process_is_held_against_the_mean_of_its_neighbours() -> None:
    measured = cold_start.Measured()

    cold_start.add(measured, {"cpu_ms": 300, "modules": ["a"]}, {"cpu_ms": 100}, {"cpu_ms": 200})

    assert measured.ratios == [2.0]


def test_a_cold_start_sees_the_templates_variables_and_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")

    seen = cold_start.environment(cold_start.Subject("notify", Path("/artifact"), function="NotifyFunction"))

    assert seen["SENDER_EMAIL"] == ""
    assert seen["ORDERS_TABLE"] == "OrdersTable"
    assert seen["POWERTOOLS_SERVICE_NAME"] == "notify"
    assert "AWS_PROFILE" not in seen


def test_a_figure_shows_its_spread_target_and_comparison() -> None:
    name, value, spread, target, beside = table.cells(GOOD)

    assert (name, value, spread, target.plain, beside) == (
        *("publish", "0.81 ×", "0.78 – 0.85"),
        *("≤ 1.10 ✔", "2.05 usual handler"),
    )


def test_a_missed_target_is_marked() -> None:
    assert table.cells(BAD)[3].plain == "≤ 8 ✘"


@pytest.mark.parametrize(
    ("value", "written"), [(3, "3"), (0.812, "0.81"), (56.72, "56.7"), (1234.5, "1,234"), (float("inf"), "inf")]
)
def test_numbers_are_written_for_people(value: float, written: str) -> None:
    assert table.number(value) == written


def test_a_table_prints_all_figures_and_notes() -> None:
    printed = io.StringIO()

    table.show(Section("Title", [GOOD, BAD], notes=["[not markup]"]), Console(file=printed, width=100))

    assert all(text in printed.getvalue() for text in ("Title", "publish", "states", "[not markup]"))


def test_a_section_takes_the_place_of_its_last_results_only(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, "cold", Section("Cold", [GOOD]), 12.3)
    results.write(file, "loop", Section("Loop", [BAD]), 1)
    results.write(file, "cold", Section("Cold", [GOOD, BAD]), 12.3)

    kept = json.loads(file.read_text())

    assert [len(kept[name]["figures"]) for name in ("cold", "loop")] == [2, 1]
    assert results.figure("publish", "cold", file) == (GOOD, kept["cold"]["measured_on"])
    assert results.figure("publish", "loop", file) is None
    assert results.figure("publish", "cold", tmp_path / "missing.json") is None


def test_all_targets_reached_is_success(state: Path, measures: Callable[..., None]) -> None:
    measures(GOOD)

    assert command.main(["--only", "cold"]) == 0
    assert not (state / "kept.json").exists()
    assert results.figure("publish", "cold", state / "latest.json") is not None


def test_a_missed_target_is_failure(state: Path, measures: Callable[..., None], capsys: Any) -> None:
    measures(GOOD, BAD)

    assert command.main(["--only", "cold"]) == 1
    assert "A section: states misses its target." in capsys.readouterr().out


def test_results_are_kept_only_when_asked(state: Path, measures: Callable[..., None]) -> None:
    measures(GOOD)

    command.main(["--only", "cold", "--keep"])

    assert results.figure("publish", "cold", state / "kept.json") is not None


@pytest.mark.parametrize(("error", "status"), [(Problem("no network"), 1), (KeyboardInterrupt(), 130)])
def test_what_goes_wrong_is_a_line_and_a_status(
    error: BaseException, status: int, state: Path, measures: Callable[..., None], capsys: Any
) -> None:
    measures(error=error)

    assert command.main(["--only", "cold"]) == status
    assert "Traceback" not in capsys.readouterr().out


def test_an_unknown_section_is_wrong_usage(capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "everything"])
    assert ended.value.code == 2


def test_the_loop_measures_all_only_by_itself() -> None:
    assert command.measure_of(loop, alone=True) is loop.measure_all
    assert command.measure_of(loop, alone=False) is loop.measure
    assert command.measure_of(cold_start, alone=True) is cold_start.measure


def test_a_command_that_fails_is_a_problem_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("run:\n\t@echo it is broken; exit 3\n")

    with pytest.raises(Problem, match="it is broken"):
        loop.seconds(tmp_path, lambda _: None, "run")


@pytest.mark.parametrize(
    ("series", "files"), [({}, ["bench-cold.svg"]), ({"curves": [CURVE]}, ["bench-cold-rush.svg"])]
)
def test_the_same_figures_make_the_same_plot(series: dict[str, Any], files: list[str], tmp_path: Path) -> None:
    section = Section("Title", [GOOD] * 3, series)

    first, second = (plots.draw("cold", section, tmp_path / name) for name in ("a", "b"))

    assert [path.name for path in first] == files
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
