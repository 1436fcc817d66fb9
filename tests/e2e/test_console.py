"""The console in a real browser, by the stack that the tests of the front door and of shipping share."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from console import browser
from console.kinds import MARKUP
from demo.shop import order
from local import left_running, page
from local import stack as local_stack
from local.emulator import Emulator
from local.environment import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.stack import RunningStack
from orders import Status
from tests.e2e.conftest import Pipeline, told
from tests.e2e.visitor import PATIENCE_MS, Visitor
from tests.exhaustive import exhaustive

A_DAY = "1"  # in which something may be sent back, however long its test takes


@pytest.fixture(scope="module")
def url(shipping: RunningStack, doors_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console of our own, which is told to end as `make down` does."""
    if browser.executable() is None:
        pytest.skip("There is no chromium on the PATH: its package is named so in Debian, and in others.")
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_stack, "STATE", folder)
        left_running.describe(doors_emulator, shipping, {})
        described = ["--description", str(left_running.stack_file())]
        with served(page.start(described, folder), folder) as url:
            yield url


@contextmanager
def served(shown: page.Page, folder: Path) -> Iterator[str]:
    """The address of a console that ends when it is told to, and has nothing to complain about."""
    try:
        yield shown.url
        assert shown.process.end(page.END_SECONDS), (folder / "console.log").read_text()
    finally:
        shown.group.end()
    assert "Traceback" not in (folder / "console.log").read_text()


@pytest.fixture(scope="module")
def chromium(url: str) -> Iterator[Browser]:
    with browser.opened() as opened:
        yield opened


@pytest.fixture
def visitor(chromium: Browser, url: str) -> Iterator[Visitor]:
    """Whatever a test does, the browser has nothing to complain about, and asks nobody else for anything."""
    with chromium.new_context(viewport={"width": 1200, "height": 900}) as context:
        one = Visitor.of(context, url)
        yield one
        assert one.complaints == []
        assert one.hosts <= {"127.0.0.1", ""}  # data: has no host


# ── An order's life ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_with_a_click_and_followed_to_its_confirmation(visitor: Visitor) -> None:
    order_id = visitor.places("One line")
    visitor.sees_it_become("CONFIRMED")
    visitor.sees("Every event was delivered once")
    visitor.sees(visitor.page.get_by_role("tab", name="shipping (1)", selected=True))  # where it is led to
    visitor.page.get_by_role("tab", name="order (1)").click()
    for state in ("Validate", "Reserve", "Authorize", "Confirm", "Capture", "Notify"):
        visitor.sees_drawn(state, "done")
    visitor.goes_to("/")
    visitor.sees(visitor.page.get_by_role("row").filter(has_text=order_id).filter(has_text="17.80 EUR"))


def test_what_was_delivered_twice_took_effect_once(visitor: Visitor) -> None:
    visitor.places("Event delivered twice")
    visitor.sees("was delivered twice, so 2 executions of the order workflow ran")
    visitor.sees("1 reservation, 1 charge")


def test_an_order_over_the_limit_waits_for_a_person_who_approves_it(visitor: Visitor) -> None:
    visitor.places("Over the approval limit")
    visitor.presses("Approve")
    visitor.sees("is approved.")
    visitor.sees_it_become("CONFIRMED")


@exhaustive
def test_an_order_over_the_limit_is_denied(visitor: Visitor) -> None:
    visitor.places("Over the approval limit")
    visitor.presses("Deny")
    visitor.sees_it_become("CANCELLED")


@exhaustive
def test_an_order_is_cancelled_while_nobody_has_decided(visitor: Visitor) -> None:
    visitor.places("Over the approval limit")
    visitor.presses("Cancel")
    visitor.sees_it_become("CANCELLED")


def test_an_order_is_shipped_delivered_and_sent_back_from_its_page(visitor: Visitor, shipping: RunningStack) -> None:
    with told(shipping, "shipping", "ShipFunction", RETURN_DAYS=A_DAY):
        visitor.places("From two warehouses")
        visitor.presses("Carrier collects it")
        visitor.presses("Carrier delivers it")
        visitor.sees_it_become("DELIVERED")
        visitor.presses("Send back")
        visitor.page.get_by_role("dialog").get_by_role("button", name="Send back", exact=True).click()
        visitor.presses("Carrier brings it back")
        visitor.sees_it_become("RETURNED")
        visitor.sees("74.00 EUR paid back")


# ── What is broken ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _mended(visitor: Visitor) -> Iterator[None]:
    """Whatever comes of the test, the tests after it find nothing broken."""
    yield
    mend = visitor.page.get_by_role("region", name="Broken now").get_by_role("button", name="Mend it")
    while mend.count():
        mend.first.click()


