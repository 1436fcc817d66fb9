"""The picture of the packages and of what they import, docs/house.svg: `python -m tests.house` draws it.

Rows are the layers of pyproject.toml, arrows are imports as import-linter's own graph finds them. An arrow that follows
from others is left out: who imports `demo`, which imports `local`, needs none to `local`.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import grimp

from tests.arrows import functions, rules

WIDTH, HEIGHT = 184, 84  # of a box; all lengths are in the picture's own pixels
GAP, BETWEEN_ROWS = 20, 52
LANE = 24  # what an arrow takes of a row that it passes through
MARGIN, TOP = 40, 72
LETTERS = 24  # that fit a line of a box

type Arrow = tuple[str, str]
"""Who imports, and what."""


# ── What there is ───────────────────────────────────────────────────────────────────────────────────────────────────


def layers(root: Path) -> list[list[str]]:
    """The packages by the layers of pyproject.toml, the topmost first."""
    contracts = tomllib.loads(rules(root))["tool"]["importlinter"]["contracts"]
    return [layer.split(" | ") for layer in contracts[0]["layers"]]


def imports(packages: list[str]) -> set[Arrow]:
    """Every import of one package by another. The packages have to be on the path."""
    graph = grimp.build_graph(packages[0], *packages[1:], cache_dir=None)
    found = (
        (importer.partition(".")[0], imported.partition(".")[0])
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    return {(importer, imported) for importer, imported in found if importer != imported}


def without_those_that_follow(arrows: set[Arrow]) -> set[Arrow]:
    """The fewest arrows that say the same."""

    def below(package: str) -> set[str]:
        direct = {imported for importer, imported in arrows if importer == package}
        return direct.union(*map(below, direct))

    return {
        (importer, imported)
        for importer, imported in arrows
        if not any(imported in below(other) for one, other in arrows if one == importer)
    }


def says(root: Path, package: str) -> str:
    """What a package says that it is: the beginning of its docstring, or of its handler's."""
    folder = root / package if (root / package).is_dir() else root / "functions" / package
    handler = folder / "app.py"
    source = handler if handler.exists() else folder / "__init__.py"
    text = ast.get_docstring(ast.parse(source.read_text("utf-8")))
    if not text:
        raise ValueError(f"{source} has no docstring")
    return re.split(r"[.,:]\s", text, maxsplit=1)[0].rstrip(".")


# ── Where it goes ───────────────────────────────────────────────────────────────────────────────────────────────────


class Lane(NamedTuple):
    """Where an arrow passes through a row of boxes."""

    arrow: Arrow
    row: int


type Node = str | Lane
type Link = tuple[Node, Node]
"""A part of an arrow, from one row to the next."""


def links(stacked: list[list[str]], arrows: set[Arrow]) -> list[Link]:
    """The arrows in parts, each from a row to the next one."""
    row = {package: number for number, layer in enumerate(stacked) for package in layer}
    parts: list[Link] = []
    for arrow in sorted(arrows):
        importer, imported = arrow
        lanes = [Lane(arrow, number) for number in range(row[importer] + 1, row[imported])]
        parts += itertools.pairwise([importer, *lanes, imported])
    return parts


