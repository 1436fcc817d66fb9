"""One handler at a time, in memory, with no way out to a network and nothing kept from one test to the next."""

import io
import itertools
import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import settings
from stripe import _webhook as stripe_webhook

from approve import app as approve_app
from ask import app as ask_app
from aws import clients, logger, returns, statuses
from aws import open_orders as open_orders_list
from payment import app as payment_app
from payment import stripe_gateway
from returns import app as returns_app
from returns import http as returns_http
from ship import delivery
from sweep import app as sweep_app
from tests.unit import sandbox
from tests.unit.account import account as an_account
from tests.unit.approving import Tasks, link_in
from tests.unit.banking import Bank, LedgersBank, StripesBank
from tests.unit.builders import LINK_SECRET, PERSONAL, SECRET, a_line, a_product, an_order
from tests.unit.calling import ORDER_ID
from tests.unit.fake_stripe import FakeStripe
from tests.unit.signing import Senders
from tests.unit.stack import REGION, MotoStack, aws
from tests.unit.sweeping import Clock
from webhooks import app as webhooks_app
from webhooks import carrier as webhooks_carrier
from webhooks import signatures

settings.register_profile("same-examples-every-time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same-examples-every-time")


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    pass


@pytest.fixture(autouse=True)
def _nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture(autouse=True)
def _a_new_sandbox() -> None:
    sandbox.forget()


@pytest.fixture(autouse=True)
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What the functions have printed so far, which is how Powertools writes a metric."""
    written = io.StringIO()

    def read() -> str:
        written.write(capsys.readouterr().out)
        return written.getvalue()

    return read


@pytest.fixture
def metrics(printed: Callable[[], str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines with metrics that the functions have written so far: each metric's value, dimensions and metadata."""

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in printed().splitlines()]
        return [{name: _only(value) for name, value in line.items() if name != "_aws"} for line in lines]

    return read


def _only(value: Any) -> Any:
    """The format has a list where a metric was added more than once, and always from Powertools."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@pytest.fixture(autouse=True)
def log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, printed: Callable[[], str]
) -> Iterator[Callable[[], list[Any]]]:
    """What the functions have logged so far, line by line; and the promise, kept by every test, that none of it is
    personal or a secret, nor anything that they print or that the libraries below them log.
    """
    written = io.StringIO()
    for handler in logger.handlers:
        monkeypatch.setattr(handler, "stream", written)
    caplog.set_level("INFO")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    everything = written.getvalue() + printed() + caplog.text
    assert [secret for secret in (*PERSONAL, *SECRET) if secret in everything] == []


@pytest.fixture
def account() -> Iterator[None]:
    """An empty AWS account."""
    with an_account():
        yield


@pytest.fixture
def parameters() -> dict[str, str]:
    """The stack's parameters where they are not the template's defaults; test modules override it."""
    return {}


@pytest.fixture
def stack(account: None, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str]) -> MotoStack:
    """The deployed stack."""
    return MotoStack(monkeypatch, **parameters)


@pytest.fixture
def sells(stack: MotoStack) -> Callable[..., None]:
    """`sells("TEA", available=3)` puts a product into the catalogue."""

    def put(sku: str, **changes: Any) -> None:
        stack.table("InventoryTable").put_item(Item=a_product(sku, **changes))

    return put


@pytest.fixture
def inventory(stack: MotoStack) -> Any:
    """The Inventory table, and the inventory function's environment."""
    stack.run_as("InventoryFunction")
    return stack.table("InventoryTable")


@pytest.fixture
def in_stock(inventory: Any) -> Callable[[str], int]:
    """How much of a SKU its first counter has."""
    return lambda sku: int(inventory.get_item(Key={"pk": f"SKU#{sku}", "sk": "STOCK"})["Item"]["available"])


@pytest.fixture
def reservation(inventory: Any) -> Callable[[], dict[str, Any] | None]:
    """The reservation of order-1, if there is one."""
    return lambda: inventory.get_item(Key={"pk": "ORDER#order-1", "sk": "RESERVATION"}).get("Item")


@pytest.fixture
def payments(stack: MotoStack) -> Any:
    """The Payments table, and the payment function's environment."""
    stack.run_as("PaymentFunction")
    return stack.table("PaymentsTable")


@pytest.fixture
def payment(payments: Any) -> Callable[[], dict[str, Any] | None]:
    """The payment of order-1, if there is one."""
    return lambda: payments.get_item(Key={"order_id": "order-1"}).get("Item")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[float], None]:
    """`later(hours)`: so much time has passed, here and at the provider, which forgets keys after a day."""
    began = time.time()

    def pass_by(hours: float) -> None:
        now = began + hours * 60 * 60
        monkeypatch.setattr(payment_app, "time", SimpleNamespace(time=lambda: now))
        if "stripe_account" in request.fixturenames or payment_app.gateway().__class__ is stripe_gateway.StripeGateway:
            account = request.getfixturevalue("stripe_account")
            account.now = lambda: now
            if hours > 24:
                account.forgets_its_keys()

    return pass_by


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the sweep, of those who ask for an approval and take it, and of what comes after the sale."""
    clock = Clock()
    after_the_sale = (delivery, open_orders_list, returns, returns_app, returns_http, statuses)
    for module in (sweep_app, ask_app, approve_app, *after_the_sale):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def outbox(stack: MotoStack) -> list[dict[str, Any]]:
    """The emails that SES took, as they were handed to it."""
    client: Any = clients.email()
    send, sent = client.send_email, []

    def send_email(**email: Any) -> Any:
        answer = send(**email)
        sent.append(email)
        return answer

    client.send_email = send_email
    return sent


@pytest.fixture
def approvals(stack: MotoStack, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Approvals table, and the ask function's environment; the secrets of its links are known."""
    stack.run_as("AskFunction")
    number = itertools.count(1)

    def token_urlsafe(nbytes: int) -> str:
        assert nbytes >= 32, "a secret that can be guessed"
        return f"{LINK_SECRET}-{next(number)}"

    monkeypatch.setattr(ask_app, "secrets", SimpleNamespace(token_urlsafe=token_urlsafe))
    return stack.table("ApprovalsTable")