@pytest.mark.usefixtures("_mended")
def test_a_service_is_switched_off_and_on_again_and_the_order_heals(visitor: Visitor) -> None:
    visitor.goes_to("/faults")
    visitor.presses("Switch off: payment")
    broken = visitor.page.get_by_role("region", name="Broken now")
    visitor.sees(broken.get_by_text("payment is switched off"))
    visitor.presses("Place an order")
    waiting = visitor.page.get_by_role("listitem").filter(has_text="one-line-").filter(has_text="open since")
    visitor.sees(waiting)
    order = visitor.opens(waiting.get_by_role("link"))
    order.sees_drawn("Authorize", "retrying")
    order.sees(order.page.get_by_role("region", name="Broken now"))

    broken.get_by_role("button", name="Mend it").click()
    expect(broken).to_be_hidden(timeout=PATIENCE_MS)
    order.sees_it_become("CONFIRMED")
    order.sees("1 reservation")
    expect(waiting).to_have_count(0, timeout=PATIENCE_MS)
    expect(order.page.get_by_role("region", name="Broken now")).to_be_hidden()


# ── What an order may say ───────────────────────────────────────────────────────────────────────────────────────────


def test_markup_in_every_field_is_text_on_every_page(visitor: Visitor) -> None:
    order_id = visitor.places("Markup in every field")
    visitor.sees_it_become("REJECTED")
    closed = visitor.page.get_by_role("button", name="Expand")
    for _ in range(closed.count()):
        closed.first.click()
    visitor.sees(MARKUP)
    for path in ("/", f"/order?id={quote(MARKUP)}", f"/mail?find={quote(MARKUP)}", "/ledgers", "/faults"):
        runs_nothing(visitor)
        visitor.goes_to(path)
    runs_nothing(visitor)
    visitor.goes_to("/")
    visitor.page.get_by_role("searchbox", name="Search").fill(order_id)
    visitor.sees(visitor.page.get_by_role("row").filter(has_text=order_id).filter(has_text="<img"))
    runs_nothing(visitor)


@exhaustive
def test_markup_in_the_form_is_refused_or_stored_as_text(visitor: Visitor) -> None:
    visitor.goes_to("/")
    visitor.presses("Fill a form")
    form = visitor.page.get_by_role("dialog")
    for label in ("Customer id", "Email", "Ship to"):
        form.get_by_label(label).fill(MARKUP)
    form.get_by_role("button", name="Place the order").click()
    visitor.sees(form.get_by_role("alert").filter(has_text="refused (422)"))
    runs_nothing(visitor)
    form.get_by_label("Customer id").fill("customer-1")
    form.get_by_label("Email").fill("ada@example.com")
    form.get_by_role("button", name="Place the order").click()
    visitor.page.get_by_role("region", name="Place an order").get_by_role("link").first.click()
    visitor.sees_it_become("CONFIRMED")
    runs_nothing(visitor)


def runs_nothing(visitor: Visitor) -> None:
    """There is no element of an order's making, and its script has not run."""
    assert visitor.page.locator("img[src=x]").count() == 0
    assert visitor.page.title() != "owned"


# ── By a profile ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def by_a_profile(url: str, shipping: RunningStack, tmp_path: Path) -> Iterator[str]:
    """A console of the same stack, which knows of it what a profile says, as of one on AWS."""
    assert url  # there is a browser
    settings = {
        "region": REGION,
        "endpoint_url": shipping.endpoint_url,
        "aws_access_key_id": ACCESS_KEY_ID,
        "aws_secret_access_key": SECRET_ACCESS_KEY,
    }
    config = tmp_path / "config"
    config.write_text("\n".join(["[profile shop]", *(f"{name} = {value}" for name, value in settings.items())]))
    asked = ["--profile", "shop", "--stack", shipping.stack_name]
    with served(page.start(asked, tmp_path, AWS_CONFIG_FILE=str(config)), tmp_path):
        [invitation] = re.findall(r"http://\S+", (tmp_path / "console.log").read_text())
        yield invitation


