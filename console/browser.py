"""A browser of this machine: what the console's pictures are taken with, and its tests are played in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from local.stack import Problem

# As Debian, Ubuntu and GitHub's runners name it. Playwright would download one of its own.
NAMES = ("chromium", "chromium-browser", "google-chrome")
# It asks nobody on the internet for anything.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def executable() -> str | None:
    """Where Chromium is: the environment's CHROMIUM, or one that is on the path; None where there is none."""
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


@contextmanager
def opened() -> Iterator[Browser]:
    """A browser, meanwhile. Raises Problem where there is none."""
    path = executable()
    if path is None:
        raise Problem("This needs a browser: put chromium on the PATH, or say CHROMIUM=/path/to/chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield started
        finally:
            started.close()
