"""The report of a night, as people see it, and what they see of it in a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from demo import verdict
from jobs import report
from jobs.findings import ADVICE, Code
from jobs.summary import Decided, Found, Money, Repairs, Sold, Summary, Told, Waited

ROOT = Path(__file__).parents[2]
QUIET = Summary(
    day="2026-11-24",
    time_zone="Europe/Berlin",
    as_of="2026-11-25T02:31:07.412+00:00",
    run="arn:aws:states:eu-central-1:123456789012:execution:books:a-night",
    orders=184_213,
    under_way=0,
    rows=1_204_551,
    placed=1000,
    stock_not_checked=0,
    report="s3://books/reports/2026-11-24.html",
    tables={table: f"s3://books/{table}/day=2026-11-24/" for table in ("orders", "lines", "sales", "findings")},
    outcomes=(
        Decided("", "", 10),
        Decided("CANCELLED", "OUT_OF_STOCK", 150),
        Decided("CANCELLED", "PAYMENT_DECLINED", 50),
        Decided("CONFIRMED", "ACCEPTED", 780),
        Decided("REJECTED", "ORDER_INVALID", 10),
    ),
    money=(Money("EUR", 700, 1_234_567, 1_234_567, 2_050, 3), Money("JPY", 80, 98_765, 98_765, 0, 0)),
    sold=(Sold("EUR", "mug", 1, 700, 900, 1_234_567, 4), Sold("JPY", "mug", 1, 80, 90, 98_765, 0)),
    told=(Told("", 990, 1.94, 6.81, 64.2, 30_120.5), Told("CONFIRMED", 780, 1.88, 5.9, 22.4, 611.9)),
    waited=(Waited(1, 300), Waited(60, 600), Waited(None, 90)),
)
EMPTY = replace(QUIET, placed=0, outcomes=(), money=(), sold=(), told=(), waited=())


def a_finding(code: Code, order_id: str = "o-1", **differing: object) -> Found:
    found = Found(code, order_id, "pi_1", "EUR", 0, 4_999, "Something is wrong.", ADVICE[code], "", "")
    return replace(found, **differing)  # type: ignore[arg-type]


def with_findings(*findings: Found, **differing: object) -> Summary:
    codes = {code: sum(each.code == code for each in findings) for code in {each.code for each in findings}}
    return replace(QUIET, findings=findings, codes=codes, **differing)  # type: ignore[arg-type]


EVERYTHING = with_findings(
    *(a_finding(code) for code in Code), under_way=31, stock_not_checked=3, repairs=Repairs(True, 4, 1, 1, 2)
)
PAGES = pytest.mark.parametrize("summary", [QUIET, EMPTY, EVERYTHING], ids=["quiet", "empty", "everything"])


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, summary: Summary) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.html = report.render(summary)
        self.words: list[str] = []
        self.feed(self.html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@PAGES
def test_the_page_needs_nothing_else(summary):
    page = Page(summary)
    assert page.all("script", "link", "img", "iframe", "object", "form") == []
    assert not re.search(r"https?:|url\(|@import|javascript:", page.html)
    assert [
        name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"
    ] == []


@PAGES
def test_every_link_leads_somewhere(summary):
    page = Page(summary)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {f"#{each}" for each in ids}
    assert {attributes["href"] for attributes in page.all("a")} <= targets
    labels = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert {f"#{label}" for label in labels} <= targets


@PAGES
def test_who_does_not_see_the_page_finds_their_way(summary):
    page = Page(summary)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in attributes for attributes in page.all("th"))
    assert all("aria-hidden" in each or "aria-label" in each for each in page.all("svg"))
    # A table that is too wide scrolls in a box of its own, and by keyboard.
    boxes = [each for each in page.all("div") if (each.get("class") or "").startswith("wide")]
    assert len(boxes) == len(page.all("table"))
    assert {each["tabindex"] for each in boxes} <= {"0"}


def test_the_verdict_leads_to_each_group_of_findings():
    page = Page(EVERYTHING)
    assert [each["href"] for each in page.all("a")][: len(Code)] == [f"#{code.lower()}" for code in Code]


@pytest.mark.parametrize("code", Code)
def test_the_handbook_has_every_code(code):
    assert f"docs/operations.md#{code.lower()}" in report.render(EVERYTHING)
    assert f'<a id="{code.lower()}"></a>' in (ROOT / "docs/operations.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("summary", "says"),
    [
        (QUIET, "The books agree"),
        (with_findings(a_finding(Code.HOLD_LOST)), "1 finding Hold lost 1"),
        (with_findings(a_finding(Code.HOLD_LOST), a_finding(Code.HOLD_LOST, "o-2")), "2 findings Hold lost 2"),
        (EVERYTHING, "1 repaired , 1 repair failed . 18 are left for a person."),
        (EVERYTHING, "31 orders were under way, and not judged"),
        (EVERYTHING, "The stock of 3 SKUs was not checked"),
        (EVERYTHING, "2 repairs more than a night makes"),
        (
            with_findings(a_finding(Code.ORDER_LOST, repair="send again"), repairs=Repairs(possible=1)),
            "It can be repaired: run the day again with repairs",
        ),
        (QUIET, "Tuesday, 24 November 2026"),
        (QUIET, "as of 2026-11-25 03:31 (Europe/Berlin)"),
        (QUIET, "78.0% of those placed"),
        (QUIET, "12,345.67 EUR"),
        (QUIET, "98,765 JPY"),
        (QUIET, "Cancelled 200 20.0% Out of stock 150 15.0% Payment declined 50 5.0%"),
        (QUIET, "All 990 1.94 s 6.81 s 1 min 4 s 8 h 22 min"),
        (QUIET, "under 1 s 300 1 s to 1 min 600 1 min and more 90"),
        (EMPTY, "No order was placed on this day."),
        (EMPTY, "Nothing was sold."),
    ],
)
def test_the_page_says_what_the_night_came_to(summary, says):
    assert says in Page(summary).text


@pytest.mark.parametrize(
    ("finding", "shown"),
    [
        (a_finding(Code.AMOUNT_DIFFERS), ("0.00 EUR", "49.99 EUR")),
        (a_finding(Code.AMOUNT_DIFFERS, currency="JPY", expected=12_000), ("12,000 JPY", "4,999 JPY")),
        (a_finding(Code.AMOUNT_DIFFERS, currency="KWD", found=-1_234_560), ("0.000 KWD", "−1,234.560 KWD")),
        (a_finding(Code.STOCK_BELOW_ZERO, "", currency="", found=-3), ("0", "−3")),
        (a_finding(Code.ORDER_LOST, currency="", found=0), ("", "")),
    ],
)
def test_a_finding_has_amounts_or_units_or_neither(finding, shown):
    assert report.amounts(finding) == shown


@pytest.mark.parametrize(
    ("repair", "repaired", "shown"),
    [
        ("", "", ""),
        ("void", "", "Can be repaired: void the hold"),
        ("void", "DONE", "Repaired: the hold was voided"),
        ("send again", "DONE", "Repaired: the event was sent"),
        ("send again", "FAILED", "Repair failed: send the event again by hand"),
    ],
)
def test_a_finding_says_what_came_of_its_repair(repair, repaired, shown):
    assert report.repair(a_finding(Code.ORDER_LOST, repair=repair, repaired=repaired)) == shown


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (0.0, "0 s"),
        (0.8423, "0.84 s"),
        (2.0, "2 s"),
        (9.996, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (64.2, "1 min 4 s"),
        (3599.7, "1 h"),
        (30_120.5, "8 h 22 min"),
        (90 * 86_400, "2,160 h"),
    ],
)
def test_a_duration_is_in_the_units_that_people_use(duration, shown):
    assert report.seconds(duration) == shown


@pytest.mark.parametrize(
    ("part", "shown"),
    [(0, "0.0%"), (0.0001, "under 0.1%"), (0.5, "50.0%"), (0.99999, "over 99.9%"), (1, "100.0%")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, shown):
    assert report.percent(part) == shown


def test_an_id_that_is_too_long_is_cut():
    page = Page(with_findings(a_finding(Code.ORDER_LOST, "x" * 2048)))
    assert "x" * report.LONGEST + "…" in page.text
    assert "x" * (report.LONGEST + 1) not in page.text


def test_codes_come_in_one_order_and_unknown_ones_last():
    later = replace(a_finding(Code.HOLD_LOST), code="A_CODE_OF_A_LATER_VERSION")
    summary = with_findings(later, a_finding(Code.ORDER_LOST), a_finding(Code.HOLD_LOST))
    assert [code for code, _, _ in summary.by_code] == ["HOLD_LOST", "ORDER_LOST", "A_CODE_OF_A_LATER_VERSION"]
    assert "A code of a later version" in Page(summary).text


# ── Colours ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def colours() -> list[dict[str, str]]:
    """The page's colours by name: in the light, and in the dark."""
    return [
        dict(re.findall(r"--([\w-]+): (#\w+);", block))
        for block in re.findall(r":root \{(.*?)\n\s*\}", report.render(QUIET), re.DOTALL)
    ]


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_plots_stand_out(dark):
    palette = colours()[dark]
    texts = [
        *((text, ground) for text in ("ink", "soft", "link") for ground in ("ground", "panel")),
        *((text, f"{verdict}-ground") for text in ("ink", "warn") for verdict in ("good", "bad")),
        *((verdict, ground) for verdict in ("good", "bad") for ground in ("ground", f"{verdict}-ground")),
    ]
    assert {pair: ratio for pair in texts if (ratio := contrast(*(palette[name] for name in pair))) < 4.5} == {}
    plots = [
        *((bar, "track") for bar in ("sales", "waited")),
        *((bar, "ground") for bar in ("confirmed", "cancelled", "rejected", "open")),
    ]
    assert {pair: ratio for pair in plots if (ratio := contrast(*(palette[name] for name in pair))) < 3} == {}


