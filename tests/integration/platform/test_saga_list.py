"""The list of sagas: what it is asked by, and which of them are overdue."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from app.positions import Position
from app.readmodels.paging import Cursor, InvalidCursor
from app.readmodels.reading import View
from app.readmodels.sagas import SAGAS, SagaFilter, SagaList, SagaProjection
from domain import Event
from domain.aggregates import CATALOG
from eventstore import RecordedEvent
from eventstore.connections import store_pool
from eventstore.projections import LIVE_SCHEMA, work_in
from tests.conftest import Database
from tests.integration.eventstore.stores import until, value
from workflows.saga import journal
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(hours=1)
SLEEPERS = 10_000


@pytest.fixture
async def sagas(database: Database) -> AsyncIterator[SagaList]:
    async with store_pool(database.url, 2) as pool:
        yield SagaList(pool)


async def record(database: Database, *histories: tuple[str, Sequence[Event], datetime]) -> None:
    """Put journals, whose entries are all of one time, before the projection."""
    events = []
    for saga_id, entries, at in histories:
        for version, entry in enumerate(entries, 1):
            position = len(events) + 1
            events.append(
                RecordedEvent(
                    position=position,
                    commit_position=position,
                    stream=f"saga-{saga_id}",
                    version=version,
                    event_id=CODEC.encode(entry, {}).event_id,
                    type=type(entry).__name__,
                    schema_version=1,
                    data=entry.model_dump(mode="json"),
                    metadata={"correlation_id": f"trace-{saga_id}"},
                    recorded_at=at,
                )
            )
    async with await AsyncConnection.connect(database.url) as connection:
        await work_in(connection, LIVE_SCHEMA)
        await SagaProjection(CODEC).apply(connection, events)


def asked(parent: str | None = None, **attributes: str) -> journal.SagaRequested:
    mother = journal.Parent(saga_id=parent, step="1") if parent else None
    return journal.SagaRequested(name="toy", saga_version=1, input={}, attributes=attributes, parent=mother)


def tagged(**attributes: str) -> journal.Tagged:
    return journal.Tagged(index="0", attributes=attributes)


def parked(delay_seconds: float | None = None, **more: Any) -> journal.Parked:
    run = None if delay_seconds is None else 2
    return journal.Parked(run=run, delay_seconds=delay_seconds, reason="waits", **more)


async def ids(sagas: SagaList, **wanted: Any) -> list[str]:
    rows, _ = await sagas.page(SagaFilter(**wanted))
    return [row.saga_id for row in rows]


async def test_all_that_is_asked_must_be_so(database: Database, sagas: SagaList) -> None:
    await record(
        database,
        ("one", [asked(order="1", customer="ana"), tagged(vip="yes")], NOW),
        ("two", [asked(order="2", customer="ana", parent="one")], NOW),
        ("three", [asked(order="1", customer="ben")], LONG_AGO),
    )

    assert await ids(sagas) == ["three", "two", "one"]
    assert await ids(sagas, attributes={"customer": "ana"}) == ["two", "one"]
    assert await ids(sagas, attributes={"customer": "ana", "order": "1"}) == ["one"]
    assert await ids(sagas, attributes={"vip": "yes"}) == ["one"]
    assert await ids(sagas, attributes={"vip": "ye"}) == []
    assert await ids(sagas, parent="one") == ["two"]
    assert await ids(sagas, correlation_id="trace-three") == ["three"]
    assert await ids(sagas, requested_before=NOW) == ["three"]
    assert await ids(sagas, requested_after=NOW, name="toy") == ["two", "one"]
    assert await ids(sagas, ids=["one", "three", "nobody"]) == ["three", "one"]
    [row], _ = await sagas.page(SagaFilter(parent="one"))
    assert (row.attributes, row.parent, row.requested_at) == ({"order": "2", "customer": "ana"}, "one", NOW)


async def test_pages_follow_each_other(database: Database, sagas: SagaList) -> None:
    await record(database, *((f"s{number}", [asked()], NOW) for number in range(5)))

    seen: list[list[str]] = []
    before: int | None = None
    for _ in range(3):
        rows, following = await sagas.page(SagaFilter(name="toy"), limit=2, before=before)
        seen.append([row.saga_id for row in rows])
        before = following

    assert seen == [["s4", "s3"], ["s2", "s1"], ["s0"]]
    assert following is None


async def in_order(database: Database, sort: str) -> list[str]:
    """All sagas, one a page."""
    found, cursor = [], None
    async with await AsyncConnection.connect(database.url) as connection:
        while True:
            rows, following = await SAGAS.page(View(connection, Position(0, 1)), {}, sort, 1, cursor)
            found += [row.saga_id for row in rows]
            if following is None:
                return found
            cursor = Cursor.decode(following)


async def test_each_order_has_its_pages_also_of_those_that_changed_at_one_moment(
    database: Database, sagas: SagaList
) -> None:
    moment = NOW.replace(microsecond=123_457)
    await record(
        database,
        ("late", [asked()], moment + timedelta(microseconds=1)),
        ("one", [asked()], moment),
        ("two", [asked()], moment),
        ("early", [asked()], LONG_AGO),
    )

    assert await in_order(database, "requested") == ["late", "one", "two", "early"]
    assert await in_order(database, "-requested") == ["early", "two", "one", "late"]
    assert await in_order(database, "updated") == ["early", "one", "two", "late"]
    assert await in_order(database, "-updated") == ["late", "two", "one", "early"]


@pytest.mark.parametrize(
    "values",
    [
        ("2026-01-31T12:00:00+00:00",),
        (17, 17),
        ("yesterday", 17),
        ("0001-01-01T00:00:00+23:59", 17),
        ("2026-01-31T12:00:00+00:00", 2**63),
        ("2026-01-31T12:00:00+00:00", True),
    ],
)
def test_a_place_in_time_that_is_none_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidCursor):
        SAGAS.statement({}, "updated", 5, Cursor("sagas", "updated", values, Position(0, 1)))


async def overdue(sagas: SagaList) -> list[str]:
    return [saga.saga_id for saga in await sagas.overdue(timedelta(seconds=30))]


async def test_only_those_are_overdue_for_which_something_should_have_happened(
    database: Database, sagas: SagaList
) -> None:
    hour, now = 3600.0, datetime.now(UTC)
    long_ago = now - timedelta(seconds=hour)
    await record(
        database,
        ("asleep", [asked(), parked(signals=["go"])], long_ago),
        ("waits-for-a-child", [asked(), parked(children=["1"])], long_ago),
        ("not-yet", [asked(), parked(2 * hour)], long_ago),
        ("time-passed", [asked(), parked(hour / 2, signals=["go"])], long_ago),
        ("just-passed", [asked(), parked(hour - 10)], long_ago),
        ("lost", [asked(), _running()], long_ago - timedelta(seconds=1)),
        ("busy", [asked(), _running()], now),
        ("stuck", [asked(), journal.SagaStuck(reason="bug", error="x")], long_ago),
        ("ended", [asked(), journal.SagaCompleted()], long_ago),
        ("signalled", [asked(), parked(signals=["go"]), _signalled()], long_ago),
    )

    assert await overdue(sagas) == ["lost", "signalled", "time-passed"]


def _running() -> journal.RunStarted:
    return journal.RunStarted(run=1, execution="e", executor="x")


def _signalled() -> journal.SignalReceived:
    return journal.SignalReceived(signal="go", id="1", data={}, actor="ana", run=2)


async def test_overdue_sagas_are_told_page_by_page(database: Database, sagas: SagaList) -> None:
    await record(database, *((f"s{number}", [asked()], LONG_AGO) for number in range(5)))

    first = await sagas.overdue(timedelta(seconds=30), limit=3)
    second = await sagas.overdue(timedelta(seconds=30), limit=3, after=first[-1])

    assert [saga.saga_id for saga in (*first, *second)] == [f"s{number}" for number in range(5)]
    assert await sagas.overdue(timedelta(seconds=30), limit=3, after=second[-1]) == []


async def test_a_scan_reads_nothing_of_ten_thousand_that_sleep_or_wait_for_later(database: Database) -> None:
    """Its plan is made for rows that nobody has counted yet: no ANALYZE runs here."""
    await record(
        database,
        ("lost", [asked()], LONG_AGO),
        *((f"asleep-{number}", [asked(), parked()], LONG_AGO) for number in range(SLEEPERS // 2)),
        *((f"later-{number}", [asked(), parked(7200)], LONG_AGO) for number in range(SLEEPERS // 2)),
    )
    async with await AsyncConnection.connect(database.admin_url, autocommit=True) as connection:
        before = await _rows_read(connection)

        async with store_pool(database.url, 2) as pool:
            assert await overdue(SagaList(pool)) == ["lost"]

        assert await _rows_read(connection) - before < 10


async def _rows_read(connection: AsyncConnection[Any]) -> int:
    """By sessions that have ended: they have told what they read."""

    async def nobody_is_left() -> bool:
        ours = "usename = 'saga_app' and datname = current_database()"
        return bool(await value(connection, "select count(*) = 0 from pg_stat_activity where " + ours))

    await until(nobody_is_left)
    cursor = await connection.execute(
        """select (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'sagas')
                + (select seq_tup_read from pg_stat_user_tables where relname = 'sagas')"""
    )
    [count] = await cursor.fetchone() or [0]
    return int(count)
