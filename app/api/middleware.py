"""Around every request: its correlation id, its size limit, and the error that nobody expected."""

import asyncio
import re
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from app.problems import FieldError, InvalidRequest, TooLarge, problem_response

CORRELATION_HEADER: Final = "X-Correlation-Id"
CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,120}")

DRAINED_BYTES_MAX: Final = 64 * 1024 * 1024
DRAIN_SECONDS_MAX: Final = 5.0

_log = structlog.get_logger(__name__)


class RequestContext:
    """Around all that may fail: binds the correlation id to logs and answer, and turns unexpected exceptions
    into a 500.

    `request.state.correlation_id` is the id of the request, `request.state.given_correlation_id` the one
    that the client sent, or None.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(CORRELATION_HEADER)
        valid = given is None or CORRELATION_ID.fullmatch(given) is not None
        correlation_id = given if given is not None and valid else str(uuid7())
        scope.setdefault("state", {}).update(
            correlation_id=correlation_id, given_correlation_id=given if valid else None
        )
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[CORRELATION_HEADER] = correlation_id
                headers["X-Content-Type-Options"] = "nosniff"  # what an event says is never taken for a page
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                if not valid:
                    raise InvalidRequest([FieldError(field=CORRELATION_HEADER, message=_RULE)])
                await self._app(scope, receive, send_with_id)
            except ClientDisconnect:
                return  # the client went while it was sending: there is nobody to answer
            except Exception as error:
                answer = problem_response(error, correlation_id)
                if answer.status_code == 500:
                    _log.exception("request failed", method=scope["method"], path=scope["path"])
                if started:
                    raise  # too late for an answer: the server breaks the connection
                await answer(scope, receive, send_with_id)


_RULE: Final = "1 to 120 characters from A-Z a-z 0-9 . _ : -"


class BodyLimit:
    """Answers 413 to a body of more than `bytes_max` bytes, announced or sent in chunks."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._bytes_max:
            if headers.get("expect", "").lower() != "100-continue":
                await _drain(receive)
            await self._refuse(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                await _drain(receive)
                raise TooLarge(self._rule)
            return message

        await self._app(scope, receive_counted, send)

    @property
    def _rule(self) -> str:
        return f"a body has at most {self._bytes_max} bytes"

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem_response(TooLarge(self._rule), scope["state"]["correlation_id"])
        await answer(scope, receive, send)


async def _drain(receive: Receive) -> None:
    """Take the rest of the body, within bounds: a client that is still sending would not see the answer."""
    drained = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            while drained < DRAINED_BYTES_MAX:
                message = await receive()
                drained += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
