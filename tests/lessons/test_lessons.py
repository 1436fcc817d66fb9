"""Every lesson breaks and survives as it says, to the cent and to the piece."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lessons import __main__ as command
from lessons import harness
from lessons.harness import Run, Variant
from simulation import Fault
from simulation.stack import ROOT

# What the broken version does, as (what was counted, what should be), in minor units and pieces.
DAMAGE = {
    1: {"teapot left in stock": (-1, 0), "teapots promised": (2, 1)},
    2: {"held on the card of O1": (7500, 2500)},
    3: {"mug left in stock": (6, 8)},
    4: {"teapot left in stock": (40, 0)},
    5: {"mug left in stock": (6, 8), "reservations of O1": (2, 1)},
    6: {"mug left in stock": (8, 9), "tea left in stock": (8, 10)},
    7: {"tea left in stock": (9, 8)},
    8: {"orders whose workflow starts": (2, 3), "ordered and never processed": (1250, 0)},
    9: {"orders whose workflow starts": (0, 1), "placed and never processed": (2500, 0)},
    10: {"held on the card of O1": (2500, 0), "mug left in stock": (8, 10)},
    11: {"held on the card of O1": (2500, 0)},
    12: {"mug left in stock": (10, 8)},
    13: {"order that has its mug": (0, 1), "mug left in stock": (10, 9), "placed and never processed": (1250, 0)},
    14: {"orders given up": (2, 0), "mug left in stock": (2, 0)},
    15: {"orders denied": (0, 1), "approved by nobody": (125_000, 0)},
    16: {"samovar left in stock": (10, 9), "approved, not processed": (125_000, 0), "waited in vain": (1, 0)},
    17: {
        "paid back for two teapots": (7500, 5000),
        "paid back, says our table": (2500, 5000),
        "paid for the one that is kept": (0, 2500),
    },
    18: {
        "delivered": (0, 1),
        "mug left in stock": (13, 11),
        "teapot left in stock": (10, 11),
        "a recording was believed": (1, 0),
    },
}

lessons = pytest.mark.parametrize("number", harness.folders())


type Damage = dict[str, tuple[int, int]]


def damage(run: Run) -> Damage:
    return {found.measure.what: (found.was, found.measure.should_be) for found in run.findings if not found.right}


type Change = Callable[[int, Variant, str, str], Run]


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Change:
    """Runs a version of a lesson in which something else is written in one place."""

    def change(number: int, variant: Variant, before: str, after: str) -> Run:
        folder = tmp_path / harness.folders()[number].name
        shutil.copytree(harness.folders()[number], folder)
        code = (folder / f"{variant}.py").read_text("utf-8")
        assert code.count(before) == 1
        (folder / f"{variant}.py").write_text(code.replace(before, after), "utf-8")
        monkeypatch.setattr(harness, "folders", lambda: {number: folder})
        return harness.run(number, variant)

    return change


def test_there_are_eighteen() -> None:
    assert list(harness.folders()) == list(range(1, 19)) == list(DAMAGE)


@lessons
def test_the_broken_version_does_the_damage_that_it_is_known_for(number: int) -> None:
    assert damage(harness.run(number, "broken")) == DAMAGE[number]


@lessons
def test_the_repaired_version_survives_the_same_schedule(number: int) -> None:
    run = harness.run(number, "fixed")
    assert run.survived, damage(run)


@lessons
def test_what_should_go_wrong_goes_wrong_for_both(number: int) -> None:
    broken, fixed = harness.run(number, "broken"), harness.run(number, "fixed")
    assert [fault.kind for fault in broken.fired] == [fault.kind for fault in fixed.fired]
    assert bool(broken.fired) == bool(harness.load(number).faults)


@lessons
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_repair_does_not_depend_on_the_interleaving(number: int, seed: int) -> None:
    run = harness.run(number, "fixed", seed)
    assert run.survived, damage(run)


@lessons
def test_a_lesson_goes_the_same_way_again(number: int) -> None:
    assert harness.run(number, "broken").timeline == harness.run(number, "broken").timeline


@lessons
def test_the_command_ends_well_and_fits_a_terminal(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(number)]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert harness.load(number).title in shown
    assert "Traceback" not in shown


def test_the_command_lists_the_lessons(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"N={number} " in shown and harness.load(number).title in shown for number in harness.folders())


@lessons
def test_an_exercise_that_is_done_is_told_apart(number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / harness.folders()[number].name
    shutil.copytree(harness.folders()[number], folder)
    for repaired in folder.glob("fixed.*"):
        shutil.copy(repaired, folder / repaired.name.replace("fixed", "broken"))
    monkeypatch.setattr(harness, "folders", lambda: {number: folder})
    assert command.main([str(number)]) == command.REPAIRED


def test_a_repair_that_does_not_hold_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / harness.folders()[1].name
    shutil.copytree(harness.folders()[1], folder)
    shutil.copy(folder / "broken.py", folder / "fixed.py")
    monkeypatch.setattr(harness, "folders", lambda: {1: folder})
    assert command.main(["1"]) == 1


@pytest.mark.parametrize("path", sorted(ROOT.glob("lessons/lesson_*/broken.py")), ids=lambda path: path.parent.name)
def test_the_broken_code_does_not_announce_its_mistake(path: Path) -> None:
    assert not re.search(r"\b(bug|broken|wrong|mistake|todo|fixme)\b", path.read_text("utf-8"), re.IGNORECASE)


def test_the_two_workflows_differ_in_their_catch_alone() -> None:
    folder = harness.folders()[10]
    broken, fixed = (json.loads((folder / f"{variant}.asl.json").read_text()) for variant in harness.VARIANTS)
    assert broken["States"]["Authorize"].pop("Catch") != fixed["States"]["Authorize"].pop("Catch")
    assert broken["States"] == fixed["States"]


def test_the_two_workflows_of_the_throttled_differ_in_their_jitter_and_cap_alone() -> None:
    folder = harness.folders()[14]
    broken, fixed = (json.loads((folder / f"{variant}.asl.json").read_text()) for variant in harness.VARIANTS)
    [before], [after] = (definition["States"]["Reserve"].pop("Retry") for definition in (broken, fixed))
    assert after == before | {"JitterStrategy": "FULL", "MaxDelaySeconds": 30}
    assert broken["States"] == fixed["States"]


def test_who_looks_for_what_is_approved_needs_nobody_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = dataclasses.replace(harness.load(16), faults=(Fault("ask/states.Wait#1", "dies"),))
    monkeypatch.setattr(harness, "load", lambda _: stopped)
    assert harness.run(16, "fixed").survived
    assert damage(harness.run(16, "broken")) == {
        "samovar left in stock": (10, 9),
        "approved, not processed": (125_000, 0),
    }


def test_a_key_alone_leaves_the_sum_of_the_refunds_wrong(changed: Change) -> None:
    run = changed(17, "broken", "str(uuid4())", 'f"{wanted.return_id}:refund"')
    assert damage(run) == {"paid back, says our table": (2500, 5000)}


READ_AND_WRITTEN_AGAIN = '{json.dumps(json.loads(body), separators=(",", ":"))}".encode()'
FIRST_THE_INBOX = """\
clients.dynamodb().put_item(**news)
        clients.dynamodb().update_item(**change)
    except clients.dynamodb().exceptions.ConditionalCheckFailedException:
        return
