"""The recipes of docs/architecture.md, followed in a copy of the tree: nothing in any harness is touched, and the gates
pass.

The files are in tests/recipes/: a stack with a workflow, a rule that starts it and a function on a schedule; a step of
the order workflow; and a lesson. What a recipe appends to a file that is there stands in tests/recipes/appended/, and
what it puts in between in tests/recipes/inserted/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from tests.exhaustive import exhaustive

pytestmark = exhaustive
ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "tests" / "recipes"
APPENDED, INSERTED = RECIPES / "appended", RECIPES / "inserted"

GATES = ("tests/template", "tests/workflow/test_definitions.py", "tests/simulation/test_coverage.py", "tests/docs")
# What is about the order workflow alone, and has to be looked at when it gets another step.
PINNED = ("tests/template/test_order_definition.py", "tests/template/test_pipeline.py")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]


def add_the_step(folder: Path) -> None:
    """Wrap a confirmed order, between Capture and Notify."""
    template = (folder / "template.yaml").read_text("utf-8")
    for before, inserted in (
        ("Outputs:\n", (INSERTED / "template.yaml").read_text("utf-8")),
        ("        OrderStatesTable: !Ref OrderStatesTable\n", "        WrapFunctionArn: !GetAtt WrapFunction.Arn\n"),
        (
            "              - Effect: Allow\n                Action: dynamodb:UpdateItem\n",
            "              - { Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt WrapFunction.Arn }\n",
        ),
        ('              ["...", "${SweepFunction}"]', '              ["...", "${WrapFunction}"],\n'),
    ):
        assert template.count(before) == 1, before
        template = template.replace(before, inserted + before)
    (folder / "template.yaml").write_text(template, "utf-8")
    file = folder / "statemachine" / "order.asl.json"
    definition, state = file.read_text("utf-8"), (INSERTED / "state.json").read_text("utf-8")
    capture_ends = '      "Next": "Notify"\n    },\n    "Undo": {'
    assert definition.count(capture_ends) == 1
    inserted = f'      "Next": "Wrap"\n    }},\n    "Wrap": {indent(state, "    ").strip()},\n    "Undo": {{'
    file.write_text(definition.replace(capture_ends, inserted), "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, with the recipes followed in it."""
    folder = tmp_path_factory.mktemp("copy")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    recipes = RECIPES.relative_to(ROOT)
    for name in filter(None, tracked.split("\0")):
        if not Path(name).is_relative_to(recipes) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for path in files(APPENDED):
        with (folder / path).open("a") as file:
            file.write((APPENDED / path).read_text("utf-8"))
    for path in files(RECIPES):
        if path.parts[0] not in (APPENDED.name, INSERTED.name):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(RECIPES / path, folder / path)
    add_the_step(folder)
    (folder / ".venv-policy").symlink_to(ROOT / ".venv-policy")
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    drawn = run(folder, "-m", "tests.house")
    assert drawn.returncode == 0, drawn.stderr
    return folder


def test_the_recipes_add_files_and_touch_no_harness() -> None:
    harnesses = ("simulation", "local", "demo", "crash", "bench", "invariants", "artifact", "tests", "Makefile")
    changed = {str(path) for path in files(APPENDED) if path.parts[0] in harnesses}
    assert changed == {"tests/lessons/test_lessons.py"}  # the damage that a lesson does
    added = [path for path in files(RECIPES) if path.parts[0] not in (APPENDED.name, INSERTED.name)]
    assert [path for path in added if (ROOT / path).exists()] == []


@pytest.mark.parametrize("gate", GATES)
def test_a_stack_that_follows_the_recipes_passes_every_gate(copy: Path, gate: str) -> None:
    ignored = [f"--ignore={path}" for path in PINNED]
    passed = run(copy, "-m", "pytest", "-q", gate, *ignored)
    assert passed.returncode == 0, passed.stdout[-6000:]


def test_its_arrows_types_and_template_are_right(copy: Path) -> None:
    assert run(copy, "-m", "tests.arrows").returncode == 0
    typed = run(copy, "-m", "mypy", "functions", "simulation/scenarios")
    assert typed.returncode == 0, typed.stdout
    cfn_lint = str(Path(sys.executable).parent / "cfn-lint")
    linted = run(copy, cfn_lint, "template.yaml", "stacks/loyalty.yaml")
    assert linted.returncode == 0, linted.stdout


def test_the_step_is_noticed_by_what_is_about_the_order_workflow(copy: Path) -> None:
    noticed = run(copy, "-m", "pytest", "-q", PINNED[0])
    assert "test_a_confirmed_order_takes_seven_state_transitions" in noticed.stdout


def test_a_lesson_that_follows_its_recipe_is_listed_and_shown(copy: Path) -> None:
    assert "A restock that sets" in run(copy, "-m", "lessons").stdout
    shown = run(copy, "-m", "lessons", "19")
    assert shown.returncode == 0, shown.stdout
    passed = run(copy, "-m", "pytest", "-q", "tests/lessons", "-k", "19")
    assert passed.returncode == 0, passed.stdout[-6000:]


def test_no_single_fault_in_it_breaks_a_promise(copy: Path) -> None:
    script = (
        "from simulation import Schedule, run\n"
        "from simulation.singles import singles\n"
        "schedules = list(singles([run(Schedule('a point for one of two'))]))\n"
        "broken = [str(schedule) for schedule in schedules if run(schedule).violations]\n"
        "print(len([s for s in schedules if s.faults[0].site.startswith(('loyalty/', 'digest/'))]), broken)\n"
    )
    found = run(copy, "-c", script)
    assert found.returncode == 0, found.stderr
    faults, broken = found.stdout.split(maxsplit=1)
    assert int(faults) >= 10
    assert broken == "[]\n"
