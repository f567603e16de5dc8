"""Problems below /console as pages, for those who can read pages: the same status, the same words."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.console.rendering import page
from app.problems import MEDIA_TYPE
from app.security.rules import below_console

REPLACED: Final = frozenset({"content-length", "content-type"})


class ErrorPages:
    """Makes a page of a problem document, whoever answered it: a route, what lets requests in, or what
    catches the error that nobody expected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        readable = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")
        if not readable or not below_console(scope["path"]):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Translated(scope, receive, send))


class _Translated:
    """`send`, which holds a problem document back until it is whole."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._answer(self._start)

    async def _answer(self, start: Message) -> None:
        problem: Mapping[str, Any] = orjson.loads(bytes(self._body))
        answer = page(Request(self._scope), "error.html", start["status"], problem=problem)
        for name, value in Headers(raw=start["headers"]).items():
            if name not in REPLACED:
                answer.headers.append(name, value)
        await answer(self._scope, self._receive, self._send)


def _is_problem(start: Message) -> bool:
    return MutableHeaders(scope=start).get("content-type", "").startswith(MEDIA_TYPE)
