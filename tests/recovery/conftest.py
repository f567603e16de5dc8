"""A carrier that outlives the servers which the tests kill; a service that the tests of a module share."""

from collections.abc import Iterator

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.conftest import Database, fresh_database
from tests.recovery.launcher import serving
from tests.recovery.scripted import serve_scripted
from tests.recovery.shop import Carrier, Look


@pytest.fixture
def carrier(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Carrier]:
    """The sandbox carrier in a process and a database of its own."""
    with fresh_database(postgres_server, template_database) as database, serving(database) as server:
        yield Carrier(f"{server.url}/sandbox/carrier", Look(database))


@pytest.fixture(scope="module")
def shared_database(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Database]:
    """The database of the service that `scripts` asks."""
    with fresh_database(postgres_server, template_database) as database:
        yield database


@pytest.fixture(scope="module")
def scripts(shared_database: Database) -> Iterator[httpx.Client]:
    """A client of a service that runs scripted sagas; each test uses ids of its own."""
    with (
        serving(shared_database, serve_scripted) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        yield client


@pytest.fixture
def shared_look(shared_database: Database) -> Look:
    return Look(shared_database)
