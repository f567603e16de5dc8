"""Lets requests in: before a route is looked for, and before their body is read."""

import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import problem_response
from app.security.access import Access
from app.security.errors import NotAuthenticated, TokenMissing, WrongHost
from app.security.forms import SAFE
from app.security.rules import LOGIN, METRICS, below_console, free
from eventstore import StoreUnavailable

RECHECK_SECONDS: Final = 1.0
"""How often an answer that streams is asked again whether its token still counts."""


class Authentication:
    """Answers 401 to whoever is not known. `request.state.principal` is who it is; absent: nobody has to say.

    Only the exact paths of `PUBLIC_PATHS` are free, and the door of the console. What has no route is refused
    as well: nobody learns from outside which ones there are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        access: Access = scope["app"].state.runtime.access
        path = scope["path"]
        if free(path) or (access.metrics_open and path == METRICS):
            await self._app(scope, receive, send)
            return
        if not access.required:
            await self._open(access, scope, receive, send)
            return
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        headers, state = Headers(scope=scope), scope["state"]
        # A cookie comes by itself, whoever made the request: for looking, and for forms that are checked.
        browser = below_console(path) or scope["method"] in SAFE

        async def enter() -> None:
            state["principal"], state["session"] = await access.enter(headers, browser)

        try:
            await enter()
        except NotAuthenticated as refused:
            answer = _to_login(scope, headers) or problem_response(refused, state["correlation_id"])
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, _while_known(enter, send))

    async def _open(self, access: Access, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            access.check_name(Headers(scope=scope))
        except WrongHost as refused:
            await problem_response(refused, scope["state"]["correlation_id"])(scope, receive, send)
            return

        async def enter() -> None:
            if access.required:
                raise TokenMissing

        await self._app(scope, receive, _while_known(enter, send))


def _to_login(scope: Scope, headers: Headers) -> Response | None:
    """Somebody who opened a page of the console."""
    if not below_console(scope["path"]) or scope["method"] not in SAFE:
        return None
    if "text/html" not in headers.get("accept", ""):
        return None
    query = scope["query_string"].decode("latin-1")
    onward = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"{LOGIN}?{urlencode({'next': onward})}", 303)


def _while_known(enter: Callable[[], Awaitable[None]], send: Send) -> Send:
    """`send`, until the token is revoked or expires, or one is needed now: a stream may be open for days."""
    checked_at = time.monotonic()

    async def send_checked(message: Message) -> None:
        nonlocal checked_at
        streaming = message["type"] == "http.response.body" and message.get("more_body", False)
        if streaming and time.monotonic() > checked_at + RECHECK_SECONDS:
            try:
                await enter()
            except NotAuthenticated:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise ClientDisconnect from None
            except StoreUnavailable:
                pass  # nothing can be read meanwhile that could be sent
            checked_at = time.monotonic()
        await send(message)

    return send_checked
