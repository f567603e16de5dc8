"""What is read of a stream descends an index, however long the stream is and whatever is asked of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import AsyncConnection, sql

from eventstore import Batch
from eventstore.postgres import _STREAM_BACKWARDS, _STREAM_FORWARDS, _VERSION_AT
from eventstore.snapshots import _READ
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, happened, open_store, value

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EVENTS = 3_000
PARAMETERS = {"stream": "x-1", "fingerprint": "code", "after": 1_000, "to": 2_000, "limit": 10}
MOMENTS = {
    "time": {"as_of": datetime(2100, 1, 1, tzinfo=UTC), "position": None},
    "position": {"as_of": None, "position": 2 * EVENTS // 3},
    "both": {"as_of": datetime(2100, 1, 1, tzinfo=UTC), "position": 10},
}


@pytest.fixture
async def connection(database: Database) -> Any:
    async with open_store(database.url) as store:
        for number in range(EVENTS // 1_000):
            await store.append([Batch("x-1", number * 1_000, [happened() for _ in range(1_000)])])
            await store.append([Batch(f"y-{number}", 0, [happened() for _ in range(1_000)])])
    async with await connect(database.owner_url) as owner:
        await owner.execute("analyze eventstore.events")
    async with await connect(database.url) as connection:
        yield connection


async def plan_of(connection: AsyncConnection[Any], query: str, parameters: dict[str, Any]) -> dict[str, Any]:
    explain = sql.SQL("explain (analyze, format json) ") + sql.SQL(query)  # type: ignore[arg-type]
    ((document,),) = await (await connection.execute(explain, parameters)).fetchall()
    plan: dict[str, Any] = document[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]


def scans_of_events(plan: dict[str, Any]) -> list[dict[str, Any]]:
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "events"]
    assert scans
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert {node["Index Name"] for node in scans} == {"events_stream_version_key"}
    return scans


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("query", [_STREAM_FORWARDS, _STREAM_BACKWARDS, _READ])
async def test_a_page_is_read_from_the_index(connection: AsyncConnection[Any], query: str, plan: str) -> None:
    await connection.execute(f"set plan_cache_mode = force_{plan}_plan".encode())
    [scan] = scans_of_events(await plan_of(connection, query, PARAMETERS))

    assert scan["Actual Rows"] <= 10


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_moment_is_found_in_a_few_looks(connection: AsyncConnection[Any], moment: str) -> None:
    plan = await plan_of(connection, _VERSION_AT, {**PARAMETERS, "to": 2**31 - 1, **MOMENTS[moment]})

    looks = sum(scan["Actual Loops"] for scan in scans_of_events(plan))

    assert looks <= 2 + EVENTS.bit_length()


async def test_a_snapshot_in_the_middle_is_where_the_index_is_entered(
    connection: AsyncConnection[Any],
) -> None:
    await connection.execute("insert into eventstore.snapshots values ('x-1', 'code', 1500, '{}')")

    plan = await plan_of(connection, _READ, {**PARAMETERS, "to": 2**31 - 1, "limit": 500})

    [scan] = scans_of_events(plan)
    assert "version" in scan["Index Cond"]
    assert scan["Actual Rows"] == 500
    assert await value(connection, "select version from eventstore.snapshots") == 1500