"""


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('{body}".encode()', READ_AND_WRITTEN_AGAIN, {"teapot left in stock": (10, 11)}),
        (" or abs(time.time() - int(signature[1])) > TOLERANCE_SECONDS", "", {"a recording was believed": (1, 0)}),
        ('"attribute_not_exists(id)"', '"attribute_not_exists(sender)"', {"mug left in stock": (12, 11)}),
        (
            "clients.dynamodb().transact_write_items(TransactItems=both)\n",
            FIRST_THE_INBOX,
            {"mug left in stock": (10, 11)},
        ),
        ('f"#status IN (', 'f"attribute_exists(order_id) OR #status IN (', {"delivered": (0, 1)}),
    ],
    ids=["the signature of other bytes", "any age", "no inbox", "an inbox by itself", "any status"],
)
def test_no_part_of_what_makes_a_webhook_safe_can_be_left_out(
    before: str, after: str, what: Damage, changed: Change
) -> None:
    assert damage(changed(18, "fixed", before, after)) == what


def test_the_workshop_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    workshop = (ROOT / "docs/lessons.md").read_text("utf-8")
    blocks = re.findall(r"<!-- make lesson N=(\d+) -->\n```text\n(.*?)\n```", workshop, re.DOTALL)
    assert {int(number) for number, _ in blocks} == set(harness.folders())
    for number, block in blocks:
        command.main([number])
        shown = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
        assert block in shown, f"lesson {number} prints something else by now"


def test_the_agenda_adds_up_to_two_hours() -> None:
    workshop = (ROOT / "docs/lessons.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d):(\d\d) \| (\d+) \|", workshop, re.MULTILINE)
    begins = [int(hours) * 60 + int(minutes) for hours, minutes, _ in rows]
    ends = [begin + int(length) for begin, (_, _, length) in zip(begins, rows, strict=True)]
    assert begins == [0, *ends[:-1]]
    assert ends[-1] == 120
