"""Sagas that start by the clock: each time once, whoever dies, and only while they are declared so."""

from datetime import datetime, timedelta

import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import DieWhenATickStarts, Ticking, When
from tests.recovery.launcher import serving, starting
from tests.recovery.shop import Look

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SECOND = timedelta(seconds=1)
SCHEDULED = "sched-tick-"
SCHEDULES = "select schedule_name, schedule, cron_timezone, automatic_backfill from dbos.workflow_schedules"


def ticks(look: Look) -> list[datetime]:
    """The times of the sagas that were started, in their order; each of them is in one journal."""
    rows = look.rows(
        """
        select stream, data->'input'->>'due' as due from eventstore.events
         where type = 'SagaRequested' and data->>'name' = 'tick' order by 2
        """
    )
    times = [datetime.fromisoformat(row["due"]) for row in rows]
    assert [row["stream"] for row in rows] == [f"saga-tick-{time:%Y-%m-%dT%H:%M:%SZ}" for time in times]
    return times


def ended(look: Look) -> int:
    count: int = look.value("select count(*) from eventstore.events where type = 'SagaCompleted'")
    return count


def missing(times: list[datetime]) -> list[datetime]:
    """Seconds between the first and the last of `times` that are not among them."""
    count = (times[-1] - times[0]) // SECOND + 1
    return sorted({times[0] + number * SECOND for number in range(count)} - set(times))


def test_each_time_starts_one_saga_with_two_servers_and_when_one_is_killed(database: Database) -> None:
    look = Look(database)
    with serving(database, Ticking()) as first, serving(database, Ticking()):
        until(lambda: ended(look) >= 3)
        first.kill()
        killed_after = len(ticks(look))
        until(lambda: len(ticks(look)) >= killed_after + 3)
        until(lambda: ended(look) >= killed_after)
        until(lambda: missing(ticks(look)) == [])  # a time that was left may come after later ones

    times = ticks(look)
    assert len(times) == len(set(times))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_time_at_which_the_server_died_is_not_lost(database: Database, when: When) -> None:
    look = Look(database)
    with starting(database, Ticking(), DieWhenATickStarts(when)) as server:
        until(lambda: not server.alive)
    # On a busy machine the next second has come as well.
    fired = [run for run in look.runs("PENDING", "ENQUEUED") if run.startswith(SCHEDULED)]
    due = sorted(datetime.fromisoformat(run.removeprefix(SCHEDULED)) for run in fired)
    requested = ticks(look)
    assert bool(requested) == (when == "after")
    assert set(requested) <= set(due)

    with serving(database, Ticking("0 0 1 1 *")):
        until(lambda: ended(look) == len(due))
        until(lambda: not look.runs("PENDING", "ENQUEUED"))
    assert ticks(look) == due


def test_what_was_missed_is_left_out_unless_it_is_to_be_caught_up(database: Database) -> None:
    look = Look(database)
    with serving(database, Ticking()) as server:
        until(lambda: len(ticks(look)) >= 1)
        server.kill()
    [*_, last] = ticks(look)
    until(lambda: datetime.now(last.tzinfo) > last + 4 * SECOND)

    with serving(database, Ticking()) as server:
        until(lambda: ticks(look)[-1] > last + 2 * SECOND)
        server.kill()
    assert missing(ticks(look)) != []
    fired = datetime.fromisoformat(look.value("select last_fired_at from dbos.workflow_schedules"))
    until(lambda: datetime.now(fired.tzinfo) > fired + 3 * SECOND)

    back_at = datetime.now(fired.tzinfo)
    with serving(database, Ticking(catch_up=True)):
        until(lambda: ticks(look)[-1] > back_at)
        until(lambda: not any(fired < time < back_at for time in missing(ticks(look))))


def test_a_schedule_is_what_the_last_server_declared(database: Database) -> None:
    look = Look(database)
    with serving(database, Ticking()):
        until(lambda: len(ticks(look)) >= 1)
    with serving(database, Ticking("0 0 1 1 *", catch_up=True)):
        changed = look.rows(SCHEDULES)
    with serving(database):
        assert look.rows(SCHEDULES) == []

    assert changed == [
        {
            "schedule_name": "tick",
            "schedule": "0 0 1 1 *",
            "cron_timezone": "UTC",
            "automatic_backfill": True,
        }
    ]
