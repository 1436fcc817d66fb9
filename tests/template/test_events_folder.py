"""events/: its page names every file and says how each function answers; here the functions are asked."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import publish.app
from aws import clients, stream
from aws.item import plain_item
from demo import order_files, shop
from local.seed import seed
from orders import rules
from orders.approval import digest
from orders.errors import OrderInvalid
from orders.tables import approval_from
from tests.unit import sandbox, shipping
from tests.unit.account import account
from tests.unit.builders import a_state, as_image
from tests.unit.stack import REGION, MotoStack, aws, template_of

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
PAGE = (EVENTS / "README.md").read_text("utf-8")
FUNCTIONS = {path.parent.name for path in ROOT.glob("functions/*/app.py")}
CATALOGUE = {product.sku: rules.Product(product.unit_price, shop.CURRENCY) for product in shop.CATALOGUE}


class Row(NamedTuple):
    """A row of the page's tables: under which heading, which file, what it answers or ends as, what comes first."""

    heading: str
    file: str
    answer: str
    first: list[str]

    @property
    def event(self) -> Any:
        return json.loads((EVENTS / self.file).read_text("utf-8"))


def rows() -> Iterator[Row]:
    heading = ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ").strip("`")
        elif line.startswith("| ["):
            file, _, answer, *first = line.strip("|").split("|")
            yield Row(heading, links(file)[0], answer.strip(" `"), links("".join(first)))


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", text)


ORDERS = [row for row in rows() if row.heading == "Orders"]
APPROVALS = [row for row in rows() if row.heading == "Approvals"]
INVOCATIONS = [row for row in rows() if row.heading not in ("Orders", "Approvals")]
BATCHES = [row for row in INVOCATIONS if row.heading in ("PublishFunction", "EnlistFunction")]


