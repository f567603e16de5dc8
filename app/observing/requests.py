"""Counts and traces requests by the template of their route: paths hold ids, templates do not."""

from http import HTTPStatus
from time import perf_counter
from typing import Final

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observing.figures import METHODS, OTHER
from app.observing.spans import carried, failed, under_way
from app.security.rules import CONSOLE_STATIC

NO_ROUTE: Final = "none"
NOT_TRACED: Final = ("/health/", "/metrics", CONSOLE_STATIC)
"""What asks all the time and belongs to no saga."""


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
                route = route_of(scope)
                figures = scope["app"].state.runtime.figures
                figures.answered(scope["method"], route, message["status"], perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_counted)


class RequestSpans:
    """Each request is a span: a child of the one that its header `traceparent` names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(NOT_TRACED):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        tracing = scope["app"].state.runtime.tracing
        with under_way(tracing, method, context=carried(Headers(scope=scope)), kind=SpanKind.SERVER) as span:

            async def send_told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status, route = message["status"], route_of(scope)
                    span.update_name(f"{method} {route}")
                    span.set_attributes(
                        {
                            "http.request.method": method,
                            "http.route": route,
                            "http.response.status_code": status,
                        }
                    )
                    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                        failed(span, str(status))
                await send(message)

            await self._app(scope, receive, send_told)


def route_of(scope: Scope) -> str:
    """The template of the route, once there is one."""
    return getattr(scope.get("route"), "path_format", NO_ROUTE)
