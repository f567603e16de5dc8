"""The hashes of seals, as migrations/sql/01_seals.sql defines them, without the database's functions.

rows  ->  digests  ->  entries  ->  Merkle root  ->  hash of the block, chained to the one before
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Final, Literal

ALGORITHM: Final = 1
NO_BLOCK: Final = bytes(32)
"""What the first block has for the hash of the block before it."""
ENTRY_BYTES: Final = 41
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

Kind = Literal["event", "command"]
KINDS: Final[dict[bytes, Kind]] = {b"e": "event", b"c": "command"}

Fields = Sequence[bytes]
"""A row as Postgres's binary protocol has it: numbers of fixed size, then texts."""


def digest(kind: bytes, fixed: Fields, texts: Fields) -> bytes:
    """The digest of a row."""
    return sha256(kind + b"".join(fixed) + b"".join(sha256(text).digest() for text in texts)).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """What a block says about one row: of which kind it is, its position, its digest."""

    kind: bytes
    position: int
    digest: bytes

    def packed(self) -> bytes:
        return self.kind + self.position.to_bytes(8) + self.digest


def entries_of(packed: bytes) -> Iterator[Entry]:
    """Raises ValueError for bytes that no sealer wrote."""
    if len(packed) % ENTRY_BYTES:
        raise ValueError("the entries have no whole number")
    for start in range(0, len(packed), ENTRY_BYTES):
        one = packed[start : start + ENTRY_BYTES]
        if one[:1] not in KINDS:
            raise ValueError(f"{one[:1]!r} is no kind of entry")
        yield Entry(one[:1], int.from_bytes(one[1:9]), one[9:])


def leaf(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def leaves_of(packed: bytes) -> list[bytes]:
    return [leaf(packed[start : start + ENTRY_BYTES]) for start in range(0, len(packed), ENTRY_BYTES)]


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree of at least one leaf."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


@dataclass(frozen=True, slots=True)
class Sibling:
    """The neighbour of a node on the way to the root."""

    side: Literal["left", "right"]
    hash: bytes


def merkle_path(leaves: Sequence[bytes], index: int) -> list[Sibling]:
    """The neighbours of leaf `index` and of all nodes above it."""
    level, path = list(leaves), []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(Sibling("left" if beside < index else "right", level[beside]))
        level, index = _above(level), index // 2
    return path


def root_over(one: bytes, path: Sequence[Sibling]) -> bytes:
    """The root that a leaf and its path lead to."""
    for beside in path:
        one = node(beside.hash, one) if beside.side == "left" else node(one, beside.hash)
    return one


def _above(level: list[bytes]) -> list[bytes]:
    pairs = zip(islice(level, 0, None, 2), islice(level, 1, None, 2), strict=False)
    return [node(left, right) for left, right in pairs] + (level[-1:] if len(level) % 2 else [])


@dataclass(frozen=True, slots=True)
class Header:
    """A block without its entries: all that its hash is over."""

    algorithm: int
    block: int
    first_position: int
    last_position: int
    records: int
    sealed_at: datetime
    previous: bytes
    root: bytes

    def hash(self) -> bytes:
        """Raises OverflowError for numbers that no sealer wrote."""
        numbers = (
            self.algorithm.to_bytes(2),
            self.block.to_bytes(8),
            self.first_position.to_bytes(8),
            self.last_position.to_bytes(8),
            self.records.to_bytes(4),
            microseconds(self.sealed_at).to_bytes(8, signed=True),
        )
        return sha256(b"\2" + b"".join(numbers) + self.previous + self.root).digest()


def microseconds(time: datetime) -> int:
    """A time as Postgres stores it."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def time_of(stored: bytes) -> datetime:
    """The time that Postgres stores so."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(stored, signed=True))
