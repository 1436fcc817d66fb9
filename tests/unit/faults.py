"""Accidents at an exact point: the sandbox dies there, the answer is lost there, somebody else gets in there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from tests import recorder


class SandboxDied(BaseException):
    """The end of a Lambda sandbox between two instructions. Not an Exception: no handler of ours gets to clean up."""


def die() -> None:
    """End the sandbox here."""
    raise SandboxDied


@contextmanager
def dies_before(owner: Any, call: str) -> Iterator[None]:
    """What runs in here dies on the point of making this call."""
    with pytest.raises(SandboxDied), just_before(owner, call, die):
        yield


@contextmanager
def dies_after(owner: Any, call: str) -> Iterator[None]:
    """What runs in here dies when this call has had its effect and before anything is done about its answer."""
    with pytest.raises(SandboxDied), just_after(owner, call, die):
        yield


@contextmanager
def just_before(owner: Any, call: str, happens: Callable[[], Any]) -> Iterator[None]:
    """Something happens right before the next time that `owner.call` is called, which has to be in here."""
    with _once(owner, call, lambda original, *args, **kwargs: (_elsewhere(happens), original(*args, **kwargs))[1]):
        yield


@contextmanager
def just_after(owner: Any, call: str, happens: Callable[[], Any]) -> Iterator[None]:
    """Something happens right after the next time that `owner.call` is called, which has to be in here."""
    with _once(owner, call, lambda original, *args, **kwargs: (original(*args, **kwargs), _elsewhere(happens))[0]):
        yield


@contextmanager
def fails(owner: Any, call: str, error: BaseException) -> Iterator[None]:
    """The next call of `owner.call`, which has to be in here, has no effect and raises `error`."""

    def fail() -> None:
        raise error

    with just_before(owner, call, fail):
        yield


def _elsewhere(happens: Callable[[], Any]) -> Any:
    with recorder.aside():
        return happens()


@contextmanager
def _once(owner: Any, call: str, instead: Callable[..., Any]) -> Iterator[None]:
    original = getattr(owner, call)
    happened = False

    def intercepted(*args: Any, **kwargs: Any) -> Any:
        nonlocal happened
        if happened:
            return original(*args, **kwargs)
        happened = True
        return instead(original, *args, **kwargs)

    with patch.object(owner, call, intercepted):
        yield
        assert happened, f"{call} was never called"
