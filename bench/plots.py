"""Plots of the figures, as SVG that is readable on light and on dark pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from bench.figures import Figure, Section

OURS, THEIRS, TEXT = "#2f81f7", "#a0a7b0", "#7d8590"  # each has about the same contrast with white as with black

plt.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "orders",  # the same figures make the same file
        "savefig.transparent": True,
        "text.color": TEXT,
        "axes.edgecolor": TEXT,
        "axes.labelcolor": TEXT,
        "xtick.color": TEXT,
        "ytick.color": TEXT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 10,
    }
)


def draw(name: str, section: Section, folder: Path) -> list[Path]:
    """Draw the section's curves, or its compared figures, into `folder`. Returns the files.

    Each of `series["curves"]` becomes a plot: `{"name", "title", "x", "y", "log"?, "lines": {name: [(x, y), …]}}`,
    where `x` and `y` label the axes. Without curves, figures that are compared become bars, one plot for each unit
    that three of them have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for curve in section.series.get("curves", []):
        drawn.append(folder / f"bench-{name}-{curve['name']}.svg")
        _lines(curve, drawn[-1])
    if drawn:
        return drawn
    by_unit: dict[str, list[Figure]] = {}
    for figure in section.figures:
        if figure.compared is not None and figure.unit:
            by_unit.setdefault(figure.unit, []).append(figure)
    for unit, figures in by_unit.items():
        if len(figures) >= 3:
            drawn.append(folder / f"bench-{name}{f'-{len(drawn) + 1}' if drawn else ''}.svg")
            _bars(section.title, unit, figures, drawn[-1])
    return drawn


def _bars(title: str, unit: str, figures: list[Figure], file: Path) -> None:
    plot, axes = plt.subplots(figsize=(8, 0.55 * len(figures) + 1.3), layout="constrained")
    rows = range(len(figures))
    axes.barh(
        [row - 0.19 for row in rows], [figure.value for figure in figures], 0.36, color=OURS, label="this pipeline"
    )
    compared = [figure.compared or 0 for figure in figures]
    axes.barh([row + 0.19 for row in rows], compared, 0.36, color=THEIRS, label=figures[0].compared_with)
    for row, figure in enumerate(figures):
        if figure.spread:
            axes.plot(figure.spread, [row - 0.19] * 2, color=TEXT, linewidth=1.5)
        if figure.target is not None:
            axes.plot([figure.target] * 2, [row - 0.42, row + 0.04], color="#d1242f", linewidth=2)
    axes.plot([], [], color="#d1242f", linewidth=2, label="target")
    axes.set_yticks(list(rows), [figure.name for figure in figures])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left")
    plot.legend(frameon=False, loc="outside lower right", ncols=3)
    _save(plot, file)


def _lines(curve: dict[str, Any], file: Path) -> None:
    plot, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, points in curve["lines"].items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    if curve.get("log"):
        axes.set_xscale("log")
    axes.set_xlabel(curve["x"])
    axes.set_ylabel(curve["y"])
    axes.set_ylim(bottom=0)
    axes.set_title(curve["title"], loc="left")
    plot.legend(frameon=False, loc="outside lower right", ncols=4)
    _save(plot, file)


def _save(plot: Any, file: Path) -> None:
    plot.savefig(file, metadata={"Date": None})
    plt.close(plot)
