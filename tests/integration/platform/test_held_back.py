"""A figure tells since when a transaction holds the readers of the log back."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.observing.cluster import ClusterFigures
from eventstore.connections import Pool, store_pool
from eventstore.standings import FollowerView
from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def nobody() -> list[FollowerView]:
    return []


def figures_of(pool: Pool) -> ClusterFigures:
    return ClusterFigures(pool, nobody)


async def held_seconds(figures: ClusterFigures) -> float:
    text = (await figures.text()).decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    [held] = [each.value for each in samples if each.name == "saga_position_held_seconds"]
    return held


@pytest.mark.parametrize("role", ["of the application", "that it may not watch"])
async def test_an_append_that_does_not_end_is_told(database: Database, role: str) -> None:
    url = database.url if role == "of the application" else database.admin_url
    async with store_pool(database.url, 1) as pool, await connect(url) as holder:
        assert await held_seconds(figures_of(pool)) == 0
        await holder.execute("begin")
        await append_by_hand(holder, "x-1", 0)

        figures = figures_of(pool)  # what it has read serves for a while

        async def held() -> bool:
            return await held_seconds(figures) > 0

        async def free() -> bool:
            return not await held()

        await until(held)
        await holder.execute("rollback")
        await until(free)
