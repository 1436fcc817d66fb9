"""Somebody at the console: what they do there, what they wait for, and what their browser complains about."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, expect

# Whatever is awaited comes within seconds, and within minutes where a sweep has to find it.
PATIENCE_MS = 240_000.0
SERIOUS = ("serious", "critical")


@dataclass
class Visitor:
    """Somebody at the console, and what their browser had to complain about."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, context: BrowserContext, url: str) -> Visitor:
        """Somebody who is there already, and has seen nothing yet."""
        context.set_default_timeout(PATIENCE_MS)
        visitor = cls(context.new_page(), url)
        context.on("request", lambda request: visitor.hosts.add(urlsplit(request.url).hostname or ""))
        context.on("console", visitor._said)
        context.on("weberror", lambda error: visitor.complaints.append(str(error.error)))
        context.on("dialog", visitor._asked)
        return visitor

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _asked(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def goes_to(self, path: str) -> None:
        """Open a page of the console, and wait for its heading."""
        self.page.goto(self.url + path)
        self.sees(self.page.get_by_role("heading", level=1))

    def opens(self, link: Locator) -> Visitor:
        """The same person with a second page, which shows where a link leads."""
        address = str(link.get_attribute("href"))
        other = Visitor(self.page.context.new_page(), self.url, self.complaints, self.hosts)
        other.goes_to(address)
        return other

    def presses(self, name: str) -> None:
        """Press a button of this name, once it is there and takes clicks."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def sees(self, what: Locator | str) -> None:
        """Wait until a text, or whatever is meant, is there to be seen."""
        sought = self.page.get_by_text(what) if isinstance(what, str) else what
        expect(sought.first).to_be_visible(timeout=PATIENCE_MS)

    def places(self, kind: str) -> str:
        """Place an order with a click, and follow the link to its page; answers its id."""
        self.goes_to("/")
        self.page.get_by_role("group", name="One of a kind").get_by_role("button", name=kind).click()
        link = self.page.get_by_role("region", name="Place an order").get_by_role("link").first
        order_id = link.inner_text()
        link.click()
        self.sees(self.page.get_by_role("heading", level=1, name=f"Order {order_id}"))
        return order_id

    def sees_it_become(self, status: str) -> None:
        """Wait until an order's timeline tells of a status."""
        self.sees(f"The order became {status}")

    def sees_drawn(self, state: str, standing: str) -> None:
        """Wait until a state is drawn as one that stands so, in the picture that is seen."""
        drawn = self.page.locator(f".picture:not(.hidden-picture) .node.{standing}")
        self.sees(drawn.filter(has_text=state).first)

    def axe_finds(self) -> list[str]:
        """What is in the way of those who can't see or point, and is serious."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{self.page.url}: {one['id']} at {[node['target'] for node in one['nodes']]}"
            for one in found
            if one["impact"] in SERIOUS
        ]