@pytest.fixture
def tasks(approvals: Any) -> Tasks:
    """Step Functions, and the executions whose tasks wait there."""
    return Tasks()


@pytest.fixture
def open_orders(stack: MotoStack) -> Any:
    """The OpenOrders table, and the sweep function's environment."""
    stack.run_as("SweepFunction")
    return stack.table("OpenOrdersTable")


@pytest.fixture
def stripe_account(account: None, monkeypatch: pytest.MonkeyPatch) -> FakeStripe:
    """Stripe, at the other end of the real SDK."""
    fake = FakeStripe()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda _, *args, **options: fake.send(*args, **options))
    return fake


@pytest.fixture
def stripe_secret(account: None) -> str:
    """The ARN of the secret that holds Stripe's key."""
    answer = aws("secretsmanager").create_secret(Name="stripe", SecretString="sk_test_secret")
    return str(answer["ARN"])


@pytest.fixture(params=["simulated", "stripe"])
def provider(request: pytest.FixtureRequest) -> dict[str, str]:
    """Each of the payment providers, as the parameters of a stack that uses it."""
    if request.param == "simulated":
        return {}
    request.getfixturevalue("stripe_account")
    return {"StripeSecretArn": request.getfixturevalue("stripe_secret")}


@pytest.fixture
def intents(provider: dict[str, str], stack: MotoStack, request: pytest.FixtureRequest) -> Callable[[], list[Any]]:
    """The payment intents in the provider's own books: status and amount of each."""

    def in_the_ledger() -> list[Any]:
        items = stack.table("SimulatedGatewayTable").scan()["Items"]
        return [(item["status"], int(item["amount"])) for item in items]

    def at_stripe() -> list[Any]:
        account = request.getfixturevalue("stripe_account")
        return [(intent["status"], intent["amount"]) for intent in account.intents.values()]

    return at_stripe if provider else in_the_ledger


@pytest.fixture
def bank(provider: dict[str, str], stack: MotoStack, request: pytest.FixtureRequest) -> Bank:
    """The bank of whoever pays."""
    if provider:
        return StripesBank(request.getfixturevalue("stripe_account"))
    return LedgersBank(stack.table("SimulatedGatewayTable"))


@pytest.fixture
def orders(stack: MotoStack) -> Any:
    """The Orders table, and the API's environment."""
    stack.run_as("ApiFunction")
    return stack.table("OrdersTable")


@pytest.fixture
def item(orders: Any) -> Any:
    """The order that was placed under the key, if there is one."""
    return lambda order_id=ORDER_ID: orders.get_item(Key={"order_id": order_id}).get("Item")


@pytest.fixture
def states(orders: Any, stack: MotoStack) -> Any:
    """The OrderStates table, and the API's environment."""
    return stack.table("OrderStatesTable")


@pytest.fixture
def asks(stack: MotoStack, tasks: Any, outbox: Any) -> Any:
    """`asks(an_order())` places an order and asks about it; answers the link's token."""

    def place(order: dict[str, Any]) -> str:
        stack.run_as("AskFunction")
        stack.table("OrdersTable").put_item(Item=order)
        tasks.ask(order_id=order["order_id"])
        stack.run_as("ApproveFunction")
        return link_in(outbox[-1])

    return place


@pytest.fixture
def link(asks: Any) -> str:
    """The end of the link by which order-1 is approved."""
    token: str = asks(an_order(lines=[a_line(), a_line(sku="POT", quantity=1, unit_price=2900)]))
    return token


@pytest.fixture
def standing(approvals: Any, link: str) -> Any:
    """`standing()` is what stands of the approval of order-1: its status and when it was decided."""

    def read() -> tuple[str, str | None]:
        item = approvals.get_item(Key={"order_id": "order-1"})["Item"]
        return item["status"], item.get("decided_at")

    return read


@pytest.fixture
def senders(stack: MotoStack, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Senders:
    """The carrier and Stripe, and the webhooks function's environment."""
    stack.run_as("WebhooksFunction")
    for module in (webhooks_app, webhooks_carrier, signatures, open_orders_list, stripe_webhook):
        monkeypatch.setattr(module, "time", clock)
    return Senders(clock.time)


@pytest.fixture
def inbox(senders: Senders, stack: MotoStack) -> Callable[[], dict[str, dict[str, Any]]]:
    """What is kept of the news, by its id."""
    return lambda: {item["id"]: item for item in stack.table("InboxTable").scan()["Items"]}


@pytest.fixture
def called(senders: Senders, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What people were called for by the webhooks."""
    client, taken = clients.alerts(), []
    publish = client.publish

    def keeping(**message: Any) -> Any:
        answer = publish(**message)
        [one] = json.loads(message["Message"])["open"]
        taken.append(one)
        return answer

    monkeypatch.setattr(client, "publish", keeping)
    return taken
