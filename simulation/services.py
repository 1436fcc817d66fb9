"""AWS and the payment provider as handlers see them: real botocore clients whose requests end in MiniStack's engine.

A request passes `World.request` on its way, where faults happen. What a fault looks like to the client is here.
"""

from __future__ import annotations

import functools
import importlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit

import botocore
import botocore.endpoint
import botocore.session
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from orders.tables import is_shard
from simulation import stack

if TYPE_CHECKING:
    from simulation.world import World

URL = "http://simulation"
SEEN_BY_THE_SDK = ("lost", "lost_once", "throttled", "conflict")


@dataclass
class Wire:
    """A request as it is sent to a service."""

    service: str
    method: str
    path: str
    headers: Any
    body: Any

    @functools.cached_property
    def operation(self) -> str:
        """As services with a JSON protocol name it; empty for others."""
        target = next((value for name, value in self.headers.items() if name.lower() == "x-amz-target"), "")
        return (target.decode() if isinstance(target, bytes) else str(target)).rsplit(".", 1)[-1]

    @property
    def text(self) -> str:
        """The body."""
        if isinstance(self.body, dict):  # of a query protocol
            return urlencode(self.body)
        return self.body.decode() if isinstance(self.body, bytes) else str(self.body or "")


class Services:
    """MiniStack's services, and clients of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.modules: dict[str, Any] = {
            service: importlib.import_module(f"ministack.services.{module}")
            for service, module in (
                ("dynamodb", "dynamodb"),
                ("events", "eventbridge"),
                ("kms", "kms"),
                ("stepfunctions", "stepfunctions"),
                ("sns", "sns"),
                ("sqs", "sqs"),
                ("sesv2", "ses_v2"),
                ("secretsmanager", "secretsmanager"),
            )
        }
        self._session = botocore.session.get_session()  # one, so that it reads each service's model once
        self._clients: dict[Any, Any] = {}
        for service in self.modules:
            self.client(service)

    def client(self, service: str, config: Any = None) -> Any:
        """One botocore client for each service and configuration, whatever sandbox asks: they keep no state of ours.

        Without a configuration it is a client of the world outside the pipeline: no faults, no latency, no trace in
        the timeline.
        """
        key = (service, id(config))
        if key not in self._clients:
            # The unit tests hold every parameter against the service's model; here it would cost a tenth of the time.
            unchecked = Config(parameter_validation=False).merge(config or Config())
            client: Any = self._session.create_client(service, stack.REGION, config=unchecked, endpoint_url=URL)
            events: Any = client.meta.events
            events.register("choose-signer", lambda **_: botocore.UNSIGNED)
            events.register("before-send", functools.partial(self._before_send, service))
            # KMS has bytes in its parameters, which only the SDK can write. An email is JSON as well.
            protocol = client.meta.service_model.metadata["protocol"]
            if (protocol == "json" and service != "kms") or service == "sesv2":
                through_the_sdk = client._make_api_call
                client._make_api_call = lambda *request: self._call(client, through_the_sdk, config, *request)
            else:
                events.register("before-call", functools.partial(self._before_call, service, client))
            self._clients[key] = client
        return self._clients[key]

    def _call(self, client: Any, through_the_sdk: Any, config: Any, name: str, params: dict[str, Any]) -> Any:
        """In place of the client's `_make_api_call`. In a JSON protocol a request is its parameters, and an answer is
        what the caller gets: the SDK takes half of the time to come to that, and matters only when it has something to
        retry. test_services.py holds the two against each other.
        """
        invocation = None if config is None else self.world.invocation()
        service, call = client.meta.service_model.service_name, None
        if invocation and not invocation.at_provider:
            call = self.world.new_call(invocation, f"{service}.{name}")
            if call.fault in SEEN_BY_THE_SDK:
                return through_the_sdk(name, params)
        model = client.meta.service_model.operation_model(name)
        tokens = {token: str(uuid.uuid4()) for token in model.idempotent_members if token not in params}
        prefix = model.metadata.get("targetPrefix")
        headers = {"x-amz-target": f"{prefix}.{name}"} if prefix else {}
        http = model.http
        wire = Wire(service, http["method"], http["requestUri"], headers, json.dumps({**params, **tokens}))
        if invocation and call:
            response = self.world.request(invocation, call, lambda: self._perform(wire), ServiceFailures(wire))
        else:
            response = self._perform(wire)
        if response.status_code < 300:
            return {**json.loads(response.content or "{}"), "ResponseMetadata": {"HTTPStatusCode": 200}}
        error = refusal(response)
        raise client.exceptions.from_code(error["Error"]["Code"])(error, name)

    def _before_call(self, service: str, client: Any, model: Any, params: dict[str, Any], **_: Any) -> Any:
        """The same for other protocols, where the SDK knows what a request looks like."""
        wire = Wire(service, params["method"], params["url_path"], params["headers"], params["body"])
        invocation = self.world.invocation()
        call = self.world.new_call(invocation, f"{service}.{model.name}")
        if call.fault in SEEN_BY_THE_SDK:
            return None
        result = self.world.request(invocation, call, lambda: self._perform(wire), ServiceFailures(wire))
        return _parsed(client, model, result)

    def _before_send(self, service: str, request: Any, **_: Any) -> Any:
        """A request leaves that will fail: through the SDK's own retries."""
        wire = Wire(service, request.method, urlsplit(request.url).path, request.headers, request.body)
        invocation = self.world.invocation()
        call = invocation.calls[-1]
        return self.world.request(invocation, call, lambda: self._perform(wire), ServiceFailures(wire))

    def _perform(self, wire: Wire) -> Any:
        """Carry a request out, in MiniStack's own engine."""
        if wire.operation == "BatchGetItem" and _reads_shards(wire):
            return self._one_by_one(wire)
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in wire.headers.items()
        }
        body = wire.text.encode()
        if wire.service == "sns":
            self.world.person_called(json.loads(dict(parse_qsl(wire.text))["Message"]))
        running = self.modules[wire.service].handle_request(wire.method, wire.path, headers, body, {})
        try:
            running.send(None)
        except StopIteration as done:
            status, headers, content = done.value
            if status < 300 and wire.operation in ("UpdateItem", "BatchWriteItem", "PutItem"):
                self.world.written(json.loads(wire.text))
            if status < 300 and wire.service == "sesv2":
                self.world.mailed(json.loads(wire.text))
            return stack.answer(URL, status, headers, content)
        raise AssertionError(f"{wire.service} wants to wait")

    def _one_by_one(self, wire: Wire) -> Any:
        """Read the items of a batch in any order and not at one moment, as DynamoDB may."""
        ((table, wanted),) = json.loads(wire.text)["RequestItems"].items()
        items: list[Any] = []
        keys = self.world.random.sample(wanted["Keys"], len(wanted["Keys"]))
        for key in keys:
            self.world.loop.sleep(self.world.random.uniform(0, 0.02 / len(keys)))
            # Not a batch of one: that would come here again.
            body = json.dumps({"TableName": table, "Key": key, "ConsistentRead": True})
            one = self._perform(Wire(wire.service, "POST", "/", {"X-Amz-Target": "DynamoDB_20120810.GetItem"}, body))
            answer = json.loads(one.content)
            items += [answer["Item"]] if "Item" in answer else []
        return stack.answer(URL, 200, {}, json.dumps({"Responses": {table: items}, "UnprocessedKeys": {}}))


