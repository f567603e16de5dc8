"""The first page: who needs help, and how everything does. No read is of all sagas that ever were."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from psycopg.rows import class_row

from app.api.positions import After
from app.api.reading import Reader, ReaderOf
from app.api.requests import RuntimeOf, in_time
from app.console.rendering import page
from app.executors.listing import read_executors
from app.observing.cluster import OPEN_SAGAS
from app.readmodels.sagas import NAME, SAGAS, SORT, SagaRow
from app.runtime import Runtime
from app.security.rules import CONSOLE

router = APIRouter(include_in_schema=False)

STUCK_SHOWN: Final = 10
MINUTES: Final = 60
LATEST_SAGAS: Final = 5_000
"""So many of the latest requests and of the latest changes are counted by the minute."""

_REQUESTED: Final = """
    select count(*)::int as sagas, 'requested' as status,
           (extract(epoch from now() - requested_at) / 60)::int as minutes_ago
      from (select requested_at from readmodels.sagas
             where requested_at > now() - %(within)s order by requested_at desc limit %(limit)s) as latest
     group by minutes_ago
"""
_ENDED: Final = """
    select count(*)::int as sagas, status, (extract(epoch from now() - updated_at) / 60)::int as minutes_ago
      from (select updated_at, status from readmodels.sagas
             where updated_at > now() - %(within)s order by updated_at desc, position desc
             limit %(limit)s) as latest
     where status in ('completed', 'compensated', 'abandoned', 'stuck')
     group by status, minutes_ago
"""


@dataclass(frozen=True, slots=True)
class _Open:
    name: str
    status: str
    sagas: int


@dataclass(frozen=True, slots=True)
class _Minute:
    sagas: int
    status: str
    minutes_ago: int


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something was, for each of the last sixty minutes, the oldest first."""

    what: str
    minutes: tuple[int, ...]
    cut: bool

    @property
    def total(self) -> int:
        return sum(self.minutes)

    @property
    def most(self) -> int:
        return max(self.minutes)


@router.get(CONSOLE)
async def overview(request: Request, runtime: RuntimeOf, reader: ReaderOf) -> Response:
    """The overview."""
    async with in_time(runtime):
        stuck, more_stuck, opened = await _sagas(reader)
        rates = await _rates(runtime)
        followers = await runtime.standings.all()
        executors = await read_executors(runtime.pool)
    states = Counter(each.state for each in executors)
    return page(
        request,
        "overview.html",
        stuck=stuck,
        more_stuck=more_stuck,
        opened=opened,
        rates=rates,
        followers=followers,
        executors=states,
    )


async def _sagas(reader: Reader) -> tuple[list[SagaRow], bool, list[_Open]]:
    """The stuck ones, whether there are more, and how many are open by name and status."""
    async with reader.view(NAME, After()) as view:
        stuck, following = await SAGAS.page(view, {"status": "stuck"}, SORT, STUCK_SHOWN)
        cursor = view.connection.cursor(row_factory=class_row(_Open))
        opened = await (await cursor.execute(OPEN_SAGAS)).fetchall()
    return stuck, following is not None, sorted(opened, key=lambda each: (each.name, each.status))


async def _rates(runtime: Runtime) -> list[Rate]:
    bounds = {"within": timedelta(minutes=MINUTES), "limit": LATEST_SAGAS}
    async with runtime.pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(_Minute))
        requested = await (await cursor.execute(_REQUESTED, bounds)).fetchall()
        ended = await (await cursor.execute(_ENDED, bounds)).fetchall()
    return [
        _rate(what, [each for each in (*requested, *ended) if each.status == what])
        for what in ("requested", "completed", "compensated", "stuck")
    ]


def _rate(what: str, counted: list[_Minute]) -> Rate:
    minutes = [0] * MINUTES
    for each in counted:
        if 0 <= each.minutes_ago < MINUTES:
            minutes[MINUTES - 1 - each.minutes_ago] += each.sagas
    return Rate(what, tuple(minutes), sum(minutes) >= LATEST_SAGAS)
