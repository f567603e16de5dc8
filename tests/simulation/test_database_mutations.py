"""The simulation on Postgres can fail: it notices each rule of the store that is broken on purpose."""

from typing import Any

import pytest

from eventstore import RecordedEvent
from eventstore.appender import Appender
from eventstore.postgres import PostgresEventStore
from eventstore.snapshots import Dump, PostgresSnapshots
from tests.conftest import Database
from tests.simulation.database_mutations import DATABASE_MUTATIONS, DatabaseMutation
from tests.simulation.postgres import PAGE_EVENTS, RealStore, real_store
from tests.simulation.twins import run_on

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SEEDS = (53, 31, *range(200))
"""First those that meet the rarest cases."""


def noticed(real: RealStore) -> bool:
    return any(run_on(real, seed).violations for seed in SEEDS)


@pytest.mark.parametrize("mutation", DATABASE_MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_rule_of_the_append_functions(mutation: DatabaseMutation, database: Database) -> None:
    with real_store(database.url, database.admin_url) as real:
        mutation.apply(database.admin_url)

        assert noticed(real)


def test_a_reader_that_loses_an_event_between_two_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PostgresEventStore._page

    async def short(*arguments: Any) -> list[RecordedEvent]:
        events = await page(*arguments)
        return [events[0], *events[2:], events[-1]] if len(events) == PAGE_EVENTS else events

    monkeypatch.setattr(PostgresEventStore, "_page", short)

    with real_store(database.url, database.admin_url) as real:
        assert noticed(real)


def test_an_appender_that_mixes_up_the_answers_of_a_call(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = Appender._deliver

    def mixed_up(self: Appender, batch: Any, results: list[dict[str, Any]]) -> None:
        deliver(self, batch, [{**row, "n": len(results) - 1 - row["n"]} for row in results])

    monkeypatch.setattr(Appender, "_deliver", mixed_up)

    with real_store(database.url, database.admin_url) as real:
        assert noticed(real)


def test_a_snapshot_that_is_not_of_its_version(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = PostgresSnapshots.offer

    def older(self: PostgresSnapshots, stream: str, fingerprint: str, dump: Dump) -> None:
        offer(self, stream, fingerprint, lambda: (max(1, dump()[0] - 1), dump()[1]))

    monkeypatch.setattr(PostgresSnapshots, "offer", older)

    with real_store(database.url, database.admin_url) as real:
        assert noticed(real)
