"""Every page has the same frame, and finds the way to the others by itself."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing.user_interaction import UserInteraction

from console import layout
from console.place import Place
from tests.console.a_place import until, visitor

PLACE = Place("orders-test", {}, embedded=True, may_write=True, endpoint_url="http://127.0.0.1:1", stacks=())


@pytest.fixture
def _banners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_banners", [])


def _page_of_nothing(path: str) -> None:
    """A page that has its frame only."""

    @ui.page(path)
    def page() -> None:
        with layout.page("Nothing", PLACE):
            pass


@pytest.mark.usefixtures("_banners")
def test_a_page_has_one_first_heading_a_way_past_the_navigation_and_its_place_in_it() -> None:
    async def look() -> None:
        async with visitor() as user:
            layout.add_banner(lambda: ui.label("payment is away"))

            @ui.page("/ledgers")
            def page() -> None:
                with layout.page("Ledgers", PLACE):
                    ui.label("the content")

            client = await user.open("/ledgers")
            drawn = list(client.elements.values())
            headings = [one for one in drawn if isinstance(one, TextElement) and one.tag == "h1"]
            assert [one.text for one in headings] == ["Ledgers"]
            assert "wraps" in headings[0].classes  # an order's id may be long, and have no space
            await user.should_see("payment is away")
            assert [one for one in drawn if isinstance(one, ui.skip_link)]
            links = {one.props["href"]: one for one in drawn if isinstance(one, ui.link)}
            shown = {module.PATH for module in layout.pages() if module.ORDER is not None}
            assert shown <= links.keys()
            current = [href for href, link in links.items() if link.props.get("aria-current") == "page"]
            assert current == ["/ledgers"]

    asyncio.run(look())


@pytest.mark.parametrize(
    ("path", "current"), [("/lessons/1", {"/lessons": "true"}), ("/order", {"/": "true"}), ("/nowhere", {})]
)
@pytest.mark.usefixtures("_banners")
def test_a_page_below_another_shows_where_it_is(path: str, current: dict[str, str]) -> None:
    async def look() -> None:
        async with visitor() as user:
            _page_of_nothing(path)
            client = await user.open(path)
            links = [
                one for one in client.elements.values() if isinstance(one, ui.link) and "aria-current" in one.props
            ]
            assert {one.props["href"]: one.props["aria-current"] for one in links} == current

    asyncio.run(look())


@pytest.mark.usefixtures("_banners")
def test_light_or_dark_is_as_somebody_has_chosen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SHOWN_SECONDS", 3600)

    async def look() -> None:
        async with visitor() as user:
            _page_of_nothing("/ledgers")
            for choice, shown in (("dark", True), ("light", False), ("auto", None), ("<b>", None)):
                user.http_client.cookies.set(layout.COOKIE, choice)
                client = await user.open("/ledgers")
                [mode] = [one for one in client.elements.values() if isinstance(one, ui.dark_mode)]
                assert mode.value is shown

    asyncio.run(look())


@pytest.mark.usefixtures("_banners")
def test_what_sets_light_or_dark_goes_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would set it again with whatever changes on the page, and the browser draws all of it anew each time."""
    monkeypatch.setattr(layout, "SHOWN_SECONDS", 0)

    async def look() -> None:
        async with visitor() as user:
            _page_of_nothing("/ledgers")
            client = await user.open("/ledgers")
            await until(lambda: not [one for one in client.elements.values() if isinstance(one, ui.dark_mode)])

    asyncio.run(look())


@pytest.mark.usefixtures("_banners")
def test_the_menu_says_which_shade_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SHOWN_SECONDS", 3600)

    async def look() -> None:
        async with visitor() as user:
            _page_of_nothing("/ledgers")
            user.http_client.cookies.set(layout.COOKIE, "dark")
            client = await user.open("/ledgers")
            items = [one for one in client.elements.values() if isinstance(one, ui.menu_item)]
            assert {one.props["role"] for one in items} == {"menuitemradio"}
            assert [one.props["aria-checked"] for one in items] == ["false", "false", "true"]
            with user:
                UserInteraction(user=user, elements={items[0]}, target=None).click()
            await until(lambda: [one.props["aria-checked"] for one in items] == ["true", "false", "false"])
            modes = [one for one in client.elements.values() if isinstance(one, ui.dark_mode)]
            assert modes[-1].value is None

    asyncio.run(look())


@pytest.mark.parametrize("colour", layout.NOTIFIED.values())
def test_the_white_words_of_a_notification_can_be_read(colour: str) -> None:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


@pytest.mark.usefixtures("_banners")
def test_where_there_is_no_page_is_the_way_to_the_others() -> None:
    async def look() -> None:
        async with visitor() as user:
            ui.page("/nowhere")(partial(layout.nowhere, PLACE))
            client = await user.open("/nowhere")
            await user.should_see("There is no page here")
            links = [one.props["href"] for one in client.elements.values() if isinstance(one, ui.link)]
            assert {"/", "/ledgers"} <= set(links)

    asyncio.run(look())


def test_the_pages_are_found_and_each_says_what_it_is() -> None:
    pages = layout.pages()
    assert pages[0].PATH == "/"
    assert len({page.PATH for page in pages}) == len(pages)
    assert all(page.TITLE and page.add for page in pages)


@pytest.mark.parametrize("order_id", ["o-1", "a/../b", "?id=2&x#y", "<script>", "ü 1", "%2F", ""])
def test_an_order_of_any_id_has_an_address(order_id: str) -> None:
    address = urlsplit(layout.order_url(order_id))
    assert (address.path, address.fragment) == ("/order", "")
    assert parse_qs(address.query, keep_blank_values=True) == {"id": [order_id]}
