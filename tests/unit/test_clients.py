"""Making clients: what the SDK does before the first request."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from orders import clients


@pytest.mark.parametrize("make", [clients.dynamodb, clients.events, clients.queues, clients.secrets, clients.mail])
def test_a_client_is_made_without_looking_for_services_that_nobody_uses(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_into: list[Any] = []
    listdir = os.listdir

    def look(path: Any) -> list[str]:
        looked_into.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", look)
    clients._session.cache_clear()

    make()

    assert len(looked_into) <= 4
