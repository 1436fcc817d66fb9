"""The usual handlers without the X-Ray SDK, where it must not patch the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools import Tracer


class _NoTraces:
    """The provider that Tracer asks for; it does nothing."""

    @contextmanager
    def in_subsegment(self, name: str) -> Iterator[_NoTraces]:
        yield self

    def put_annotation(self, **_: Any) -> None: ...

    def put_metadata(self, **_: Any) -> None: ...

    def patch_all(self) -> None: ...


@contextmanager
def untraced() -> Iterator[None]:
    """Within this context, a new Tracer records nothing."""
    with (
        patch.object(Tracer, "_patch_xray_provider", lambda _: _NoTraces()),
        patch.object(Tracer, "_disable_tracer_provider", lambda _: None),
    ):
        yield
