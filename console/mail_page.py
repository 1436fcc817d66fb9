"""The mail that went out, as whoever it is for sees it: customers, and the people who approve."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from nicegui import ui

from console import layout, ledger_rows, model
from console.place import Place
from console.watch import Mail, Watch

TITLE = "Mail"
PATH = "/mail"
ORDER = 30
ICON = "mail"

_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
# https://developer.mozilla.org/en-US/docs/Web/HTML/Reference/Elements/iframe#sandbox
_ALONE = (
    "<!doctype html><meta http-equiv=content-security-policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    "<base target=_blank>"
)
# So many at once; older ones are found by searching.
_SHOWN = 200


def add(place: Place, watch: Watch) -> None:
    """Register the page. `number` is the email that is open, `find` what is searched for."""

    @ui.page(PATH)
    def show(number: str = "", find: str = "") -> None:
        with layout.page(TITLE, place):
            if not place.embedded:
                ui.label(
                    "Emails go out through SES, which keeps none. Only the embedded stack has a mailbox to look at."
                )
                return
            mailbox = Mailbox(place, watch, number, find)
        ui.context.client.on_delete(watch.subscribe(lambda _: mailbox.update()))


class Mailbox:
    """All emails at the left, the one that is open at the right. A narrow screen shows one of the two."""

    def __init__(self, place: Place, watch: Watch, number: str, find: str) -> None:
        self._place, self._watch, self._number = place, watch, number
        self._drawn: tuple[str, list[int]] | None = None
        ui.label(
            "Nothing leaves this machine: this is what customers and approvers would find in their mailboxes."
        ).classes("soft text-sm")
        with ui.element("div").classes(
            "w-full grid grid-cols-1 md:grid-cols-[minmax(16rem,2fr)_3fr] gap-6 items-start"
        ):
            with ui.column().classes("w-full gap-2" + (" max-md:hidden" if number else "")):
                self._search = ui.input("Search", value=find, on_change=self.update).classes("w-full")
                self._search.props('clearable debounce=200 type=search aria-label="Search in addresses and subjects"')
                self._count = ui.label().classes("text-sm").props("role=status aria-live=polite")
                self._list = ui.element("ul").classes("list-none p-0 m-0 w-full")
            self._reading = ui.column().classes("w-full min-w-0" + ("" if number else " max-md:hidden"))
        self.update()
        self._read()

    def update(self) -> None:
        """Show what has come in."""
        sought = (self._search.value or "").casefold()
        found = [one for one in self._watch.mails if sought in f"{one.to} {one.subject}".casefold()]
        self._count.set_text(
            f"{len(found)} email{'' if len(found) == 1 else 's'}" + (", the latest first" if found else "")
        )
        newest = list(reversed(found[-_SHOWN:]))
        now = (sought, [one.number for one in newest])
        if now == self._drawn:
            return
        self._drawn = now
        self._list.clear()
        with self._list:
            for one in newest:
                self._entry(one)
        if not self._watch.mails:
            with self._list, ui.element("li").classes("py-4"):
                ui.label("No email yet. Place an order, and its customer is told what became of it.")

    def _entry(self, mail: Mail) -> None:
        is_open = str(mail.number) == self._number
        target = f"{PATH}?{urlencode({'number': mail.number, 'find': self._search.value or ''})}"
        with ui.element("li"):
            link = ui.link(target=target).classes(
                "block no-underline text-inherit px-3 py-2 rounded hover:bg-black/5 dark:hover:bg-white/10"
                + (
                    " bg-black/5 dark:bg-white/10 border-l-4 border-primary"
                    if is_open
                    else " border-l-4 border-transparent"
                )
            )
            if is_open:
                link.props("aria-current=true")
            with link:
                ui.label(model.text(mail.subject)).classes("font-medium break-words")
                ui.label(f"{model.text(mail.to)} · {ledger_rows.clock(mail.sent_at)}").classes("soft text-sm break-all")

    def _read(self) -> None:
        mail = next((one for one in self._watch.mails if str(one.number) == self._number), None)
        with self._reading:
            if mail:
                _letter(self._place, mail)
            else:
                ui.label("That email is gone." if self._number else "Choose an email to read it.").classes("py-4")


def _letter(place: Place, mail: Mail) -> None:
    with ui.row().classes("md:hidden"):
        ui.link("← All mail", PATH)
    with ui.element("article").classes("panel p-4 w-full flex flex-col gap-2"):
        layout.heading(model.text(mail.subject)).classes("text-xl m-0 wraps")
        ui.label(f"To {model.text(mail.to)}, at {ledger_rows.clock(mail.sent_at)}").classes("soft text-sm wraps")
        with ui.tabs().props("dense no-caps align=left").classes("w-full") as tabs:
            ui.tab("text", label="Text")
            ui.tab("html", label="As a mail program shows it")
        with ui.tab_panels(tabs, value="text", animated=False).classes("w-full bg-transparent"):
            with ui.tab_panel("text").classes("px-0"), ui.column().classes("gap-3 w-full"):
                for paragraph in mail.text.split("\n\n"):
                    _paragraph(place, paragraph)
            with ui.tab_panel("html").classes("px-0"):
                _frame(mail)


def _frame(mail: Mail) -> None:
    """The email's HTML, in a frame as mail programs have it: it runs nothing, loads nothing and knows no cookie, and a
    link opens a window of its own.
    """
    frame = ui.element("iframe").classes("w-full h-96 rounded bg-white").style("color-scheme: light")
    frame.props["title"] = "The email as a mail program shows it"
    frame.props["sandbox"] = "allow-popups allow-popups-to-escape-sandbox"
    frame.props["referrerpolicy"] = "no-referrer"
    frame.props["srcdoc"] = _ALONE + mail.html


def _paragraph(place: Place, text: str) -> None:
    """A paragraph as it is. What leads to our own API is a link; an order may say anything, so nothing else is."""
    with ui.column().classes("gap-0 w-full"):
        for line in text.splitlines():
            address = _ADDRESS.search(line)
            if address and _is_ours(place, address[0]):
                _shown(line[: address.start()])
                ui.link(address[0], address[0], new_tab=True).classes("break-all").props('rel="noopener noreferrer"')
                _shown(line[address.end() :])
            else:
                _shown(line)


def _is_ours(place: Place, address: str) -> bool:
    api = place.outputs.get("ApiUrl", "")
    return bool(api) and address.startswith(f"{api}/")


def _shown(line: str) -> None:
    if line:
        ui.label(line).classes("wraps whitespace-pre-wrap")
