"""A console of somebody's own profile answers whoever has the address that it printed, and nobody else."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from console.invitation import OnlyInvited

PORT, KEY = 8123, "a-key"
COOKIE = f"console-{PORT}={KEY}"


async def _pages(scope: Scope, receive: Receive, send: Send) -> None:
    """What is guarded answers everything."""
    kind = "websocket.accept" if scope["type"] == "websocket" else "http.response.start"
    await send({"type": kind, "status": 200, "headers": []})


def sent(kind: str = "http", path: str = "/", query: str = "", cookie: str = "") -> Message:
    """The first message that comes back."""
    headers = [(b"host", f"127.0.0.1:{PORT}".encode()), *([(b"cookie", cookie.encode())] if cookie else [])]
    scope = {"type": kind, "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": f"{kind}.request"}

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(OnlyInvited(_pages, KEY, PORT)(scope, receive, send))
    return messages[0]


def test_who_brings_the_key_is_sent_to_the_page_and_keeps_it_as_a_cookie() -> None:
    answer = sent(path="/order", query=f"key={KEY}")
    headers = {name.decode(): value.decode() for name, value in answer["headers"]}
    assert answer["status"] == 303
    assert headers["location"] == "/order"
    assert headers["set-cookie"].startswith(f"{COOKIE};")
    assert {"httponly", "samesite=strict"} <= {word.strip().lower() for word in headers["set-cookie"].split(";")}


@pytest.mark.parametrize(("kind", "opened"), [("http", "http.response.start"), ("websocket", "websocket.accept")])
def test_who_has_the_cookie_is_answered(kind: str, opened: str) -> None:
    answer = sent(kind, cookie=f"another=1; {COOKIE}")
    assert (answer["type"], answer["status"]) == (opened, 200)


@pytest.mark.parametrize("query", ["", "key=", "key=another", f"other={KEY}", f"key={KEY}x", "key=%C3%A4"])
@pytest.mark.parametrize("cookie", ["", "console-8123=", "console-8123=another", f"console-8124={KEY}"])
def test_nobody_else_is(query: str, cookie: str) -> None:
    assert sent(query=query, cookie=cookie)["status"] == 403
    assert sent("websocket", query=f"key={KEY}", cookie=cookie)["type"] == "websocket.close"
