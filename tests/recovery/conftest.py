"""A carrier that outlives the servers which the tests kill."""

from collections.abc import Iterator

import pytest

from app.embedded import EmbeddedPostgres
from tests.conftest import fresh_database
from tests.recovery.launcher import serving
from tests.recovery.shop import Carrier, Look


@pytest.fixture
def carrier(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Carrier]:
    """The sandbox carrier in a process and a database of its own."""
    with fresh_database(postgres_server, template_database) as database, serving(database) as server:
        yield Carrier(f"{server.url}/sandbox/carrier", Look(database))
