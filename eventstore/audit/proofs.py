"""Proofs of single events: that an event is in the log that an anchor fixes, to be checked without the log.

event  ->  its entry  ->  Merkle path  ->  root of its block  ->  headers of the blocks up to the anchored one
"""

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from eventstore.audit import hashes
from eventstore.audit.anchors import Anchor
from eventstore.audit.hashes import Entry, Header, Sibling, entries_of, leaves_of, merkle_path, root_over
from eventstore.audit.headers import header_document, header_of
from eventstore.audit.records import EVENT_FIXED, EventRow, events_between
from eventstore.audit.seals import Seal, page_of_seals

FORMAT: Final = "saga-proof-1"
HEADERS_MAX: Final = 10_000
"""Of one proof. To bridge more, keep anchors more often."""
_SIZES: Final = (8, 8, 4, 2, 16, 8)

Json = dict[str, Any]


class NoProof(Exception):
    """There is no proof of this event: it is not sealed yet, was changed, or its anchor is too far away."""


class InvalidProof(ValueError):
    """The proof does not prove what it says, or is none of this program."""


async def prove(connection: AsyncConnection[Any], position: int, to_block: int | None = None) -> Json:
    """A proof of the event at `position`, up to the block `to_block`, or up to its own. Raises NoProof."""
    rows = [row async for row in events_between(connection, position - 1, position)]
    if not rows:
        raise NoProof(f"there is no event at position {position}")
    seal = await _covering(connection, position)
    (row,) = rows
    try:
        index = list(entries_of(seal.entries)).index(row.entry())
    except ValueError:
        raise NoProof(f"the event at position {position} is not as it was sealed: run saga verify") from None
    path = merkle_path(leaves_of(seal.entries), index)
    headers = await _headers(connection, seal.header.block, to_block or seal.header.block)
    return {
        "format": FORMAT,
        "event": _readable(row),
        "fields": [base64.b64encode(field).decode() for field in row.fields],
        "path": [{"side": beside.side, "hash": beside.hash.hex()} for beside in path],
        "blocks": [header_document(header) for header in headers],
    }


def check_proof(proof: Any, anchor: Anchor) -> Json:
    """The event that the proof is of, when it is in the log that the anchor fixes. Raises InvalidProof."""
    try:
        if proof["format"] != FORMAT:
            raise InvalidProof(f"its format is {proof['format']!r}, not {FORMAT!r}")
        row = EventRow([base64.b64decode(field, validate=True) for field in proof["fields"]])
        path = [Sibling(beside["side"], bytes.fromhex(beside["hash"])) for beside in proof["path"]]
        headers = [header_of(document) for document in proof["blocks"]]
        sizes = tuple(len(field) for field in row.fields[:EVENT_FIXED])
        if sizes != _SIZES or len(row.fields) != EVENT_FIXED + 4 or not headers:
            raise InvalidProof("its fields are not those of an event")
        _check(row.entry(), path, headers, anchor)
        return _readable(row)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, InvalidProof):
            raise
        raise InvalidProof(f"no proof: {type(error).__name__} {error}") from error


def _check(entry: Entry, path: Sequence[Sibling], headers: Sequence[Header], anchor: Anchor) -> None:
    if root_over(hashes.leaf(entry.packed()), path) != headers[0].root:
        raise InvalidProof("the event is not in its block")
    for before, header in pairwise(headers):
        if (header.block, header.previous) != (before.block + 1, before.hash()):
            raise InvalidProof(f"block {header.block} does not follow block {before.block}")
    last = headers[-1]
    if (last.block, last.hash()) != (anchor.block, anchor.hash):
        raise InvalidProof(f"block {last.block} is not the one of the anchor, block {anchor.block}")


async def _covering(connection: AsyncConnection[Any], position: int) -> Seal:
    cursor = await connection.execute(
        "select block from eventstore.seals where last_position >= %s order by last_position limit 1",
        [position],
    )
    found = await cursor.fetchone()
    if found is None:
        raise NoProof(f"position {position} is not sealed yet: try again in a moment")
    (seal,) = await page_of_seals(connection, found[0], 1)
    return seal


async def _headers(connection: AsyncConnection[Any], first: int, last: int) -> list[Header]:
    if not first <= last < first + HEADERS_MAX:
        raise NoProof(
            f"the event is in block {first}: prove it up to a block from there to {HEADERS_MAX} later"
        )
    cursor = await connection.execute(
        """select algorithm, block, first_position, last_position, records, sealed_at, previous, root
             from eventstore.seals where block between %s and %s order by block""",
        [first, last],
    )
    headers = [Header(*row) async for row in cursor]
    if len(headers) != last - first + 1:
        raise NoProof(f"there is no block {last}")
    return headers


def _readable(row: EventRow) -> Json:
    """The event for people: what is proved are the bytes it was read from."""
    fields = row.fields
    return {
        "position": row.position,
        "stream": fields[6].decode(),
        "version": int.from_bytes(fields[2]),
        "event_id": str(UUID(bytes=bytes(fields[4]))),
        "type": row.type,
        "schema_version": int.from_bytes(fields[3]),
        "recorded_at": hashes.time_of(fields[5]).isoformat(),
        "data": fields[8].decode(),
        "metadata": fields[9].decode(),
    }