def by_file(these: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", these, ids=lambda row: row.file)


# ── The folder and its page ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_names_every_file_and_no_other() -> None:
    files = {str(path.relative_to(EVENTS)) for path in EVENTS.rglob("*") if path.is_file()} - {"README.md"}
    assert set(links(PAGE)) == files
    assert {row.file for row in rows()} == files - {"order.json"}


def test_every_function_has_its_events_under_its_name() -> None:
    folders = {row.file.partition("/")[0] for row in INVOCATIONS}
    assert folders == FUNCTIONS
    for row in INVOCATIONS:
        handler = handler_of(row)
        assert row.file.startswith(handler.partition(".")[0] + "/")


def test_what_comes_first_stands_further_up() -> None:
    seen: list[str] = []
    for row in rows():
        assert set(row.first) <= set(seen), row.file
        seen.append(row.file)


@pytest.mark.parametrize("folder", ["inventory", "payment"])
def test_every_action_has_an_event(folder: str) -> None:
    actions = set(re.findall(r'case "([a-z]+)":', (ROOT / "functions" / folder / "app.py").read_text("utf-8")))
    assert len(actions) > 1
    assert {row.event["action"] for row in INVOCATIONS if row.file.startswith(f"{folder}/")} == actions


def test_every_outcome_has_an_event() -> None:
    """Those that one call can bring about: a conflict or a lost answer takes two, or a fault."""
    shown = {(row.heading, row.event.get("action"), kind(row.answer)) for row in INVOCATIONS if row not in BATCHES}
    assert shown >= {
        ("ValidateFunction", None, "accepted"),
        ("ValidateFunction", None, "OrderInvalid"),
        ("ValidateFunction", None, "OrderDecided"),
        ("InventoryFunction", "reserve", "held"),
        ("InventoryFunction", "reserve", "OUT_OF_STOCK"),
        ("InventoryFunction", "reserve", "ORDER_CHANGED"),
        ("InventoryFunction", "release", "released"),
        ("InventoryFunction", "restock", "restocked"),
        ("InventoryFunction", "restock", "Unrecoverable"),
        ("PaymentFunction", "authorize", "held"),
        ("PaymentFunction", "authorize", "PAYMENT_DECLINED"),
        ("PaymentFunction", "authorize", "ORDER_CHANGED"),
        ("PaymentFunction", "authorize", "PAYMENT_REFUSED"),
        ("PaymentFunction", "capture", "captured"),
        ("PaymentFunction", "capture", "Unrecoverable"),
        ("PaymentFunction", "void", "voided"),
        ("PaymentFunction", "void", "Unrecoverable"),
        ("PaymentFunction", "refund", "refunded"),
        ("PaymentFunction", "refund", "Unrecoverable"),
        ("PaymentFunction", "refund", "PaymentOutstanding"),
        ("NotifyFunction", None, "told"),
        ("NotifyFunction", None, "nobody told"),
        ("AskFunction", "ask", "TaskDoesNotExist"),
        ("AskFunction", "settle", "settled"),
        *(("ApproveFunction", None, status) for status in ("200", "400", "404", "409", "410")),
        ("ShipFunction", "book", "shipped_at"),
        ("ShipFunction", "book", "PaymentOutstanding"),
        ("ShipFunction", "book", "Unrecoverable"),
        ("ShipFunction", "deliver", "StillOnItsWay"),
        ("ShipFunction", "archive", "StillOnItsWay"),
        ("ShipFunction", "label", "NothingToReturn"),
        *(("ReturnsFunction", None, status) for status in ("400", "404", "409", "422")),
        ("ReturnsFunction", "inspect", "NothingToReturn"),
        ("ReturnsFunction", "finish", "Unrecoverable"),
        ("WebhooksFunction", None, "400"),
        ("WebhooksFunction", "apply", "applied"),
    }


def kind(answer: str) -> str:
    if not answer.startswith("{"):
        return re.split("[: ]", answer)[0]
    match json.loads(answer):
        case {"held": True} | {"released": True} | {"captured": True} | {"voided": True}:
            return str(next(iter(json.loads(answer))))
        case {"held": False, "reason": reason}:
            return str(reason)
        case {"notified": told}:
            return "told" if told else "nobody told"
        case {"lines": _}:
            return "accepted"
        case other:
            return str(next(iter(other)))


def test_every_outcome_of_an_order_is_placed_and_told() -> None:
    outcomes = {row.file: row.answer for row in ORDERS}
    assert set(outcomes.values()) == {"CONFIRMED", "CANCELLED", "REJECTED"}
    told = {outcomes[row.first[0]] for row in INVOCATIONS if row.answer == '{"notified": true}'}
    assert told == set(outcomes.values())


# ── Orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_orders_have_ids_of_their_own() -> None:
    ids = {row.event["order_id"] for row in ORDERS}
    assert len(ids) == len(ORDERS)
    assert "order_id" not in json.loads((EVENTS / "order.json").read_text("utf-8"))


@by_file(ORDERS)
def test_an_order_is_as_valid_as_its_end_says(row: Row) -> None:
    item = parsed(row)
    if row.answer == "REJECTED":
        with pytest.raises(OrderInvalid):
            rules.accept(item, CATALOGUE)
        return
    order = rules.accept(item, CATALOGUE)
    assert order.payment_method == ("pm_card_visa" if row.answer == "CONFIRMED" else "pm_card_chargeDeclined")
    assert in_stock(order)


def test_the_order_to_play_with_is_valid() -> None:
    order = rules.accept(order_files.parse((EVENTS / "order.json").read_text("utf-8")), CATALOGUE)
    assert in_stock(order)


def in_stock(order: Any) -> bool:
    stock = {product.sku: product.available for product in shop.CATALOGUE}
    return all(line.quantity <= stock[line.sku] for line in order.lines)


# ── Approvals ───────────────────────────────────────────────────────────────────────────────────────────────────────


@by_file(APPROVALS)
def test_an_approval_stands_as_the_page_says_for_the_order_that_was_placed(row: Row) -> None:
    approval = approval_from(row.event)
    assert approval.status == row.answer
    orders = {item["order_id"]: item for item in (parsed(order) for order in ORDERS)}
    if approval.order_id in orders:
        assert approval.content == digest(plain_item(as_image(orders[approval.order_id])))


def test_what_was_approved_is_what_validate_is_told() -> None:
    [approved] = [row.event for row in APPROVALS if row.answer == "APPROVED"]
    [told] = [row.event for row in INVOCATIONS if row.file == "validate/approved.json"]
    assert told == {"order_id": approved["order_id"]["S"], "approved": approved["content"]["S"]}


def parsed(row: Row) -> dict[str, Any]:
    return order_files.parse((EVENTS / row.file).read_text("utf-8"))


# ── The stream's batches ────────────────────────────────────────────────────────────────────────────────────────────


@by_file(BATCHES)
def test_a_batch_is_one_that_lambda_would_hand_over(row: Row) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-example.html"""
    assert list(row.event) == ["Records"]
    numbers = []
    for record in row.event["Records"]:
        assert set(record) == {
            "eventID",
            "eventName",
            "eventVersion",
            "eventSource",
            "awsRegion",
            "dynamodb",
            "eventSourceARN",
        }
        assert (record["eventVersion"], record["eventSource"]) == ("1.1", "aws:dynamodb")
        change = record["dynamodb"]
        assert record["eventName"] == "INSERT"
        images = {"KEYS_ONLY": set[str](), "NEW_AND_OLD_IMAGES": {"NewImage"}}[change["StreamViewType"]]
        assert set(change) == images | {
            "ApproximateCreationDateTime",
            "Keys",
            "SequenceNumber",
            "SizeBytes",
            "StreamViewType",
        }
        assert list(change["Keys"]) == ["order_id"]
        for image in images:
            assert change[image]["order_id"] == change["Keys"]["order_id"]
        numbers.append(int(change["SequenceNumber"]))
    assert numbers == sorted(set(numbers))
    assert len({record["eventSourceARN"] for record in row.event["Records"]}) == 1


@by_file(BATCHES)
def test_a_batch_speaks_of_the_orders_that_were_placed(row: Row) -> None:
    ends = {row.event["order_id"]: row.answer for row in ORDERS}
    for record in row.event["Records"]:
        change = record["dynamodb"]
        order_id = change["Keys"]["order_id"]["S"]
        assert order_id in ends
        if "NewImage" in change and row.file != "publish/unreadable-record.json":
            assert change["NewImage"]["status"] == {"S": ends[order_id]}


@pytest.mark.parametrize(
    ("batch", "meaning"),
    [
        ("order-placed", ["sample-confirmed:placed"]),
        ("order-decided", ["sample-confirmed:confirmed", "sample-cancelled:cancelled", "sample-rejected:rejected"]),
        ("unreadable-record", ["put aside", "sample-confirmed:confirmed"]),
    ],
)
def test_a_batch_means_to_the_bus_what_its_name_says(
    batch: str, meaning: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_STATES_TABLE", "orders-OrderStatesTable")
    records = json.loads((EVENTS / "publish" / f"{batch}.json").read_text("utf-8"))["Records"]
    assert [means(record) for record in records] == meaning


def means(record: dict[str, Any]) -> str | None:
    try:
        event = publish.app.event_from(record)
    except stream.NOT_UNDERSTOOD:
        return "put aside"
    return str(event.detail["event_id"]) if event else None


# ── The answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

Answers = dict[str, str]
# Why these orders end as they do.
REASONS = {"CONFIRMED": "ACCEPTED", "CANCELLED": "PAYMENT_DECLINED", "REJECTED": "ORDER_INVALID"}


@pytest.fixture(scope="module")
def answers() -> Iterator[list[Answers]]:
    """Every event's answer: the page worked through from top to bottom, and once more. Nobody runs workflows here: what
    became of the orders is put where they would have written it, and no task waits.
    """
    with pytest.MonkeyPatch.context() as patch, account():
        _sign_in(patch)
        sandbox.forget()
        stack = MotoStack(
            patch, SenderEmail="orders@example.com", ApproverEmail="approver@example.com", AfterSale="yes"
        )
        there = {f"{name}TableName": name for name in ("Orders", "Inventory")}
        opened: Any = SimpleNamespace(outputs=there, table=lambda output: stack.table(output.removesuffix("Name")))
        seed(opened, shop.CATALOGUE_FILE)
        for row in ORDERS:
            shop.place(opened, parsed(row))
            state = a_state(row.answer, REASONS[row.answer], order_id=row.event["order_id"])
            stack.table("OrderStatesTable").put_item(Item=state)
            if row.answer == "CONFIRMED":
                _pay(stack, parsed(row))
        for row in APPROVALS:
            aws("dynamodb").put_item(TableName=stack["ApprovalsTable"], Item=row.event)
        patch.setattr(clients.workflows(), "send_task_success", _nobody_waits)
        yield [{row.file: _answer(stack, row) for row in INVOCATIONS} for _ in range(2)]
    sandbox.forget()


def _pay(stack: MotoStack, order: dict[str, Any]) -> None:
    """An order is reserved and paid for."""
    order_id = order["order_id"]
    stack.table("InventoryTable").put_item(Item=shipping.a_reservation(*order["lines"], order_id=order_id))
    stack.table("PaymentsTable").put_item(Item=shipping.a_payment(order_id=order_id, amount=order["total"]))


def _sign_in(patch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "test")
    patch.setenv("AWS_DEFAULT_REGION", REGION)


def _nobody_waits(**_: str) -> None:
    """As MiniStack says it."""
    said: Any = {"Error": {"Code": "TaskDoesNotExist", "Message": "Task token not found"}}
    raise clients.workflows().exceptions.TaskDoesNotExist(said, "SendTaskSuccess")


def _answer(stack: MotoStack, row: Row) -> str:
    """A function's answer as the page writes it."""
    stack.run_as(row.heading)
    module, _, name = handler_of(row).rpartition(".")
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 5_000)
    try:
        answer = getattr(importlib.import_module(module), name)(row.event, context)
    except Exception as error:  # noqa: BLE001 - whatever it is, the runtime would answer it
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    return _whenever(_of_http(answer) if "statusCode" in answer else json.dumps(answer))


