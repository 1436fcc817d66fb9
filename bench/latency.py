"""How long a call of the API takes on the embedded stack, beside the requests that it makes of DynamoDB.

One client on this machine, over a connection that is kept. Nobody reads the tables' streams meanwhile, so all the
machine does is answer. Every round asks for each thing once, so that whatever else the machine does slows all alike.
What is told are ratios to these requests, made straight from here: of a call, and of one of the same form that comes to
nothing, which is answered with 404 and is API Gateway, Lambda and routing alone. Most of it is the emulator's: between
it and a function's process TCP waits for acknowledgements, 40 ms at a time, as often as the messages' sizes have it.
"""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from bench.door import wanted
from bench.figures import Progress
from demo.shop import CATALOGUE_FILE
from local import emulator, session, templates
from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.seed import seed
from local.stack import Problem, RunningStack
from orders.tables import stock_key

ROUNDS, WARM_UP = 100, 10
POST, GET = "POST /orders", "GET /orders/{order_id}"
# Each call that is measured, and the one of the same form that comes to nothing.
NOTHING = {POST: "POST /nothing", GET: "GET /nothing"}
TABLES = ("OrdersTableName", "OrderStatesTableName", "ApprovalsTableName")


def measured(progress: Progress) -> dict[str, list[float]]:
    """Seconds of each of the rounds, by what was asked. Raises Problem when the stack does not start or answer."""
    with _stack(progress) as running:
        things = _things(running)
        taken: defaultdict[str, list[float]] = defaultdict(list)
        for number in range(WARM_UP + ROUNDS):
            progress(f"calls of the API, round {number + 1} of {WARM_UP + ROUNDS}")
            for name, ask in things.items():
                begun = time.perf_counter()
                ask()
                if number >= WARM_UP:
                    taken[name].append(time.perf_counter() - begun)
    return dict(taken)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of them do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@contextmanager
def _stack(progress: Progress) -> Iterator[RunningStack]:
    """An embedded stack of our own with the front door, in which orders are placed and nothing comes of them."""

    def begin(step: str, _: int) -> Callable[[], None]:
        progress(step)
        return lambda: None

    begin("starting the emulator", 1)
    process = emulator.start()
    try:
        running = session.bring_up(process, templates.PIPELINE, begin)
        for template in templates.beside("frontdoor"):
            running = session.bring_up_beside(process, template, begin, running)
        seed(running, CATALOGUE_FILE)
        functions = running.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        yield running
    finally:
        process.stop()


def _things(running: RunningStack) -> dict[str, Callable[[], Any]]:
    """What is asked in each round."""
    api, dynamodb = _Client(running.outputs["ApiUrl"]), running.client("dynamodb")
    orders, *_ = tables = [running.outputs[name] for name in TABLES]
    order = wanted()
    order_id = api.ask("POST", "/orders", 201, order, uuid.uuid4().hex)["order_id"]
    item = dynamodb.get_item(TableName=orders, Key={"order_id": {"S": order_id}})["Item"]
    counters = [stock_key(line["sku"]) for line in order["lines"]]
    catalogue = {running.outputs["InventoryTableName"]: {"Keys": counters, "ConsistentRead": True}}
    key = {"Keys": [{"order_id": item["order_id"]}], "ConsistentRead": True}

    def place_straight() -> None:
        dynamodb.batch_get_item(RequestItems=catalogue)
        dynamodb.put_item(
            TableName=orders,
            Item=item | {"order_id": {"S": uuid.uuid4().hex}},
            ConditionExpression="attribute_not_exists(order_id)",
        )

    return {
        NOTHING[POST]: lambda: api.ask("POST", "/nothing", 404, order, uuid.uuid4().hex),
        POST: lambda: api.ask("POST", "/orders", 201, order, uuid.uuid4().hex),
        straight(POST): place_straight,
        NOTHING[GET]: lambda: api.ask("GET", "/nothing", 404),
        GET: lambda: api.ask("GET", f"/orders/{order_id}", 200),
        straight(GET): lambda: dynamodb.batch_get_item(RequestItems=dict.fromkeys(tables, key)),
    }


def straight(call: str) -> str:
    """The name of what a call asks of DynamoDB, asked without the API."""
    return f"{call}: its requests"


class _Client:
    """Signed requests over one connection."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, URLLib3Session()
        self._auth = SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "execute-api", REGION)

    def ask(self, method: str, path: str, status: int, body: Any = None, key: str = "") -> Any:
        """The answer's content. Raises Problem when its status is another one."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if key else {}
        request = AWSRequest(method, self._url + path, headers, json.dumps(body) if body else None)
        self._auth.add_auth(request)
        answer = self._session.send(request.prepare())
        if answer.status_code != status:
            raise Problem(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
        return json.loads(answer.content)
