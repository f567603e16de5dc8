"""Around every request: encrypted personal values leave readable, and none comes in.

JSON and HTML answers are looked through as they were rendered, so that no route can forget to. Streams are
sent event by event, anything else whole.
"""

import asyncio
import html
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.requests import NO_TOKEN
from app.privacy import Privacy
from app.problems import FieldError, InvalidRequest, problem_response
from domain.personal import TOKEN_PREFIX

EVENT_STREAM: Final = "text/event-stream"


def in_json(text: str) -> bytes:
    """The text as a part of a JSON string."""
    return orjson.dumps(text)[1:-1]


def in_html(text: str) -> bytes:
    return html.escape(text).encode()


QUOTED: Final[Mapping[str, Callable[[str], bytes]]] = {
    "application/json": in_json,
    "application/problem+json": in_json,
    EVENT_STREAM: in_json,
    "text/html": in_html,
}
"""How a text is written in answers of these types. Others hold no personal values."""


class Revealing:
    """Reveals what the application answers, unless `request.state.as_stored`, with the keys of that moment.

    It takes at most `seconds_max`; then, or when a key is locked, the answer is a problem.
    """

    def __init__(self, app: ASGIApp, seconds_max: float) -> None:
        self._app = app
        self._seconds_max = seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _smuggles(scope):
            refusal = InvalidRequest([FieldError(field="request", message=NO_TOKEN)])
            await problem_response(refusal, scope["state"]["correlation_id"])(scope, receive, send)
        else:
            await self._app(scope, receive, _Answer(scope, receive, send, self._seconds_max).send)


class _Answer:
    """One answer on its way out: what waits of it, and how it is written."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds_max: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._seconds_max = seconds_max
        self._quoted: Callable[[str], bytes] | None = None
        self._start: Message | None = None
        self._waiting: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            media_type = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
            as_stored = self._scope["state"].get("as_stored", False)
            self._quoted = None if as_stored else QUOTED.get(media_type)
            if self._quoted is not None and media_type != EVENT_STREAM:
                self._start = message  # until it is known how long the body is
                return
        elif message["type"] == "http.response.body" and self._quoted is not None:
            if self._start is None:
                message = {**message, "body": await self._revealed(message.get("body", b""))}
            else:
                await self._hold(self._start, message)
                return
        await self._send(message)

    async def _hold(self, start: Message, message: Message) -> None:
        self._waiting.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        try:
            body = await self._revealed(b"".join(self._waiting))
        except Exception as error:
            problem = problem_response(error, self._scope["state"]["correlation_id"])
            if problem.status_code == 500:
                raise
            await problem(self._scope, self._receive, self._send)
            return
        if "content-length" in (headers := MutableHeaders(raw=start["headers"])):
            headers["content-length"] = str(len(body))
        await self._send(start)
        await self._send({**message, "body": body})

    async def _revealed(self, body: bytes) -> bytes:
        if TOKEN_PREFIX.encode() not in body or self._quoted is None:
            return body
        privacy: Privacy = self._scope["app"].state.runtime.privacy
        async with asyncio.timeout(self._seconds_max):
            return await privacy.reveal(body, self._quoted)


def _smuggles(scope: Mapping[str, Any]) -> bool:
    """Whether the address or a header has what looks like an encrypted value: some are quoted in answers."""
    headers = (value for _, value in scope["headers"])
    asked = (scope["path"].encode(), unquote_to_bytes(scope["query_string"]), *headers)
    return any(TOKEN_PREFIX.encode() in each for each in asked)
