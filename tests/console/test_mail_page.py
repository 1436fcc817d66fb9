"""The mail is shown as what it is, text, and only what leads to our own API is a link."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User

from console import mail_page
from console.mailbox import Mail
from console.place import Place
from console.watch import Watch
from tests.console.a_place import visitor
from tests.console.breakable import breakable

API = "http://127.0.0.1:4566/_aws/execute-api/frontdoor-local"
LINK = f"{API}/approvals/abc.def"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">{{constructor}}"


def a_mail(number: int = 0, **changes: str) -> Mail:
    said = {
        "to": "ada@example.com",
        "subject": "Your order o-1 is confirmed",
        "text": "Thank you.\n\n2 × TEA-100: 17.80 EUR",
        "html": "<p>Thank you.</p>",
        "sent_at": "1795673843.9",
    } | changes
    return Mail(number, **said)


def visit(*mails: Mail, path: str = mail_page.PATH, place: Place | None = None) -> Any:
    """The elements of the page, by type: the texts of labels, the targets of links, the props of frames."""

    async def look() -> dict[str, Any]:
        async with visitor() as user:
            shown = place or breakable()
            shown.outputs["ApiUrl"] = API
            watch = Watch(shown)
            watch.mails = list(mails)
            mail_page.add(shown, watch)
            await user.open(path)
            return {
                "labels": [str(one.text) for one in found(user, ui.label)],
                "links": [str(one.props["href"]) for one in found(user, ui.link) if not is_ours(one)],
                "frames": [dict(one.props) for one in found(user, ui.element) if one.tag == "iframe"],
                "html": found(user, ui.html),
            }

    return asyncio.run(look())


def found(user: User, kind: type[Any]) -> list[Any]:
    with user:
        try:
            return list(user.find(kind).elements)
        except AssertionError:
            return []


def is_ours(link: ui.link) -> bool:
    """Whether it leads to a page of the console."""
    return str(link.props["href"]).startswith(("/", "#"))


def test_an_email_is_shown_with_whom_it_is_for_and_what_it_says() -> None:
    labels = visit(a_mail(), path="/mail?number=0")["labels"]
    assert any(one.startswith("To ada@example.com") for one in labels)
    assert {"Thank you.", "2 × TEA-100: 17.80 EUR"} <= set(labels)


def test_the_link_of_an_approval_works() -> None:
    mail = a_mail(subject="Please approve order o-1", text=f"Look at it:\n{LINK}\n\nWithout an answer it is cancelled.")
    page = visit(mail, path="/mail?number=0")
    assert page["links"] == [LINK]
    assert "Look at it:" in page["labels"]


@pytest.mark.parametrize(
    "address",
    ["http://evil.example.com/approvals/x", f"{API}.evil.example.com/x", "javascript:alert(1)", f"x{API}/approvals"],
)
def test_what_leads_anywhere_else_is_no_link(address: str) -> None:
    page = visit(a_mail(text=f"Click {address}"), path="/mail?number=0")
    assert all(link.startswith(f"{API}/") for link in page["links"])
    assert address in "".join(page["labels"]) or page["links"]


def test_hostile_strings_are_text() -> None:
    mail = a_mail(to=HOSTILE, subject=HOSTILE, text=HOSTILE)
    page = visit(mail, path="/mail?number=0")
    assert page["labels"].count(HOSTILE) >= 2
    assert not page["html"]


def test_an_emails_html_runs_nothing_and_loads_nothing() -> None:
    [frame] = visit(a_mail(html="<script>1</script>"), path="/mail?number=0")["frames"]
    assert "allow-scripts" not in frame["sandbox"]
    assert "allow-same-origin" not in frame["sandbox"]
    assert "default-src 'none'" in frame["srcdoc"].partition("<script>")[0]


def test_the_latest_email_comes_first_and_may_be_searched_for() -> None:
    mails = [a_mail(number, subject=f"Your order o-{number} is confirmed") for number in range(3)]
    subjects = [one for one in visit(*mails)["labels"] if one.startswith("Your order")]
    assert sorted(subjects) == [mail.subject for mail in mails]
    assert "3 emails, the latest first" in visit(*mails)["labels"]
    assert "1 email, the latest first" in visit(*mails, path="/mail?find=O-2")["labels"]


def test_no_mail_says_what_to_do() -> None:
    assert any(one.startswith("No email yet") for one in visit()["labels"])


def test_an_email_that_is_gone_and_a_number_that_is_none_are_no_errors() -> None:
    assert "That email is gone." in visit(a_mail(), path="/mail?number=7")["labels"]
    for number in ("-x", "²", "9" * 5000):
        assert any(one.startswith("Your order") for one in visit(a_mail(), path=f"/mail?number={number}")["labels"])


def test_no_email_is_open_until_one_is_chosen() -> None:
    assert "Choose an email to read it." in visit(a_mail())["labels"]


def test_on_aws_there_is_no_mailbox() -> None:
    place = Place("orders", {}, embedded=False, may_write=False, endpoint_url=None, stacks=("orders",))
    assert any("SES, which keeps none" in one for one in visit(place=place)["labels"])