# ── The terminal ────────────────────────────────────────────────────────────────────────────────────────────────────


def printed(summary: Summary, width: int = 120) -> str:
    written = io.StringIO()
    verdict.show(Console(file=written, width=width, highlight=False, markup=False, emoji=False), summary)
    return " ".join(written.getvalue().split())


def test_the_terminal_says_the_same():
    assert "✔ The books agree 184,213 orders, as of 2026-11-25 02:31 UTC" in printed(QUIET)
    assert "1,000 (78.0% confirmed)" in printed(QUIET)
    assert "p50 1.94 s, p95 6.81 s, p99 1 min 4 s" in printed(QUIET)
    everything = printed(EVERYTHING, width=300)
    assert "✘ 19 findings" in everything
    assert [code for code in Code if code not in everything] == []
    assert "1 repaired, 1 failed" in everything


def test_the_terminal_shows_what_orders_say_as_text():
    hostile = a_finding(Code.HOLD_LOST, "\x1b[31m[bold]:bomb:\n", detail="\x1b]0;owned\x07")
    assert "\\x1b[31m[bold]:bomb:" in printed(with_findings(hostile), width=300).replace("�", "\\x1b")
    assert "\x1b" not in printed(with_findings(hostile))


def test_the_terminal_cuts_what_is_too_much():
    findings = [a_finding(Code.HOLD_LOST, f"o-{n:03}") for n in range(verdict.SHOWN + 4)]
    shown = printed(with_findings(*findings))
    assert "o-009" in shown
    assert "o-010" not in shown
    assert "and 4 more HOLD_LOST: s3://books/findings/day=2026-11-24/" in shown
