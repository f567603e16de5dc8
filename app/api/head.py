"""HEAD is answered as GET is, without the body (RFC 9110, section 9.3.2)."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAnswers:
    """Asks the application as by GET. An answer without an end is over once it has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        began, asked = asyncio.Event(), False

        async def receive_once() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return await receive()
            await began.wait()
            return {"type": "http.disconnect"}

        async def send_start(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                began.set()

        await self._app({**scope, "method": "GET"}, receive_once, send_start)
        if began.is_set():
            await send({"type": "http.response.body", "body": b""})
