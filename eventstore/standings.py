"""Where all followers of the log stand, and how far behind they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import dict_row

from eventstore.checkpoints import COLUMNS, Kind, Parked, Standing, State
from eventstore.connections import Pool
from eventstore.errors import FollowerUnknown
from eventstore.port import EventStore
from eventstore.projections import Slot

COUNTED_MAX: Final = 10_000
"""Events behind are counted up to here; beyond it is the difference of positions, which may have gaps."""

_ROWS: Final = f"""
    select {COLUMNS}, behind.events, extract(epoch from clock_timestamp() - behind.since)::float8 as seconds
      from eventstore.checkpoints as c
     cross join lateral (
           select count(*) as events, min(recorded_at) as since
             from (select recorded_at from eventstore.events
                    where position > c.position and position <= %(safe)s
                    order by position limit {COUNTED_MAX + 1}) as next) as behind
     where %(name)s::text is null or split_part(subscription, '@', 1) = %(name)s
     order by subscription
"""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a follower is behind `of`, the safe position. `seconds` is the age of the first event that it
    has not taken in, 0 without one."""

    position: int
    of: int
    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SlotView:
    """The tables of a slot, or a subscription: `followed` says whether this code can take in more events."""

    version: int
    state: State
    followed: bool
    lag: Lag
    parked: Parked | None
    began_at: datetime
    updated_at: datetime
    events_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FollowerView:
    """A projection or a subscription. `code_version` is null when this server's code does not have it."""

    name: str
    kind: Kind
    code_version: int | None
    needs_rebuild: bool
    live: SlotView
    staging: SlotView | None
    previous: SlotView | None


@dataclass(frozen=True)
class Standings:
    """Reads the checkpoints. `versions` are those of the code: of each projection, 1 of each subscription."""

    pool: Pool
    store: EventStore
    versions: dict[str, int]

    async def all(self) -> list[FollowerView]:
        """All followers, by name."""
        return await self._read(None)

    async def one(self, name: str) -> FollowerView:
        """Raises FollowerUnknown."""
        found = await self._read(name)
        if not found:
            raise FollowerUnknown(name)
        return found[0]

    async def _read(self, name: str | None) -> list[FollowerView]:
        safe = await self.store.safe_position()
        async with self.pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(_ROWS.encode(), {"safe": safe, "name": name})
            rows = await cursor.fetchall()
        tables: dict[str, dict[Slot, SlotView]] = {}
        kinds: dict[str, Kind] = {}
        for row in rows:
            events, seconds = row.pop("events"), row.pop("seconds")
            standing = Standing.read(row)
            of, _, slot = standing.name.partition("@")
            kinds[of] = standing.kind
            lag = _lag(standing.position, safe, events, seconds)
            tables.setdefault(of, {})[Slot(slot or Slot.LIVE)] = self._tables(of, standing, lag)
        return [self._view(of, kinds[of], slots) for of, slots in tables.items() if Slot.LIVE in slots]

    def _tables(self, of: str, standing: Standing, lag: Lag) -> SlotView:
        rate = standing.events_per_second
        return SlotView(
            version=standing.version,
            state=standing.state,
            followed=standing.version == self.versions.get(of),
            lag=lag,
            parked=standing.parked,
            began_at=standing.began_at,
            updated_at=standing.updated_at,
            events_per_second=rate,
            eta_seconds=lag.events / rate if rate and standing.state == "following" else None,
        )

    def _view(self, name: str, kind: Kind, slots: dict[Slot, SlotView]) -> FollowerView:
        code_version, live = self.versions.get(name), slots[Slot.LIVE]
        return FollowerView(
            name=name,
            kind=kind,
            code_version=code_version,
            needs_rebuild=code_version is not None and code_version != live.version,
            live=live,
            staging=slots.get(Slot.STAGING),
            previous=slots.get(Slot.PREVIOUS),
        )


def slots_of(view: FollowerView) -> Sequence[tuple[Slot, SlotView]]:
    """The slots that there are."""
    found = ((Slot.LIVE, view.live), (Slot.STAGING, view.staging), (Slot.PREVIOUS, view.previous))
    return [(slot, tables) for slot, tables in found if tables is not None]


def _lag(position: int, safe: int, events: int, seconds: float | None) -> Lag:
    behind = events if events <= COUNTED_MAX else max(safe - position, 0)
    # The follower may have moved on since the safe position was read.
    return Lag(position, max(safe, position), behind, max(seconds or 0.0, 0.0))