def _of_http(answer: dict[str, Any]) -> str:
    """An answer to an HTTP request: its status, and its page's heading or the JSON that it holds."""
    heading = re.search("<h1>(.*)</h1>", answer["body"])
    return f"{answer['statusCode']} {heading[1] if heading else answer['body']}"


def _whenever(answer: str) -> str:
    """An answer without its moments."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "…", answer)


def handler_of(row: Row) -> str:
    """The handler of the function that a row's heading names, in whichever template it is."""
    return str(template_of(row.heading)["Resources"][row.heading]["Properties"]["Handler"])


@by_file(INVOCATIONS)
def test_a_function_answers_as_the_page_says(row: Row, answers: list[Answers]) -> None:
    assert answers[0][row.file] == row.answer


REFUSED_FOR_GOOD = {
    "inventory/reserve.json": "PAYMENT_DECLINED",
    "inventory/reserve-changed.json": "PAYMENT_DECLINED",
    "payment/authorize-to-void.json": "OUT_OF_STOCK",
}


@by_file(INVOCATIONS)
def test_an_event_that_comes_again_is_answered_the_same(row: Row, answers: list[Answers]) -> None:
    again = answers[1][row.file]
    if reason := REFUSED_FOR_GOOD.get(row.file):
        assert json.loads(again) == {"held": False, "reason": reason}
    else:
        assert again == row.answer
