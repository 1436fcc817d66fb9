"""`make order UNTIL=…`: an order goes as far as it is told to, what happens is said, and what is wrong as well."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import __main__ as commands
from demo import order_files, show
from demo.after_sale import STAGES
from demo.shop import CATALOGUE_FILE
from local import console
from local.books import about
from orders import Outcome, Status
from orders.tables import stock_key
from tests.demo.a_shop import AShop, pending
from tests.printing import printed_to

TWO_PARCELS = Path(commands.__file__).with_name("two-parcels.json")


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with printed_to(out):
        console.console.width = 100
        yield out


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch, printed: io.StringIO) -> Callable[..., tuple[int, str]]:
    """Runs the command against a shop: its exit status, and what it said."""

    def run(a_shop: AShop, until: str, file: Path = TWO_PARCELS) -> tuple[int, str]:
        a_shop.open(monkeypatch)
        status = commands.main(["order", "--until", until, "--", str(file)])
        return status, printed.getvalue()

    return run


Order = Callable[..., tuple[int, str]]


def happened(said: str) -> list[str]:
    """What was told of on the way."""
    return re.findall(r"^ +[\d.]+ s  ✔ (.*)$", said, re.MULTILINE)


def of_one(tmp_path: Path, **changes: Any) -> Path:
    """An order of a single unit."""
    item = json.loads(TWO_PARCELS.read_text())
    item |= {"lines": [item["lines"][1]], "total": 4900} | changes
    (tmp_path / "one.json").write_text(json.dumps(item))
    return tmp_path / "one.json"


# ── How far ─────────────────────────────────────────────────────────────────────────────────────────────────────────

BOOKED = [
    "placed",
    "confirmed, and 74.00 EUR captured",
    "booked in 2 parcels: 2 × MUG-BLUE from main; 1 × POT-1L from north",
]
CARRIED = [
    *("the parcel from main is shipped", "the parcel from north is shipped"),
    *("the parcel from main is delivered", "the parcel from north is delivered"),
    "delivered; it may be sent back for 2 minutes",
]
KEPT = [
    *("return asked for: 1 × MUG-BLUE", "label made: SIM-back", "the parcel has come back"),
    "12.50 EUR refunded, and 1 × MUG-BLUE back in stock",
    "archived: its customer keeps the rest",
]
BACK = [
    *("return asked for: 2 × MUG-BLUE, 1 × POT-1L", "label made: SIM-back", "the parcel has come back"),
    "74.00 EUR refunded, and 2 × MUG-BLUE, 1 × POT-1L back in stock",
    "returned: everything has come back",
]


@pytest.mark.parametrize(
    ("until", "steps"),
    [
        (Status.CONFIRMED, BOOKED[:2]),
        (Status.SHIPPING, BOOKED),
        (Status.DELIVERED, BOOKED + CARRIED),
        (Status.RETURNED, BOOKED + CARRIED + BACK),
        (Status.ARCHIVED, BOOKED + CARRIED + KEPT),
    ],
)
def test_an_order_goes_as_far_as_it_is_told_to(until: str, steps: list[str], order: Order) -> None:
    a_shop = AShop()
    status, said = order(a_shop, until.lower())
    assert happened(said) == steps
    assert a_shop.status == until
    assert status == 0, said


def test_the_ledgers_are_shown_at_the_end_and_every_promise_that_can_be_checked(order: Order) -> None:
    _, said = order(AShop(), Status.ARCHIVED)
    for row in (
        r"from main +2 × MUG-BLUE +DELIVERED +SIM-main +SIM-main",
        r"back +1 × MUG-BLUE +REFUNDED +SIM-back +SIM-back",
        r"MUG-BLUE +5000 +2 +1 +4999",
        r"ours +CAPTURED +74.00 EUR +12.50 EUR",
        r"the provider's +succeeded +74.00 EUR +12.50 EUR",
    ):
        assert re.search(row, said), row
    assert all(
        f"✔ {promise}" in said
        for promise in (
            "What was captured and not refunded is the price of what the customer keeps",
            "Stock is conserved: what is available and what is held add up",
            "No news is lost, whenever and in whatever order it comes",
            "A return that was answered stands",
            "Each workflow has come to its end",
            "Each confirmed order is shipped, and comes to its end",
        )
    )
    assert max(map(len, said.splitlines())) <= 100


def test_a_single_unit_is_kept(order: Order, tmp_path: Path) -> None:
    status, said = order(AShop(), Status.ARCHIVED, of_one(tmp_path))
    assert happened(said)[-2:] == [
        "delivered; it may be sent back for 2 minutes",
        "archived: its customer keeps everything",
    ]
    assert "booked in 1 parcel: 1 × POT-1L from north" in said
    assert status == 0


def test_what_holds_at_the_end_only_is_asked_at_the_end_only(order: Order) -> None:
    _, said = order(AShop(), Status.DELIVERED)
    assert "Each confirmed order is shipped, and comes to its end" not in said
    assert "Each workflow has come to its end" not in said
    assert "✔ A parcel is booked once" in said


def test_without_shipping_a_confirmed_order_is_at_its_end(order: Order) -> None:
    status, said = order(AShop(shipping=False), Status.CONFIRMED)
    assert "✔ Each order comes to its end: none is open any more" in said
    assert "✘" not in said
    assert status == 0


# ── What is wrong ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("unknown", ["SHIPPED", "CANCELLED", "", "PLACED"])
def test_a_status_that_there_is_not_is_wrong_usage(unknown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(["order", "--until", unknown, str(TWO_PARCELS)])
    assert ended.value.code == 2
    assert f"{unknown!r} is not one of {', '.join(STAGES)}" in capsys.readouterr().err


def complaint(said: str) -> str:
    """The only one, in one line."""
    [line] = [line for line in said.splitlines() if line.startswith("✘ ")]
    return line


@pytest.mark.parametrize("until", [stage for stage in STAGES if stage != Status.CONFIRMED])
def test_where_nothing_ships_nothing_is_placed(until: str, order: Order) -> None:
    a_shop = AShop(shipping=False)
    status, said = order(a_shop, until)
    assert (status, a_shop.placed) == (1, [])
    assert complaint(said).endswith("make down && make up")


def test_an_order_that_is_not_confirmed_is_never_shipped(order: Order) -> None:
    status, said = order(AShop(outcome=Outcome.CANCELLED), Status.DELIVERED)
    assert status == 1
    assert complaint(said).endswith("is CANCELLED and not CONFIRMED, so it is never shipped.")


def test_an_order_that_waits_for_its_approval_is_not_waited_for(order: Order) -> None:
    a_shop = AShop(approval=pending("any"))
    status, said = order(a_shop, Status.DELIVERED)
    assert "a person has to approve it" in complaint(said)
    assert status == 1


def test_an_order_that_is_cancelled_before_it_ships_is_told_so(order: Order) -> None:
    status, said = order(AShop(regretted=True), Status.DELIVERED)
    assert complaint(said).endswith("was cancelled before it was shipped.")
    assert status == 1


@pytest.mark.parametrize(
    ("asleep", "in_vain"),
    [
        (Status.CONFIRMED, "its confirmation"),
        (Status.SHIPPING, "the order's delivery"),
        (Status.DELIVERED, "the carrier's label"),
    ],
)
def test_what_never_comes_is_named_and_the_order_shown(asleep: str, in_vain: str, order: Order) -> None:
    a_shop = AShop(asleep=asleep)
    began = a_shop.now
    status, said = order(a_shop, Status.ARCHIVED)
    assert status == 1
    assert f"is {asleep}, and {in_vain} was waited for in vain. See what" in complaint(said)
    assert f"{a_shop.order_id}  {asleep}" in said
    assert a_shop.now - began < 600


def test_nobody_waits_for_weeks(order: Order) -> None:
    a_shop = AShop(window=14 * 24 * 60 * 60.0)
    status, said = order(a_shop, Status.ARCHIVED)
    assert "is archived in 14 days" in complaint(said)
    assert (status, a_shop.returns and a_shop.returns.returns) == (1, {})


def test_an_order_that_does_not_add_up_is_a_failure_and_says_why(order: Order) -> None:
    a_shop = AShop(broken={"restocked": {}})
    status, said = order(a_shop, Status.ARCHIVED)
    assert "✘ What was captured and not refunded is the price of what the customer keeps" in said
    assert "6150 paid, and 7400 is the price of what is kept" in said
    assert status == 1


@pytest.mark.parametrize(("late", "right"), [(3, True), (10_000, False)])
def test_what_adds_up_a_moment_later_is_no_failure(late: int, right: bool, order: Order) -> None:
    status, said = order(AShop(emails_after=late), Status.DELIVERED)
    assert status == (0 if right else 1)
    assert ("✘" not in said) == right


# ── The carrier ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_parcel_is_told_of_twice_and_signed_as_the_shop_asks(order: Order) -> None:
    a_shop = AShop()
    order(a_shop, Status.DELIVERED)
    assert [(one["kind"], one["reference"].partition("/")[2], one["tracking"]) for one in a_shop.told] == [
        ("parcel.shipped", "out/main", "SIM-main"),
        ("parcel.shipped", "out/north", "SIM-north"),
        ("parcel.delivered", "out/main", "SIM-main"),
        ("parcel.delivered", "out/north", "SIM-north"),
    ]
    assert len({one["id"] for one in a_shop.told}) == 4


def test_news_that_is_not_taken_is_told_again(order: Order) -> None:
    a_shop = AShop(refusals=[500, 503])
    assert order(a_shop, Status.DELIVERED)[0] == 0
    assert len(a_shop.told) == 4


def test_news_that_is_refused_ends_it(order: Order) -> None:
    status, said = order(AShop(refusals=[400]), Status.DELIVERED)
    assert "was answered with 400" in complaint(said)
    assert status == 1


# ── The customer ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_return_that_is_not_answered_is_asked_for_again_under_its_key(order: Order) -> None:
    a_shop = AShop(returns_refused=[500, 502])
    assert order(a_shop, Status.ARCHIVED)[0] == 0
    assert len(a_shop.keys) == 3
    assert len(set(a_shop.keys)) == 1


def test_a_return_that_is_refused_ends_it(order: Order) -> None:
    status, said = order(AShop(returns_refused=[409]), Status.ARCHIVED)
    assert complaint(said).startswith("✘ The return was answered with 409")
    assert status == 1


# ── The books of one order ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_books_about_one_order_know_no_other() -> None:
    a_shop = AShop()
    a_shop.placed.append(order_files.read(TWO_PARCELS))
    while a_shop.look().status != Status.SHIPPING:
        pass
    ours, all_of_them = a_shop.order_id, a_shop.books()
    books = about(all_of_them, [ours])
    for of in (books.orders, books.states, books.payments, books.intents, books.shipments):
        assert set(of) == {ours}
    assert books.open == {ours}
    assert {name.partition("/")[0] for name in books.bookings} == {ours}
    assert books.reservations == all_of_them.reservations


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_ledger_leaves_anything_out(width: int, order: Order, printed: io.StringIO) -> None:
    a_shop = AShop()
    order(a_shop, Status.ARCHIVED)
    printed.seek(0)
    printed.truncate()
    console.console.width = width
    show.show_ledgers(a_shop.order_id, a_shop.books(), AShop().books())
    assert "…" not in printed.getvalue()
    assert all(len(line) <= width for line in printed.getvalue().splitlines())


def test_the_sample_goes_in_two_parcels() -> None:
    lying = {
        item["pk"]: item.get("warehouse", "") for item in json.loads(CATALOGUE_FILE.read_text())["InventoryTableName"]
    }
    skus = [line["sku"] for line in order_files.read(TWO_PARCELS)["lines"]]
    assert len({lying[stock_key(sku)["pk"]["S"]] for sku in skus}) == 2
