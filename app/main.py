"""The ASGI application: HTTP API, executor and projections in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app.api import (
    aggregates,
    audit,
    bulk,
    executors,
    follow,
    health,
    metrics,
    operations,
    past,
    projections,
    read_models,
    reference_page,
    sagas,
    starting,
    streams,
    subjects,
)
from app.api.head import HeadAnswers
from app.api.middleware import BodyLimit, RequestContext
from app.api.rate import RateLimit
from app.api.reference import openapi_document
from app.api.revealing import Revealing
from app.api.streams_bound import StreamsBound
from app.console import router as console
from app.console.error_pages import ErrorPages
from app.observing.requests import RequestFigures, RequestSpans
from app.problems import install_problems
from app.runtime import Runtime, running
from app.sandbox import carrier_router, supplier_router
from app.security.authorizing import authorize
from app.security.console_headers import ConsoleHeaders
from app.security.middleware import Authentication
from app.settings import Settings

CARRIER_PREFIX = "/sandbox/carrier"
SUPPLIER_PREFIX = "/sandbox/supplier"
EXPOSED_HEADERS = (
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Saga-Position",
    "X-Correlation-Id",
)
"""What pages of other origins may read of an answer, if they may call at all."""


def create_app(settings: Settings) -> FastAPI:
    """The application. Its runtime is opened by the ASGI lifespan and closed in reverse.

    `app.state.stopping` is an asyncio.Event: once set, answers that wait or stream come to their end.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.stopping = asyncio.Event()
        async with running(settings, host=settings.host) as runtime:
            app.state.runtime = runtime
            app.include_router(carrier_router(runtime.pool), prefix=CARRIER_PREFIX)
            app.include_router(supplier_router(runtime.pool), prefix=SUPPLIER_PREFIX)
            yield

    app = FastAPI(
        title="saga-orchestrator",
        version=version("saga-orchestrator"),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # ours loads nothing from elsewhere
        redoc_url=None,
        dependencies=[Depends(authorize)],
    )
    # The last one added is the outermost.
    app.add_middleware(Revealing, seconds_max=settings.request_seconds_max)
    app.add_middleware(StreamsBound)
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(Authentication)
    if settings.requests_per_second_max:
        app.add_middleware(RateLimit, per_second_max=settings.requests_per_second_max)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(RequestContext)
    # Around it: what nobody expected is a page below /console, too.
    app.add_middleware(ErrorPages)
    app.add_middleware(ConsoleHeaders)
    if settings.otlp_url:
        app.add_middleware(RequestSpans)
    app.add_middleware(HeadAnswers)
    app.add_middleware(RequestFigures)
    install_problems(app)
    # `/sagas/bulk` before `/sagas/{name}`: no saga can be called so.
    routed = (bulk, sagas, starting, operations, subjects, aggregates, past, streams, follow, read_models)
    for module in (*routed, projections, audit, executors, health, metrics, reference_page, console):
        app.include_router(module.router)
    _install_reference(app)
    return app


def _install_reference(app: FastAPI) -> None:
    """Serve our OpenAPI document: made when first asked for, because the runtime knows sagas and commands."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            runtime: Runtime = app.state.runtime
            app.openapi_schema = openapi_document(app, runtime.codec.catalog, runtime.registry)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
