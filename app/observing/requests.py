"""Counts requests by the template of their route: paths hold ids, templates do not."""

from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE: Final = "none"


class RequestFigures:
    """Outermost: what is refused on the way in counts as well, under the route `none`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path_format", NO_ROUTE)
                figures = scope["app"].state.runtime.figures
                figures.answered(scope["method"], route, message["status"], perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_counted)
