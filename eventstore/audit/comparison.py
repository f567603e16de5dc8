"""The rows that a page of blocks speaks of, and those that are there: what was changed, removed, inserted."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from eventstore.audit.findings import Finding
from eventstore.audit.hashes import KINDS, entries_of
from eventstore.audit.records import CommandRow, EventRow
from eventstore.audit.seals import Seal

Row = EventRow | CommandRow

REMEMBERED_MAX: Final = 100_000


class Comparison:
    """Meets all rows of the positions of `seals`, then says what is missing.

    Rows of archived positions may be missing, and are counted. A block whose bounds were made huge does not
    make this huge: it remembers so many rows and no more.
    """

    def __init__(self, seals: Sequence[Seal], is_archived: Callable[[int], bool]) -> None:
        self.archived = 0
        self._is_archived = is_archived
        self._ends = [(seal.header.last_position, seal.header.block) for seal in seals]
        self._sealed: dict[tuple[bytes, int], list[bytes]] = {}
        self._damaged: list[Finding] = []
        self._met: list[tuple[int, str]] = []
        self._unknown: list[Row] = []
        for seal in seals:
            self._expect(seal)

    def _expect(self, seal: Seal) -> None:
        try:
            for entry in entries_of(seal.entries):
                self._sealed.setdefault((entry.kind, entry.position), []).append(entry.digest)
        except ValueError as error:
            block = seal.header.block
            self._damaged.append(Finding("seal", f"block {block}: {error}", block=block))

    def meet(self, row: Row) -> Iterator[Finding]:
        """Take in the next row; what is wrong with it."""
        entry = row.entry()
        if entry.kind == b"e" and len(self._met) < REMEMBERED_MAX:
            self._met.append((entry.position, row.place))
        sealed = self._sealed.get((entry.kind, entry.position))
        if not sealed:
            if len(self._unknown) < REMEMBERED_MAX:
                self._unknown.append(row)
        elif entry.digest in sealed:
            sealed.remove(entry.digest)
        else:
            sealed.pop()
            what = f"{row.kind} {row.place} at position {row.position}"
            yield Finding(
                "changed",
                f"{what} is not as it was sealed",
                row.position,
                row.place,
                self._block(row.position),
            )

    def end(self) -> Iterator[Finding]:
        """All rows have been met: what was inserted, and what is gone."""
        yield from self._damaged
        for row in self._unknown:
            what = f"{row.kind} {row.place} at position {row.position}"
            yield Finding(
                "inserted",
                f"{what} was not there when its block was sealed",
                row.position,
                row.place,
                self._block(row.position),
                self._neighbours(row.position),
            )
        for kind, position in sorted(key for key, sealed in self._sealed.items() if sealed):
            if self._is_archived(position):
                self.archived += 1
                continue
            before, after = self._neighbours(position)
            detail = f"{KINDS[kind]} at position {position} is gone, between {before} and {after}"
            yield Finding("removed", detail, position, block=self._block(position), between=(before, after))

    def _block(self, position: int) -> int:
        """The block that covers it."""
        return min((end for end in self._ends if end[0] >= position), default=(0, 0))[1]

    def _neighbours(self, position: int) -> tuple[str, str]:
        """The events before and after a position, of those that were met."""
        at = bisect_left(self._met, position, key=_position)
        beyond = bisect_right(self._met, position, key=_position)
        return (
            _named(self._met[at - 1]) if at else "the block before",
            _named(self._met[beyond]) if beyond < len(self._met) else "the block after",
        )


def _position(event: tuple[int, str]) -> int:
    return event[0]


def _named(event: tuple[int, str]) -> str:
    return f"position {event[0]} ({event[1]})"
