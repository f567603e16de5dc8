"""Archiving: verified copies of the journals of sagas that ended long ago. Nothing leaves the database.

A file is of the sagas that ended between two positions, and the next one goes on where it stopped: which
files there are says what is left to do. A saga that was undone later is in the file of its last end.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from app.backup import CannotBackUp, keep
from app.database import DatabaseUnusable, open_database
from app.settings import Settings
from eventstore import StoreUnavailable
from eventstore.audit.archives import ArchiveWriter, Json, Verification
from eventstore.audit.records import events_at, events_of_stream
from eventstore.audit.seals import seals_from
from eventstore.connections import CONNECTION_KWARGS, TRANSIENT, configure
from workflows.saga.journal import CompensationRequested, SagaAbandoned, SagaCompensated, SagaCompleted

FILE_EVENTS: Final = 200_000
"""So many events a file has, and one journal more at most. Reading one needs memory for their digests."""
WINDOW_POSITIONS: Final = 50_000
SEALS_PAGE: Final = 20
COMPARED_EVENTS: Final = 500
_ENDS: Final = [each.__name__ for each in (SagaCompleted, SagaCompensated, SagaAbandoned)]
_NAME: Final = re.compile(r"sagas-(\d{13})-(\d{13})\.jsonl\.gz", re.ASCII)
_PART: Final = ".sagas-part-"

# What is sealed only: the rest can be proved by nothing yet.
_THROUGH: Final = """
    with sealed as (select coalesce(max(last_position), 0) as last from eventstore.seals)
    select coalesce((select position - 1 from eventstore.events, sealed
                      where position > %(after)s and position <= sealed.last and recorded_at >= %(before)s
                      order by position limit 1), sealed.last) from sealed"""
_ENDED: Final = """
    select ended.position, ended.stream from eventstore.events as ended
     where ended.position > %(after)s and ended.position <= %(to)s and ended.type = any(%(ends)s)
       and ended.stream like 'saga-%%'
       and not exists (select from eventstore.events as later
                        where later.stream = ended.stream and later.version > ended.version
                          and later.type = any(%(moves)s))
     order by ended.position"""
_BEFORE_NEXT: Final = """
    select coalesce(min(position) - 1, %(to)s) from eventstore.events where position > %(after)s"""
_COVERING: Final = """
    select block from eventstore.seals where last_position >= %s order by last_position limit 1"""


class CannotArchive(Exception):
    """The folder does not allow it, or the database is not what the archives in it are of."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is finished."""

    file: Path
    manifest: Json


Progress = Callable[[int, int], None]
"""Called with the position that was come to, and the last one."""


async def archive(
    settings: Settings,
    folder: Path,
    ended_before: datetime,
    file_events: int = FILE_EVENTS,
    progress: Progress = lambda *_: None,
) -> AsyncIterator[Written]:
    """Write what is not in the folder yet, file by file.

    Raises CannotArchive, DatabaseUnusable, EmbeddedPostgresError, StoreUnavailable.
    """
    with _only_one(folder):
        async with _reading(settings) as connection:
            after = _archived_through(folder)
            parameters = {"after": after, "before": ended_before}
            through = int(await _value(connection, _THROUGH, parameters))
            while after < through:
                header = {"after": after, "ended_before": ended_before.astimezone(UTC).isoformat()}
                work = _Part(connection, folder, header, file_events, lambda at: progress(at, through))
                written, after = await work.write(after, through)
                if written is not None:
                    yield written


@dataclass
class _Part:
    """One file in the making."""

    connection: psycopg.AsyncConnection[Any]
    folder: Path
    header: Json
    file_events: int
    progress: Callable[[int], None]

    async def write(self, after: int, through: int) -> tuple[Written | None, int]:
        """The file, if there was something to write, and the position that it reaches."""
        descriptor, name = tempfile.mkstemp(prefix=_PART, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as part:
                writer = ArchiveWriter(part, self.header)
                async for position, stream in self._ended(after, through):
                    async for row in events_of_stream(self.connection, stream, through):
                        writer.event(row)
                    self.progress(position)
                    if len(writer.positions) >= self.file_events:
                        through = position
                        break
                if not writer.positions:
                    return None, through
                await self._write_seals(writer)
                writer.header["through"] = through
                manifest = writer.finish()
            file = self.folder / f"sagas-{after + 1:013}-{through:013}.jsonl.gz"
            keep(Path(name), file)
        except CannotBackUp as error:
            raise CannotArchive(str(error)) from error
        finally:
            _remove(Path(name))
        return Written(file, manifest), through

    async def _ended(self, after: int, through: int) -> AsyncIterator[tuple[int, str]]:
        """Where sagas ended for good, as far as is known today, window by window."""
        moves = [*_ENDS, CompensationRequested.__name__]
        while after < through:
            # The next event first: a restore leaves gaps of many windows.
            start = await _value(self.connection, _BEFORE_NEXT, {"after": after, "to": through})
            after = min(start + WINDOW_POSITIONS, through)
            parameters = {"after": start, "to": after, "ends": _ENDS, "moves": moves}
            cursor = await self.connection.execute(_ENDED, parameters)
            for position, stream in await cursor.fetchall():
                yield position, stream
            self.progress(after)

    async def _write_seals(self, writer: ArchiveWriter) -> None:
        positions = sorted(writer.positions)
        block = int(await _value(self.connection, _COVERING, [positions[0]]))
        met = 0
        async for seals in seals_from(self.connection, block, SEALS_PAGE):
            for seal in seals:
                before = met
                while met < len(positions) and positions[met] <= seal.header.last_position:
                    met += 1
                writer.seal(seal, with_entries=met > before)


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)


async def compare(settings: Settings, verification: Verification) -> list[str]:
    """What the database has otherwise than a verified archive, in words."""
    entries, faults = verification.entries, []
    positions = sorted(entries)
    async with _reading(settings) as connection:
        for start in range(0, len(positions), COMPARED_EVENTS):
            page = positions[start : start + COMPARED_EVENTS]
            found = {row.position: row.entry() for row in await events_at(connection, page)}
            for position in page:
                if found.get(position) != entries[position]:
                    state = "is another one" if position in found else "is not there"
                    faults.append(f"the event at position {position} {state} in the database")
    return faults


def _archived_through(folder: Path) -> int:
    """The position that the files of the folder have come to. Raises CannotArchive."""
    spans = sorted((int(found[1]), int(found[2]), path) for path, found in _files(folder))
    reached = 0
    for first, last, path in spans:
        if first != reached + 1:
            raise CannotArchive(
                f"{path.name} does not follow position {reached}: a file is missing before it"
            )
        reached = last
    return reached


def _files(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in folder.iterdir():
        if found := _NAME.fullmatch(path.name):
            yield path, found


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder, and clear away what one that was killed has left. Raises CannotArchive."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CannotArchive(f"cannot use {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotArchive(f"another process archives into {folder}") from None
        for left in folder.glob(f"{_PART}*"):
            left.unlink()
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection that cannot write, to a database with seals."""
    async with open_database(settings) as urls:
        try:
            async with await psycopg.AsyncConnection.connect(urls.direct, **CONNECTION_KWARGS) as connection:
                await configure(connection)
                await connection.execute("set statement_timeout = 0")
                await connection.execute("set default_transaction_read_only = on")
                yield connection
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise DatabaseUnusable("the database has no seals: run saga migrate") from error
        except TRANSIENT as error:
            raise StoreUnavailable(str(error)) from error


async def _value(connection: psycopg.AsyncConnection[Any], query: str, parameters: Any) -> Any:
    row = await (await connection.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return row[0]
