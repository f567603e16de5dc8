"""How many answers without an end a process gives at one time. They have a bound of their own: who watches
must not keep others from starting sagas, nor the other way round."""

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

ENDLESS: Final = re.compile(r"/sagas/[^/]+/watch|/events/follow|/console(/.*)?/live")


class StreamsBound:
    """Raises Crowded for a stream too many, before it begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not ENDLESS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        with scope["app"].state.runtime.streams.place():
            await self._app(scope, receive, send)