def _reads_shards(batch: Wire) -> bool:
    tables = json.loads(batch.text)["RequestItems"].values()
    return any(is_shard(key) for table in tables for key in table["Keys"])


class Distant:
    """A company as the functions see it, a payment provider or a carrier: at a distance, so that requests to it can
    fail. Its errors are in `module`, and begin with its `name`.

    What the simulated one does to keep its ledger is its own business: no fault happens in between.
    """

    def __init__(self, world: World, provider: Any, name: str, module: str) -> None:
        self._world, self._provider = world, provider
        self._name, self._failures = name, ProviderFailures(name, module)

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._provider, operation)
        return lambda *arguments: self._ask(operation, method, arguments)

    def _ask(self, operation: str, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        world, invocation = self._world, self._world.invocation()

        def effect() -> Any:
            invocation.at_provider = True
            try:
                result = method(*arguments)
            finally:
                invocation.at_provider = False
            world.provider_answers.append((invocation.order_id, operation, arguments))
            world.company_did(operation, arguments)
            return result

        call = world.new_call(invocation, f"{self._name}.{operation}")
        return world.request(invocation, call, effect, self._failures)


class Failures:
    """What a failed request looks like to its client."""

    def lost(self) -> Exception:
        """The connection broke before the answer."""
        raise NotImplementedError

    def throttled(self) -> Any:
        """Too many requests."""
        raise NotImplementedError

    def conflict(self) -> Any:
        """Another transaction was in the way."""
        raise NotImplementedError

    def refused(self) -> Any:
        """Understood, and not done."""
        raise NotImplementedError

    def partial(self, effect: Callable[[], Any]) -> Any:
        """Only a part of what was asked took `effect`."""
        raise NotImplementedError


class ProviderFailures(Failures):
    """A provider's, by its name and the module of its errors."""

    def __init__(self, name: str, module: str) -> None:
        self._name, self._module = name.capitalize(), module

    def lost(self) -> Exception:
        return self._error("Unavailable", "api_connection_error")

    def throttled(self) -> NoReturn:
        raise self._error("Unavailable", "rate_limit")

    def refused(self) -> NoReturn:
        raise self._error("Refused", "amount_too_small")

    def _error(self, kind: str, code: str) -> Exception:
        error: type[Exception] = getattr(importlib.import_module(self._module), f"{self._name}{kind}")
        return error(code)


class ServiceFailures(Failures):
    """An AWS service's."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def lost(self) -> Exception:
        return ConnectionClosedError(endpoint_url=URL)

    def throttled(self) -> Any:
        if self.wire.service == "sesv2":
            return self._error(429, "TooManyRequestsException", {})
        return self._error(400, "ThrottlingException", {})

    def conflict(self) -> Any:
        items = json.loads(self.wire.body)["TransactItems"]
        reasons = [{"Code": "None"} for _ in items[:-1]] + [{"Code": "TransactionConflict", "Message": "conflict"}]
        return self._error(400, "TransactionCanceledException", {"CancellationReasons": reasons})

    def partial(self, effect: Callable[[], Any]) -> Any:
        """The bus refuses the first entry of a PutEvents and takes the others; a table, of a BatchWriteItem."""
        whole = json.loads(self.wire.body)
        if "RequestItems" in whole:
            ((table, (first, *others)),) = whole["RequestItems"].items()
            if others:
                self.wire.body = json.dumps({**whole, "RequestItems": {table: others}})
                effect()
            return stack.answer(URL, 200, {}, json.dumps({"UnprocessedItems": {table: [first]}}))
        entries = [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}]
        if others := whole["Entries"][1:]:
            self.wire.body = json.dumps({**whole, "Entries": others})
            entries += json.loads(effect().raw.content)["Entries"]
        return stack.answer(URL, 200, {}, json.dumps({"FailedEntryCount": 1, "Entries": entries}))

    def _error(self, status: int, code: str, details: dict[str, Any]) -> Any:
        body = json.dumps({"__type": code, "message": "injected by the simulation", **details})
        return stack.answer(URL, status, {"x-amzn-errortype": code}, body)


def refusal(response: Any) -> dict[str, Any]:
    """What the SDK makes of an error in a JSON protocol."""
    error = json.loads(response.content)
    code, message = error.pop("__type").rsplit("#", 1)[-1], error.pop("message", "")
    metadata = {"HTTPStatusCode": response.status_code}
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **error}


def parser_of(client: Any, model: Any) -> Any:
    """What reads the answers of an operation's service."""
    return client._endpoint._response_parser_factory.create_parser(model.service_model.resolved_protocol)


def _parsed(client: Any, model: Any, response: Any) -> tuple[Any, dict[str, Any]]:
    """What botocore's endpoint makes of a response: `Endpoint._do_get_response` without its HTTP parts."""
    as_dict = botocore.endpoint.convert_to_response_dict(response, model)
    parser = parser_of(client, model)
    parsed = parser.parse(as_dict, model.output_shape)
    if response.status_code >= 300:
        client._endpoint._add_modeled_error_fields(as_dict, parsed, model, parser)
    return response, parsed
