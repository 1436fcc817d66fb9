"""Who may look at a stack on AWS, and act there: whoever has the address that was printed, for a key is in it.

Every user of a machine reaches its loopback addresses, and the console works with the profile of one of them. So the
first visit brings the key, and from then on a cookie has it, as in other servers that run on somebody's own machine.
https://jupyter-server.readthedocs.io/en/latest/operators/security.html
"""

from __future__ import annotations

import secrets

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "key"  # the parameter of the address
_FORBIDDEN, _SEE_OTHER = 403, 303
_POLICY_VIOLATION = 1008
_REFUSED = "This console works with somebody's own profile. Open the address that it has printed: its key is in it.\n"


class OnlyInvited:
    """An ASGI application that lets another one answer whoever brings a key, or has brought it before."""

    def __init__(self, app: ASGIApp, key: str, port: int) -> None:
        self._app = app
        self._key = key
        self._cookie = f"console-{port}"  # a cookie is one for all ports of a host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or close the websocket before it is open, where there is no key. One that is brought is put into
        a cookie, and the same page shown without it, so that no address has it which somebody passes on.
        """
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        if self._is(asked.cookies.get(self._cookie)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "It has no key."})
        elif self._is(asked.query_params.get(KEY)):
            answer = RedirectResponse(asked.url.path, _SEE_OTHER)
            answer.set_cookie(self._cookie, self._key, httponly=True, samesite="strict")
            await answer(scope, receive, send)
        else:
            await PlainTextResponse(_REFUSED, _FORBIDDEN)(scope, receive, send)

    def _is(self, key: str | None) -> bool:
        return key is not None and secrets.compare_digest(key.encode(), self._key.encode())
