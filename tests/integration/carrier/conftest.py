"""The sandbox carrier behind a real port, and the client that the sagas use."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from app.sandbox import carrier_router
from tests.conftest import Database
from workflows.carrier import Carrier

PREFIX = "/sandbox/carrier"


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The address of `app` on a free port. The socket listens at once, so that no client comes too early."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it each answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        running = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await running


@asynccontextmanager
async def serving_carrier(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncConnectionPool(database.url, min_size=1, max_size=4, open=False) as pool:
        app = FastAPI()
        app.include_router(carrier_router(pool), prefix=PREFIX)
        async with serving(app) as url, httpx.AsyncClient(base_url=url + PREFIX) as client:
            yield client


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Talks to the sandbox carrier directly: its controls, and what it has booked."""
    async with serving_carrier(database) as client:
        yield client


@pytest.fixture
def carrier(client: httpx.AsyncClient) -> Carrier:
    return Carrier(client)
