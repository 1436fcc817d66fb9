"""The usual design in the simulation's world: its handlers on the template's functions, and its workflow."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from botocore.config import Config

from bench.simulated import URL, Design, Distant, World, patched, patched_environment, redefined
from bench.template import Settings
from bench.usual.untraced import untraced

WORKFLOW = Path(__file__).with_name("order.asl.json")
HANDLERS = {  # by the folder of the function that they stand in for; nothing sweeps here
    "publish": "publish",
    "validate": "validate",
    "inventory": "change_stock",
    "payment": "pay",
    "notify": "notify",
}


def stand_in(handler: str) -> str:
    """The usual handler for one that the template names."""
    return f"bench.usual.app.{HANDLERS[handler.partition('.')[0]]}"


@contextmanager
def _hosted(here: World) -> Iterator[None]:
    with ExitStack() as hosted:
        hosted.enter_context(patched([(botocore.session.Session, "create_client", _client_maker(here))]))
        app = _app(here)
        for function, handler in list(here.stack.handlers.items()):
            if usual := HANDLERS.get(handler.split(".")[0]):
                hosted.enter_context(here.hosting(function, getattr(app, usual)))
        hosted.enter_context(redefined(here, functools.partial(_become_usual, here)))
        hosted.enter_context(_every_change_of_orders(here))
        yield


@functools.cache
def _app(here: World) -> Any:
    names = {"POWERTOOLS_SERVICE_NAME": "usual", "POWERTOOLS_METRICS_NAMESPACE": "Orders"}
    # Traces are sent by UDP and cost no request; the SDK that makes them would patch this whole process.
    with patched_environment({**here.stack.environment, **names}), untraced():
        os.environ.pop("POWERTOOLS_METRICS_DISABLED")
        app: Any = importlib.import_module("bench.usual.app")
    app.gateway = Distant(here, app.gateway, "gateway", "payment.gateway")
    return app


def _client_maker(here: World) -> Callable[..., Any]:
    """In place of botocore's `create_client`: whole clients, also as boto3's resources, whose requests end in the
    world.
    """
    original = botocore.session.Session.create_client

    def create_client(self: Any, service_name: str, *arguments: Any, **options: Any) -> Any:
        if options.get("endpoint_url") == URL:  # one of the world's own
            return original(self, service_name, *arguments, **options)
        config = Config(parameter_validation=False).merge(options.get("config") or Config())
        options |= {"endpoint_url": URL, "config": config}
        client: Any = original(self, service_name, *arguments, **options)

        def begin(model: Any, **_: Any) -> None:
            here.new_call(here.invocation(), f"{service_name}.{model.name}")

        client.meta.events.register("choose-signer", lambda **_: botocore.UNSIGNED)
        client.meta.events.register("before-call", begin)
        client.meta.events.register("before-send", functools.partial(here.services._before_send, service_name))
        return client

    return create_client


@contextmanager
def _every_change_of_orders(here: World) -> Iterator[None]:
    """The usual design keeps an order's status in the order's item: its stream shows every change, with images."""
    orders, states = (here.stack.tables[name] for name in ("OrdersTable", "OrderStatesTable"))
    tables = here.services.modules["dynamodb"]._tables
    # The pipeline's comes first of those that read a stream.
    mapping, of_states = (here.stack.mappings[table][0] for table in (orders, states))
    stream, filters = tables[orders]["StreamSpecification"], mapping["FilterCriteria"]
    tables[orders]["StreamSpecification"] = tables[states]["StreamSpecification"]
    mapping["FilterCriteria"] = of_states["FilterCriteria"]
    try:
        yield
    finally:
        tables[orders]["StreamSpecification"], mapping["FilterCriteria"] = stream, filters


def _become_usual(here: World, definition: dict[str, Any]) -> None:
    states = here.definition()["States"]
    reserve, authorize = (branch["States"] for branch in states["Try"]["Branches"])
    names = {
        "ValidateFunctionArn": states["Validate"]["Arguments"]["FunctionName"],
        "InventoryFunctionArn": reserve["Reserve"]["Arguments"]["FunctionName"],
        "PaymentFunctionArn": authorize["Authorize"]["Arguments"]["FunctionName"],
        "NotifyFunctionArn": states["Notify"]["Arguments"]["FunctionName"],
        "OrdersTable": here.stack.tables["OrdersTable"],
    }
    text = WORKFLOW.read_text("utf-8")
    definition.clear()
    definition.update(json.loads(re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], text)))


# Lambda's default log level, and room for everything that it imports.
USUAL = Design("usual", Settings(512, "INFO", "ERROR", traced=True), _hosted)
