"""What is changed in this process for a while, and is afterwards as it was."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def patched(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes for as long as it lasts; how a mutant is made of the real code."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


@contextmanager
def patched_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, and have all of them as they were afterwards."""
    before = dict(os.environ)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.update(variables)
    try:
        yield
    finally:
        after = dict(os.environ)
        for name in after.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before.items() - after.items())


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines: the timeline tells the story."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
