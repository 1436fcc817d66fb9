"""The results file: the latest figures of each section, with the day they were measured on."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Section

KEPT = Path(__file__).with_name("results.json")  # what the documents quote


def read(path: Path) -> dict[str, Any]:
    """Sections by their name; none when there is no such file."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}


def write(path: Path, name: str, section: Section, seconds: float) -> None:
    """Write a section into the file and replace the one that was there."""
    entry = {
        "measured_on": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        **asdict(section),
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(read(path) | {name: entry}, indent=1, ensure_ascii=False) + "\n")


def figure(name: str, section: str, path: Path = KEPT) -> tuple[Figure, str] | None:
    """A figure that was kept and the day it was measured on, or None."""
    entry = read(path).get(section, {"figures": []})
    for known in entry["figures"]:
        if known["name"] == name:
            spread = tuple(known["spread"]) if known["spread"] else None
            return Figure(**known | {"spread": spread}), entry["measured_on"]
    return None
