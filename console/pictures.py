"""`make pictures`: photograph the console of the running stack for the README, so that its pictures stay true.

It places orders and switches functions off and on again, as a visitor would.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import Error as PlaywrightError

from console import actions, browser, layout, place
from console.place import Place
from demo.shop import order
from local import left_running
from local.command import OK, execute, exit_with
from local.console import console
from local.stack import ROOT, Problem

WIDTH = 1200
LESSON = 10
ATTEMPTS = 30  # at an order under way: it is at its end within a second
SWEPT = re.compile("sent again (once|twice)")
LATEST_MS = 3_000.0  # that an order is at work at
PATIENCE_MS = 240_000.0  # until a sweep has come by


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all of them. Exit status 0; 1 when there is no console, or no browser; 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m console.pictures", description="Photograph the running console.")
    parser.add_argument("--description", type=Path, metavar="FILE", help="of a stack (default: that of `make up`)")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="for the pictures (default: docs)")
    options = parser.parse_args(arguments)
    return execute(lambda: run(options.description, options.folder))


def run(description: Path | None, folder: Path) -> int:
    """Find the console, and take one picture after the other. Raises Problem."""
    if description is None:
        left_running.running()  # says what to do when there is none
    file = description or left_running.stack_file()
    shown, url = place.embedded(file), _console_url(file)
    expect.set_options(timeout=PATIENCE_MS)
    try:
        with browser.opened() as opened:
            _keep(folder / "console-order.png", order_under_way(_visitor(opened, 1500), url, shown))
            _keep(folder / "console-fault.png", fault_healing(_visitor(opened, 1400), url))
            _keep(folder / "console-lesson.png", lesson(_visitor(opened, 1300), url))
    except (PlaywrightError, AssertionError) as error:
        raise Problem(f"The console does not show what is to be photographed: {error}") from None
    return OK


def order_under_way(page: Page, url: str, shown: Place) -> bytes:
    """An order whose event came twice: one execution has done some of its steps, and something is at work."""
    for _ in range(ATTEMPTS):
        item = order(f"tea-for-two-{secrets.token_hex(2)}", {"TEA-100": 2, "MUG-BLUE": 2})
        page.goto(url + layout.order_url(item["order_id"]))
        expect(page.get_by_text("There is no such order")).to_be_visible()
        with ThreadPoolExecutor(1) as shop:
            placing = shop.submit(_place_twice, shown, item)
            taken = _caught(page)
            placing.result()
        if taken:
            return taken
    raise Problem("Every order was at its end before it could be photographed. Try again while the machine is busy.")


def _place_twice(shown: Place, item: dict[str, object]) -> None:
    actions.place_order(shown, item)
    actions.send_event_again(shown, str(item["order_id"]), str(item["placed_at"]))


def _caught(page: Page) -> bytes | None:
    """A picture of two executions that have done some steps, while one is at work; None when it was too late."""
    second = page.get_by_role("heading", name="Execution 2 of 2")
    done, at_work = (page.locator(f".picture:not(.hidden-picture) .node.{one}") for one in ("done", "running"))
    try:
        for sought in (second, done.first, at_work.first):
            expect(sought).to_be_visible(timeout=LATEST_MS)
    except AssertionError:
        return None
    taken = page.screenshot()
    return taken if at_work.count() else None


def fault_healing(page: Page, url: str) -> bytes:
    """One fault that is mended, with the order that came through it; and another that still lasts."""
    page.goto(f"{url}/faults")
    with _switched_off(page, "payment"):
        first = _place(page)
        expect(_waiting(page, first).filter(has_text=SWEPT)).to_be_visible()
    expect(page.get_by_text(f"{first} has healed")).to_be_visible()
    with _switched_off(page, "notify"):
        expect(_waiting(page, _place(page)).first).to_be_visible()
        expect(page.locator(".q-notification")).to_have_count(0)
        return page.screenshot()


@contextmanager
def _switched_off(page: Page, function: str) -> Iterator[None]:
    broken = page.get_by_role("region", name="Broken now")
    page.get_by_role("button", name=f"Switch off: {function}", exact=True).click()
    expect(broken).to_be_visible()
    try:
        yield
    finally:
        broken.get_by_role("button", name="Mend it").first.click()
        expect(broken).to_be_hidden()


def _place(page: Page) -> str:
    """Place an order with the page's own button; answers its id."""
    page.get_by_role("button", name="Place an order").click()
    return page.get_by_text("Placed: ").last.inner_text().removeprefix("Placed: ")


def _waiting(page: Page, order_id: str) -> Locator:
    """Its lines in the list of what is still to do."""
    return page.get_by_role("listitem").filter(has_text=order_id).filter(has_text="open since")


def lesson(page: Page, url: str) -> bytes:
    """Both versions of a lesson, side by side."""
    page.goto(f"{url}/lessons/{LESSON}")
    expect(page.get_by_text("the repaired one survives")).to_be_visible()
    return page.screenshot()


def _visitor(opened: Browser, height: int) -> Page:
    page = opened.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light", reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    return page


def _keep(file: Path, taken: bytes) -> None:
    file.write_bytes(taken)
    console.print(f"{file.name} is taken.")


def _console_url(description: Path) -> str:
    try:
        url: str = json.loads(description.read_text())["console_url"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem(f"{description} tells of no console. Start one with: make down && make up") from None
    return url


if __name__ == "__main__":
    exit_with(main)
