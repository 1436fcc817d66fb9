"""Only the console's own pages talk to it: no other site's page, whatever it is called, and no name of another host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from console.safety import SameOriginOnly

PORT = 8123
HERE = f"127.0.0.1:{PORT}"
OURS = f"http://{HERE}"
VISIT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

Headers = dict[str, str] | Sequence[tuple[str, str]]


async def _pages(scope: Scope, receive: Receive, send: Send) -> None:
    """What is guarded: it answers everything, and lets every site read it."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"access-control-allow-origin", b"*"), (b"X-Frame-Options", b"ALLOW")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def sent(kind: str, method: str = "GET", headers: Headers = (), host: str | None = HERE) -> Message:
    """The first message that comes back."""
    named = list(headers.items() if isinstance(headers, dict) else headers)
    if host is not None:
        named.append(("Host", host))
    written = [(name.lower().encode(), value.encode()) for name, value in named]
    scope = {"type": kind, "method": method, "path": "/", "headers": written}
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": f"{kind}.request"}

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(SameOriginOnly(_pages, PORT)(scope, receive, send))
    return messages[0]


def status(method: str = "GET", headers: Headers = (), host: str | None = HERE) -> int:
    code: int = sent("http", method, headers, host)["status"]
    return code


def test_a_person_who_types_the_address_gets_the_page() -> None:
    assert status(headers={"Sec-Fetch-Site": "none"}) == 200
    assert status() == 200  # a command, which is nobody's page


@pytest.mark.parametrize("host", [HERE, f"localhost:{PORT}"])
def test_its_own_pages_may_write(host: str) -> None:
    assert status("POST", {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil.example:{PORT}"),
        *("", "[::1]", None, f"{HERE}, evil.example", f"evil.example@{HERE}"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_was_made_to_mean_loopback_is_refused(host: str | None, method: str) -> None:
    assert status(method, host=host) == 403


def test_two_hosts_are_refused() -> None:
    assert status(headers=[("Host", "evil.example")]) == 403
    assert status(headers=[("Host", HERE)]) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"https://{HERE}", "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(origin: str, method: str) -> None:
    assert status(method, {"Origin": origin}) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything", ""])
def test_another_sites_request_is_refused(site: str) -> None:
    assert status("POST", {"Sec-Fetch-Site": site}) == 403
    assert status("GET", {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}) == 403


def test_a_link_on_another_site_may_lead_here_but_do_nothing() -> None:
    assert status("GET", VISIT) == 200
    assert status("POST", VISIT) == 403
    assert status("GET", VISIT | {"Sec-Fetch-Dest": "iframe"}) == 403


@pytest.mark.parametrize("host", [HERE, f"localhost:{PORT}"])
def test_its_own_page_opens_a_websocket(host: str) -> None:
    assert sent("websocket", headers={"Origin": f"http://{host}"}, host=host)["type"] == "websocket.accept"


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({}, HERE),  # every browser says whose page it is for
        ({"Origin": "http://evil.example"}, HERE),
        ({"Origin": "null"}, HERE),
        ({"Origin": f"http://localhost:{PORT}"}, HERE),  # of this machine, and not the address that is asked
        ({"Origin": OURS}, f"evil.example:{PORT}"),
        ({"Origin": f"http://evil.example:{PORT}"}, f"evil.example:{PORT}"),
    ],
)
def test_another_pages_websocket_is_refused_before_it_is_open(headers: dict[str, str], host: str) -> None:
    assert sent("websocket", headers=headers, host=host)["type"] == "websocket.close"


def test_nobody_else_may_read_or_frame_what_is_answered() -> None:
    headers = [(name.decode().lower(), value.decode()) for name, value in sent("http")["headers"]]
    assert not [name for name, _ in headers if name.startswith("access-control-")]
    named = dict(headers)
    assert len(named) == len(headers)
    assert named["x-frame-options"] == "DENY"
    assert named["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in named["content-security-policy"]
    assert "default-src 'self'" in named["content-security-policy"]
