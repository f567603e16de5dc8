"""Reading the whole log again, and comparing it with its seals.

protection        triggers, rights, sequence, streams                         protection.py
page of blocks    each follows the one before, its hash and root are right    chain.py
its rows          read raw, digested here, compared with the entries          comparison.py
anchors           the blocks that were noted elsewhere are still these
appends           the events of each belong together                         appends.py
the rest          what no block covers yet, up to the safe position

Memory is bounded by a page of blocks. Nothing is written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from eventstore.audit.anchors import Anchor
from eventstore.audit.appends import Appends
from eventstore.audit.chain import Chain
from eventstore.audit.comparison import Comparison
from eventstore.audit.findings import Finding, Report
from eventstore.audit.hashes import time_of
from eventstore.audit.protection import faults_of_definitions, faults_of_streams
from eventstore.audit.records import EventRow, commands_between, events_between
from eventstore.audit.seals import Seal, seals_from

PAGE_BLOCKS: Final = 20
PROGRESS_EVENTS: Final = 1_000
UNSEALED_SECONDS_MAX: Final = 300
"""What is unsealed for longer is worth a warning: no sealer runs, or seals were removed at the end."""

Progress = Callable[[int, int, int], None]
"""Called with a position, the position where the log ends, and the last block that was verified."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to verify: from which block on, against which anchors; events at the positions of `archived`, from
    first to last, may be missing."""

    from_block: int = 1
    anchors: Sequence[Anchor] = ()
    archived: Sequence[tuple[int, int]] = ()

    def is_archived(self, position: int) -> bool:
        return any(first <= position <= last for first, last in self.archived)


async def verify(
    connection: psycopg.AsyncConnection[Any],
    scope: Scope,
    progress: Progress = lambda *_: None,
    report: Report | None = None,
) -> Report:
    """What is wrong with the log. `connection` is READ COMMITTED, autocommit, on the primary.

    `report` is filled in as it goes: whoever cuts it short has what was found until then. Raises LookupError
    when there is no block to begin with.
    """
    verification = _Verification(connection, scope, progress, report or Report(scope.from_block))
    await verification.run()
    return verification.report


@dataclass
class _Verification:
    connection: psycopg.AsyncConnection[Any]
    scope: Scope
    progress: Progress
    report: Report
    end: int = 0
    appends: Appends = field(default_factory=Appends)

    async def run(self) -> None:
        report, scope = self.report, self.scope
        report.add(await faults_of_definitions(self.connection))
        report.add(await faults_of_streams(self.connection, may_lack_beginnings=bool(scope.archived)))
        await self._read_end()
        chain = await Chain.before(self.connection, scope.from_block, scope.anchors)
        async for seals in seals_from(self.connection, scope.from_block, PAGE_BLOCKS):
            after = chain.last_position
            for seal in seals:
                report.add(chain.follow(seal))
            await self._compare(seals, after)
            report.last_block, report.last_position = chain.block, chain.last_position
        report.add(chain.faults_at_the_end())
        report.anchors = chain.anchors_met
        latest = (
            await self._read_end()
        )  # again: it was sealed meanwhile, and a block may end within an append
        await self._look_at_the_rest(chain.last_position)
        report.add(self.appends.left_open(self.end, latest, scope.is_archived))

    async def _compare(self, seals: Sequence[Seal], after: int) -> None:
        """Compare the rows that a page of blocks covers with its entries."""
        last = max(after, *(seal.header.last_position for seal in seals))
        page = Comparison(seals, self.scope.is_archived)
        async for event in events_between(self.connection, after, last):
            self.report.add(page.meet(event))
            self.report.events += 1
            self._take(event)
        async for command in commands_between(self.connection, after, last):
            self.report.add(page.meet(command))
            self.report.commands += 1
        self.report.add(page.end())
        self.report.archived += page.archived

    async def _look_at_the_rest(self, after: int) -> None:
        """What no block covers yet cannot be compared with anything."""
        report = self.report
        async for event in events_between(self.connection, after, self.end):
            if report.unsealed_since is None:
                report.unsealed_since = time_of(event.recorded_at)
            report.unsealed_events += 1
            self._take(event)
        self.progress(self.end, self.end, report.last_block)
        if report.unsealed_since is None:
            return
        age = datetime.now(UTC) - report.unsealed_since
        if age > timedelta(seconds=UNSEALED_SECONDS_MAX):
            detail = (
                f"{report.unsealed_events} events are not sealed since {report.unsealed_since.isoformat()}: "
                "no server seals, or seals were removed at the end of the chain"
            )
            report.add([Finding("unsealed", detail, position=after, warning=True)])

    def _take(self, event: EventRow) -> None:
        self.report.add(self.appends.take(event))
        if (self.report.events + self.report.unsealed_events) % PROGRESS_EVENTS == 0:
            self.progress(event.position, max(self.end, event.position), self.report.last_block)

    async def _read_end(self) -> int:
        """Note the safe position; gives the last position that was drawn."""
        cursor = await self.connection.execute(
            "select eventstore.safe_position(), (select last_value from eventstore.position_seq)"
        )
        row = await cursor.fetchone()
        assert row is not None, "a statement without FROM gives a row"
        self.end = row[0]
        return int(row[1])
