"""Requests take a short cut past the SDK, and come out as if they had not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulation.faults import Fault
from simulation.schedule import Schedule, run
from simulation.services import Services, parser_of

SCHEDULES = [
    Schedule("many lines"),
    Schedule("declined", "twice"),
    Schedule("restored from a backup"),
    Schedule("happy", "once", (Fault("capture/gateway.capture#1", "away 10"),)),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_requests_and_answers_are_those_of_the_sdk(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    direct, seen = Services._call, set()

    def both(self: Services, client: Any, through_the_sdk: Any, config: Any, *request: Any) -> Any:
        name, params = request
        model = client.meta.service_model.operation_model(name)
        wire = client._serializer.serialize_to_request(params, model)
        assert (wire["method"], wire["url_path"]) == (model.http["method"], model.http["requestUri"])
        assert json.loads(wire["body"]) == params
        answer = direct(self, client, through_the_sdk, config, name, params)
        content = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        response = {"status_code": 200, "headers": {}, "body": json.dumps(content).encode()}
        parsed = parser_of(client, model).parse(response, model.output_shape)
        assert {key: value for key, value in parsed.items() if key != "ResponseMetadata"} == content
        seen.add(name)
        return answer

    monkeypatch.setattr(Services, "_call", both)
    assert run(schedule).violations == []
    assert {"PutItem", "GetItem", "TransactWriteItems", "PutEvents", "SendEmail"} <= seen