def places(stacked: list[list[str]], parts: list[Link]) -> dict[Node, tuple[float, float]]:
    """The middle of each node's upper edge: below what it hangs from, as far as its neighbours leave room."""
    lanes = sorted({node for part in parts for node in part if isinstance(node, Lane)})
    rows: list[list[Node]] = [
        [*layer, *(lane for lane in lanes if lane.row == number)] for number, layer in enumerate(stacked)
    ]
    inner = max(sum(map(_width, row)) for row in rows)
    placed: dict[Node, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        wishes = {node: MARGIN + inner * (place + 0.5) / len(row) for place, node in enumerate(row)}
        if number:
            for node in row:
                above = [placed[upper][0] for upper, lower in parts if lower == node]
                wishes[node] = fmean(above or [MARGIN + inner / 2])
        y = TOP + number * (HEIGHT + BETWEEN_ROWS)
        placed |= {node: (x, y) for node, x in _apart(wishes, MARGIN, MARGIN + inner).items()}
    return placed


def _apart(wishes: dict[Node, float], left: float, right: float) -> dict[Node, float]:
    """The nodes' middles, as near to their wishes as may be without overlapping."""
    ordered = sorted(wishes, key=lambda node: wishes[node])
    middles: dict[Node, float] = {}
    for node in ordered:
        middles[node] = max(wishes[node], left + _width(node) / 2)
        left = middles[node] + _width(node) / 2
    for node in reversed(ordered):
        middles[node] = min(middles[node], right - _width(node) / 2)
        right = middles[node] - _width(node) / 2
    return middles


def _width(node: Node) -> float:
    return LANE if isinstance(node, Lane) else WIDTH + GAP


# ── How it looks ────────────────────────────────────────────────────────────────────────────────────────────────────

CAPTION = "An arrow is an import. One that follows from others is left out. None goes up."
PAGE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title description"
  font-family="ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif">
  <title id="title">The packages and what they import</title>
  <desc id="description">{description}.</desc>

  <style>
    .page      {{ fill: #ffffff; stroke: #d5dae1; }}
    .ships     {{ fill: #f6f8fb; stroke: #b9c3d1; }}
    .box       {{ fill: #ffffff; stroke-width: 1.5; }}
    .function  {{ stroke: #c2660a; }}
    .shared    {{ stroke: #2f62c4; }}
    .other     {{ stroke: #7b8798; }}
    .name      {{ fill: #1b2430; font-weight: 600; font-size: 16px; }}
    .note      {{ fill: #4c596a; font-size: 13px; }}
    .word      {{ fill: #4c596a; font-size: 14px; }}
    .line      {{ fill: none; stroke: #5d6b7e; stroke-width: 1.6; }}
    .head      {{ fill: #5d6b7e; }}
    @media (prefers-color-scheme: dark) {{
      .page      {{ fill: #0f141b; stroke: #2c3542; }}
      .ships     {{ fill: #161d27; stroke: #3b4757; }}
      .box       {{ fill: #1b232e; }}
      .function  {{ stroke: #f0953f; }}
      .shared    {{ stroke: #6f9cf5; }}
      .other     {{ stroke: #8a97a8; }}
      .name      {{ fill: #f0f3f7; }}
      .note, .word {{ fill: #b4c0ce; }}
      .line      {{ stroke: #95a3b6; }}
      .head      {{ fill: #95a3b6; }}
    }}
  </style>

  <defs>
    <marker id="to" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 10 5 0 10z"/></marker>
  </defs>

  {shapes}
</svg>
"""  # noqa: E501 - as in docs/architecture.svg


def drawing(root: Path) -> str:
    """The picture, as SVG."""
    stacked = layers(root)
    packages = list(itertools.chain(*stacked))
    arrows = without_those_that_follow(imports(packages))
    parts = links(stacked, arrows)
    placed = places(stacked, parts)
    width = max(x + _width(node) / 2 for node, (x, _) in placed.items()) + MARGIN
    height = TOP + len(stacked) * (HEIGHT + BETWEEN_ROWS) - BETWEEN_ROWS + MARGIN
    ships = min(placed[package][1] for package in packages if kind(root, package) != "other") - BETWEEN_ROWS / 2
    shapes = [
        f'<rect class="page" x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="14"/>',
        f'<text class="word" x="{MARGIN}" y="44">{CAPTION}</text>',
        f'<rect class="ships" x="20" y="{ships:g}" width="{width - 40:g}" height="{height - ships - 20:g}" rx="12"/>',
        f'<text class="name" x="{MARGIN}" y="{height - 64:g}">functions/</text>',
        f'<text class="note" x="{MARGIN}" y="{height - 44:g}">what ships to Lambda</text>',
        *(_line(placed, part) for part in parts),
        *(shape for name in packages for shape in _box(*placed[name], name, says(root, name), kind(root, name))),
    ]
    imported = {name: [below for above, below in sorted(arrows) if above == name] for name in packages}
    described = "; ".join(f"{name} imports {' and '.join(below)}" for name, below in imported.items() if below)
    return PAGE.format(
        width=f"{width:g}", height=f"{height:g}", description=escape(described), shapes="\n  ".join(shapes)
    )


def kind(root: Path, package: str) -> str:
    """A function, what functions share, or what doesn't ship."""
    if (root / package).is_dir():
        return "other"
    return "function" if package in functions(root) else "shared"


def _line(placed: dict[Node, tuple[float, float]], part: Link) -> str:
    """A part of an arrow: down from its upper node, and on through its lane if it has one."""
    (x, y), (to_x, to_y) = (placed[node] for node in part)
    y += HEIGHT
    bend = (to_y - y) / 2
    path = f"M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
    if isinstance(part[1], Lane):
        return f'<path class="line" d="{path}V{to_y + HEIGHT:g}"/>'
    return f'<path class="line" marker-end="url(#to)" d="{path}"/>'


def _box(x: float, y: float, name: str, note: str, kind: str) -> Iterator[str]:
    lines = textwrap.wrap(note, LETTERS)
    first = y + HEIGHT / 2 + 5 - 8.5 * len(lines)
    yield f'<rect class="box {kind}" x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    yield f'<text class="name" x="{x:g}" y="{first:g}" text-anchor="middle">{escape(name)}</text>'
    for number, line in enumerate(lines, start=1):
        yield f'<text class="note" x="{x:g}" y="{first + 3 + 17 * number:g}" text-anchor="middle">{escape(line)}</text>'


def main() -> None:
    """Draw the packages in the current folder into its docs/house.svg."""
    root = Path.cwd()
    sys.path[:0] = [str(root / "functions"), str(root)]
    (root / "docs" / "house.svg").write_text(drawing(root), "utf-8")


if __name__ == "__main__":
    main()
