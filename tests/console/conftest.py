"""A browser, and a server with sagas in every state, for the tests of a module."""

import shutil
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from app.embedded import EmbeddedPostgres
from tests.acceptance.secured import fresh
from tests.acceptance.server import ServerProcess, serving, unique
from tests.console.business import Business, open_business
from tests.console.pages import chromium

CHROMIUM = shutil.which("chromium")
WITHOUT_CHROMIUM = "chromium is not installed: pages are not looked at in a browser"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium, for tests that are marked `in_browser` (see `pages.py`)."""
    if CHROMIUM is None:
        pytest.skip(WITHOUT_CHROMIUM)
    async with chromium(CHROMIUM) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[ServerProcess]:
    """An open server on a database of this module's own."""
    with (
        fresh(postgres_server, template_database, unique("console").replace("-", "_")) as (url, owner),
        serving(url, owner) as process,
    ):
        yield process


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def business(http: httpx.Client) -> Business:
    """A shop in which sagas have ended in each way, one waits and one is stuck."""
    return open_business(http)
