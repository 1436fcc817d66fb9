"""docs/house.svg shows the packages that there are and what they import."""

from __future__ import annotations

import itertools
import re
import shutil
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tests.house import WIDTH, Lane, drawing, layers, links, places, says, without_those_that_follow

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "house.svg"

# A house of its own: `top` passes by the second row on its way to `cellar`.
ROOMS = [["top", "attic"], ["stairs"], ["cellar"]]
ARROWS = {("top", "cellar"), ("attic", "stairs"), ("stairs", "cellar")}


def test_the_picture_is_what_the_code_draws_now() -> None:
    assert PICTURE.read_text("utf-8") == drawing(ROOT), "draw it again: .venv/bin/python -m tests.house"


def test_the_picture_names_every_package_and_says_what_it_is() -> None:
    drawn = ElementTree.fromstring(PICTURE.read_text("utf-8"))
    texts = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    packages = list(itertools.chain(*layers(ROOT)))
    assert [text for text in texts if text in packages] == packages
    assert all(says(ROOT, package).split()[0] in " ".join(texts) for package in packages)


def test_a_function_has_its_place_by_being_there(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("pack", "ship"):
        (tmp_path / "functions" / name).mkdir(parents=True)
        (tmp_path / "functions" / name / "app.py").touch()
    assert ["pack", "ship"] in layers(tmp_path)


def test_an_arrow_that_follows_from_others_is_left_out_and_no_other() -> None:
    follows = {("attic", "cellar")}
    assert without_those_that_follow(ARROWS | follows) == ARROWS


def test_an_arrow_passes_between_the_boxes_of_a_row() -> None:
    parts = links(ROOMS, ARROWS)
    lane = Lane(("top", "cellar"), 1)
    assert [part for part in parts if lane in part] == [("top", lane), (lane, "cellar")]
    placed = places(ROOMS, parts)
    assert abs(placed[lane][0] - placed["stairs"][0]) > WIDTH / 2


def test_no_two_boxes_overlap() -> None:
    drawn = re.findall(r'class="box \w+" x="([\d.]+)" y="([\d.]+)"', drawing(ROOT))
    rows = defaultdict(list)
    for x, y in drawn:
        rows[y].append(float(x))
    assert len(rows) == len(layers(ROOT))
    for row in rows.values():
        assert all(right - left > WIDTH for left, right in itertools.pairwise(sorted(row)))
