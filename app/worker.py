"""A worker: an executor without HTTP API. It may tell at a port of its own whether it is well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from app.api import health, metrics
from app.api.middleware import RequestContext
from app.observing.requests import RequestFigures
from app.problems import install_problems
from app.runtime import running
from app.security.authorizing import authorize
from app.security.middleware import Authentication
from app.settings import Settings, SettingsError


def create_worker(settings: Settings) -> FastAPI:
    """The application of a worker: its health and its figures. Its runtime is opened by the lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.stopping = asyncio.Event()
        async with running(settings, kind="worker") as runtime:
            app.state.runtime = runtime
            yield

    app = FastAPI(
        title="saga-orchestrator worker",
        lifespan=lifespan,
        openapi_url=None,
        dependencies=[Depends(authorize)],
    )
    app.add_middleware(Authentication)
    app.add_middleware(RequestContext)
    app.add_middleware(RequestFigures)
    install_problems(app)
    app.include_router(health.router)
    app.include_router(metrics.router)
    return app


def check_worker(settings: Settings) -> None:
    """Raise SettingsError unless it is said where the remote systems are.

    A server has sandboxes of its own; a worker would call nobody, and what fails compensates.
    """
    missing = [
        name
        for name, url in (
            ("SAGA_CARRIER_URL", settings.carrier_url),
            ("SAGA_SUPPLIER_URL", settings.supplier_url),
        )
        if url is None
    ]
    if missing:
        raise SettingsError(f"a worker has no sandbox of its own: set {' and '.join(missing)}")