@exhaustive
def test_a_stack_behind_a_profile_is_shown_as_it_moves_and_can_only_be_looked_at(
    chromium: Browser, by_a_profile: str, shops: Pipeline
) -> None:
    with chromium.new_context(viewport={"width": 1200, "height": 900}) as context:
        address, key = by_a_profile.split("/?")
        with chromium.new_context() as another:  # user of this machine
            stranger = Visitor.of(another, address)
            stranger.page.goto(address)
            stranger.sees("Open the address that it has printed")
        visitor = Visitor.of(context, address)
        visitor.goes_to(f"/?{key}")
        assert key not in visitor.page.url
        visitor.sees("This console only looks")
        order_id = shops.place(order(f"seen-{secrets.token_hex(3)}", {"TEA-100": 1}))
        row = visitor.page.get_by_role("row").filter(has_text=order_id)
        visitor.sees(row.filter(has_text=Status.SHIPPING))
        visitor.goes_to(f"/order?id={order_id}")
        visitor.sees_it_become("CONFIRMED")
        for path in ("/", f"/order?id={order_id}", "/ledgers", "/mail", "/lessons"):
            visitor.goes_to(path)
            for name in (
                "Fill a form",
                "Cancel",
                "Carrier collects it",
                "Deliver its event again",
                "Switch off: notify",
            ):
                expect(visitor.page.get_by_role("button", name=name, exact=True)).to_have_count(0)
            expect(visitor.page.get_by_role("group", name="One of a kind")).to_have_count(0)
        assert visitor.complaints == []


# ── Whoever can't see or point ──────────────────────────────────────────────────────────────────────────────────────


@exhaustive
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_keyboard_and_screen_reader(
    chromium: Browser, url: str, scheme: Literal["light", "dark"]
) -> None:
    with chromium.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900}) as context:
        visitor = Visitor.of(context, url)
        visitor.goes_to("/")
        pages = visitor.page.get_by_role("navigation", name="Pages").get_by_role("link")
        paths = [str(link.get_attribute("href")) for link in pages.all()]
        assert len(paths) >= 5
        found = [finding for path in paths for finding in looked_at(visitor, path)]
        order_id = visitor.places("Event delivered twice")
        visitor.sees_it_become("CONFIRMED")
        found += visitor.axe_finds()
        visitor.goes_to(f"/mail?find={order_id}")
        visitor.page.get_by_role("listitem").get_by_role("link").first.click()
        visitor.sees(visitor.page.get_by_role("article"))
        found += visitor.axe_finds()
        visitor.goes_to("/lessons/1")
        visitor.sees("the repaired one survives the same")
        assert found + visitor.axe_finds() == []


@exhaustive
def test_the_keyboard_opens_an_order_from_any_cell_and_leaves_the_list(visitor: Visitor) -> None:
    order_id = visitor.places("One line")
    visitor.goes_to("/")
    cell = visitor.page.get_by_role("row").filter(has_text=order_id).get_by_role("gridcell").filter(has_text="EUR")
    cell.click()
    for _ in range(3):
        visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.closest('.ag-root-wrapper')") is None
    cell.click()
    visitor.page.keyboard.press("Enter")
    visitor.sees(visitor.page.get_by_role("heading", level=1, name=f"Order {order_id}"))


@exhaustive
@pytest.mark.usefixtures("_mended")
def test_who_breaks_and_mends_by_keyboard_stays_where_the_button_was(visitor: Visitor) -> None:
    visitor.goes_to("/faults")
    focused = visitor.page.locator(":focus")
    visitor.page.get_by_role("button", name="Switch off: notify", exact=True).focus()
    visitor.page.keyboard.press("Enter")
    expect(focused).to_have_accessible_name(re.compile("^Mend it: .*notify"), timeout=PATIENCE_MS)
    visitor.page.keyboard.press("Enter")
    expect(focused).to_have_accessible_name("Switch off: notify", timeout=PATIENCE_MS)


@exhaustive
def test_who_wants_it_dark_has_every_page_dark(visitor: Visitor) -> None:
    dark, body = re.compile("body--dark"), visitor.page.locator("body")
    visitor.goes_to("/")
    expect(body).not_to_have_class(dark)
    visitor.presses("Light or dark")
    visitor.page.get_by_role("menuitemradio", name="Dark", exact=True).click()
    expect(body).to_have_class(dark, timeout=PATIENCE_MS)
    visitor.goes_to("/mail")
    expect(body).to_have_class(dark, timeout=PATIENCE_MS)


def looked_at(visitor: Visitor, path: str) -> list[str]:
    """What axe finds on a page once all of it is there."""
    visitor.goes_to(path)
    visitor.page.wait_for_load_state("networkidle")
    expect(visitor.page.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE_MS)
    for grid in visitor.page.get_by_role("treegrid").or_(visitor.page.get_by_role("grid")).all():
        visitor.sees(grid.get_by_role("gridcell").first)
    return visitor.axe_finds()


@exhaustive
def test_a_phone_shows_every_page_without_scrolling_sideways(chromium: Browser, url: str) -> None:
    with chromium.new_context(viewport={"width": 390, "height": 844}) as context:
        visitor = Visitor.of(context, url)
        visitor.goes_to("/")
        pages = visitor.page.get_by_role("navigation", name="Pages").get_by_role("link")
        for path in [str(link.get_attribute("href")) for link in pages.all()]:
            visitor.goes_to(path)
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390, path
