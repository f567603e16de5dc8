"""The tree and the chain of seals, by themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from eventstore.audit.hashes import (
    NO_BLOCK,
    Entry,
    Header,
    entries_of,
    leaves_of,
    merkle_path,
    merkle_root,
    root_over,
)

DIGEST = some.binary(min_size=32, max_size=32)
ENTRY = some.builds(Entry, some.sampled_from([b"e", b"c"]), some.integers(0, 2**40), DIGEST)
ENTRIES = some.lists(ENTRY, min_size=1, max_size=40)
HEADER = Header(1, 2, 5, 8, 4, datetime(2026, 1, 1, tzinfo=UTC), NO_BLOCK, sha256(b"").digest())


def packed(entries: list[Entry]) -> bytes:
    return b"".join(entry.packed() for entry in entries)


@given(ENTRIES)
def test_entries_are_read_as_they_were_written(entries: list[Entry]) -> None:
    assert list(entries_of(packed(entries))) == entries


@given(ENTRIES, some.data())
def test_every_path_leads_to_the_root_and_no_other_leaf_does(entries: list[Entry], data: Any) -> None:
    leaves = leaves_of(packed(entries))
    index = data.draw(some.integers(0, len(leaves) - 1))
    path = merkle_path(leaves, index)

    assert root_over(leaves[index], path) == merkle_root(leaves)
    assert len(path) <= 6
    assert root_over(sha256(leaves[index]).digest(), path) != merkle_root(leaves)


def test_a_tree_is_that_of_rfc_6962() -> None:
    """Its test vectors, from the certificate-transparency project: an empty leaf, then 00, 10, 2021."""
    leaves = [sha256(b"\0" + data).digest() for data in (b"", b"\0", b"\x10", b"\x20\x21")]
    roots = [merkle_root(leaves[:size]).hex()[:16] for size in (1, 2, 3)]

    assert roots == ["6e340b9cffb37a98", "fac54203e7cc696c", "aeb6bcfe274b70a1"]


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": 2},
        {"block": 3},
        {"first_position": 4},
        {"last_position": 9},
        {"records": 5},
        {"sealed_at": HEADER.sealed_at + timedelta(microseconds=1)},
        {"previous": sha256(b"x").digest()},
        {"root": sha256(b"x").digest()},
    ],
)
def test_the_hash_of_a_block_is_over_all_of_it(change: dict[str, Any]) -> None:
    assert replace(HEADER, **change).hash() != HEADER.hash()
    assert replace(HEADER).hash() == HEADER.hash()


@pytest.mark.parametrize("torn", [b"e", b"x" * 41])
def test_what_no_sealer_wrote_is_refused(torn: bytes) -> None:
    with pytest.raises(ValueError, match="entr"):
        list(entries_of(torn))
