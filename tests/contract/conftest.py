"""Every store that claims to fulfil the port runs the same tests."""

from collections.abc import AsyncIterator

import pytest

from eventstore import EventStore
from eventstore.memory import MemoryEventStore
from eventstore.validation import AppendBounds
from tests.integration.eventstore.stores import open_store

SMALL_BOUNDS = AppendBounds(events=20, bytes=10_000)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str | None:
    """Where the store is; None is in memory."""
    if request.param == "memory":
        return None
    url: str = request.getfixturevalue("database").url
    return url


@pytest.fixture
async def store(store_url: str | None) -> AsyncIterator[EventStore]:
    """An empty store. The Postgres one has pages of three events, so that every read crosses pages."""
    if store_url is None:
        yield MemoryEventStore(bounds=SMALL_BOUNDS)
        return
    async with open_store(store_url, bounds=SMALL_BOUNDS, page_events=3, window_positions=5) as postgres:
        yield postgres
