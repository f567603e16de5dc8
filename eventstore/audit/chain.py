"""The chain of blocks: each follows the one before, and is what its own hash says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from eventstore.audit.anchors import Anchor
from eventstore.audit.findings import Finding
from eventstore.audit.hashes import ALGORITHM, ENTRY_BYTES, NO_BLOCK, leaves_of, merkle_root
from eventstore.audit.seals import Seal, page_of_seals


@dataclass
class Chain:
    """The chain as far as it was followed: its last block, that one's hash and last position."""

    anchors: dict[int, list[Anchor]]
    block: int = 0
    hash: bytes = NO_BLOCK
    last_position: int = 0
    anchors_met: int = 0
    rewritten: list[Finding] = field(default_factory=list)

    @classmethod
    async def before(
        cls, connection: psycopg.AsyncConnection[Any], block: int, anchors: Sequence[Anchor]
    ) -> "Chain":
        """The chain up to the block before `block`, which is believed. Raises LookupError."""
        by_block: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            by_block.setdefault(anchor.block, []).append(anchor)
        if block <= 1:
            return cls(by_block)
        known = await page_of_seals(connection, block - 1, 1)
        if not known or known[0].header.block != block - 1:
            raise LookupError(f"there is no block {block - 1} to go on from")
        (before,) = known
        chain = cls(by_block)
        chain.block, chain.hash = block - 1, before.hash
        chain.last_position = before.header.last_position
        chain.rewritten += chain._compare(before)
        return chain

    def follow(self, seal: Seal) -> Iterator[Finding]:
        """Take in the next block; what is wrong with it."""
        block = seal.header.block
        if block != self.block + 1:
            missing = f"{self.block + 1}" if block == self.block + 2 else f"{self.block + 1} to {block - 1}"
            detail = f"block {missing} is missing before block {block}"
            yield Finding("seal", detail, self.last_position, block=self.block + 1)
        elif seal.header.previous != self.hash:
            detail = f"block {block} does not follow block {self.block}: one of them was rewritten"
            yield Finding("seal", detail, seal.header.first_position, block=block)
        for fault in _faults(seal, self.last_position):
            detail = f"block {block} (positions {seal.header.first_position} to {seal.header.last_position})"
            yield Finding("seal", f"{detail}: {fault}", seal.header.first_position, block=block)
        yield from self._compare(seal)
        self.block, self.hash = block, seal.hash
        self.last_position = max(self.last_position, seal.header.last_position)

    def _compare(self, seal: Seal) -> Iterator[Finding]:
        """Compare a block with its anchors."""
        for anchor in self.anchors.pop(seal.header.block, ()):
            self.anchors_met += 1
            if not anchor.names(seal):
                yield _rewritten(anchor)

    def faults_at_the_end(self) -> Iterator[Finding]:
        """Anchors of blocks that were not met, or of the block before the first one that does not fit."""
        yield from self.rewritten
        for block, anchors in sorted(self.anchors.items()):
            for anchor in anchors:
                if block > self.block:
                    what = f"the chain ends with block {self.block}: seals were removed at its end"
                    yield Finding("anchor", f"block {block} was anchored, and {what}", anchor.position)
                else:
                    detail = f"the anchor of block {block} was not compared: it is before the first block"
                    yield Finding("anchor", detail, anchor.position, block=block, warning=True)


def _faults(seal: Seal, after: int) -> Iterator[str]:
    header, packed = seal.header, seal.entries
    if header.algorithm != ALGORITHM:
        yield f"its algorithm is {header.algorithm}, which this version does not know"
        return
    if len(packed) != header.records * ENTRY_BYTES or not packed:
        yield f"it has {len(packed) / ENTRY_BYTES:g} entries, not {header.records}"
    elif merkle_root(leaves_of(packed)) != header.root:
        yield "its entries were changed"
    if header.first_position <= after:
        yield f"it begins at or before position {after}, where the block before it ends"
    try:
        right = header.hash() == seal.hash
    except OverflowError:
        right = False
    if not right:
        yield "its hash is not that of its contents"


def _rewritten(anchor: Anchor) -> Finding:
    detail = (
        f"block {anchor.block} is not the one that was anchored: what is recorded up to position "
        f"{anchor.position}, or its seals, were rewritten since"
    )
    return Finding("anchor", detail, anchor.position, block=anchor.block)
