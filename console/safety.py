"""Who may talk to the console: pages that it has served itself, in a browser on this machine. Nobody else's page.

Loopback alone does not keep other sites' pages out, since the browser that shows them is on this machine as well. It
can be made to send requests here (cross-site request forgery), also by a name that is made to mean 127.0.0.1 (DNS
rebinding), and a websocket knows no same-origin policy at all.
https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESSES = ("127.0.0.1", "localhost")
_READS = ("GET", "HEAD")
_FORBIDDEN = 403
_POLICY_VIOLATION = 1008

# What it may load, and from where: only from here. NiceGUI's front end compiles templates and has styles of its own.
_CONTENT = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host}; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SameOriginOnly:
    """An ASGI application that lets another one answer only its own pages and the person in front of them."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = frozenset(f"{address}:{port}" for address in ADDRESSES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or close the websocket before it is open, where `refusal` has a reason."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        reason = self.refusal(scope["type"], scope.get("method", "GET"), headers)
        if not reason:
            await self._app(scope, receive, _guarded(send, headers["host"][0]))
        elif scope["type"] == "http":
            await _answer(send, reason)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})

    def refusal(self, kind: str, method: str, headers: dict[str, list[str]]) -> str:
        """Why this request is none of ours; empty when it is."""
        host = headers.get("host", [])
        if len(host) != 1 or host[0] not in self._hosts:
            return "This host is not the console's address."
        origin = headers.get("origin", [])
        if origin not in ([], [f"http://{host[0]}"]):
            return "Another site's page has no business here."
        if kind == "websocket":
            return "" if origin else "A websocket has to say whose page it is for."
        site = headers.get("sec-fetch-site", [])
        if site in ([], ["same-origin"], ["none"]) or (method in _READS and _is_a_visit(headers)):
            return ""
        return "Another site's page has no business here."


def _is_a_visit(headers: dict[str, list[str]]) -> bool:
    """Whether somebody follows a link to a page, which changes nothing."""
    return headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == ["document"]


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _guarded(send: Send, host: str) -> Send:
    """With our headers on what is answered, and without any that lets other sites read it."""
    ours = [
        (name.encode(), value.encode())
        for name, value in (_HEADERS | {"content-security-policy": _CONTENT.format(host=host)}).items()
    ]
    names = {name for name, _ in ours}

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if name.lower() not in names and not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": [*kept, *ours]}
        await send(message)

    return guarded


async def _answer(send: Send, reason: str) -> None:
    body = f"{reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": _FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": body})
