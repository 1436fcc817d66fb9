"""Making clients: what the SDK does before the first request."""

import os

import pytest

from aws import clients

MAKERS = [
    clients.alerts,
    clients.dynamodb,
    clients.email,
    clients.events,
    clients.keys,
    clients.queues,
    clients.secrets,
    clients.workflows,
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_client_is_made_without_looking_for_services_that_nobody_uses(make, monkeypatch):
    looked_into = []
    listdir = os.listdir

    def counting(path):
        looked_into.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", counting)
    clients._session.cache_clear()

    make()

    assert len(looked_into) <= 4
