"""One server for all acceptance tests; each test uses ids of its own."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql

from app.database import APP_ROLE, OWNER_ROLE
from app.embedded import EmbeddedPostgres
from tests.acceptance.server import ServerProcess, account_with, serving

DATABASE = "acceptance"


@pytest.fixture(scope="session")
def server(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[ServerProcess]:
    names = sql.Identifier(DATABASE), sql.Identifier(template_database), sql.Identifier(OWNER_ROLE)
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
    app = postgres_server.url(role=APP_ROLE, database=DATABASE)
    owner = postgres_server.url(role=OWNER_ROLE, database=DATABASE)
    with serving(app, owner) as process:
        yield process


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def _shop_is_open(server: ServerProcess) -> None:
    """The account that all orders pay to."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        client.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()


@pytest.fixture
def customer(http: httpx.Client, _shop_is_open: None) -> str:
    """A customer with money, of a shop that is open."""
    return account_with(http, 1_000_000)
