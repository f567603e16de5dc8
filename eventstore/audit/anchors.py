"""Anchors: what was noted of a seal, and kept where nobody who can write to the database can."""

from dataclasses import dataclass
from typing import Any, Final

from eventstore.audit.seals import Seal

FORMAT: Final = "saga-anchor-1"


class InvalidAnchor(ValueError):
    """It is no anchor of this program."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The number, end and hash of a block, as they were."""

    block: int
    position: int
    hash: bytes

    @classmethod
    def of(cls, document: Any) -> "Anchor":
        """Raises InvalidAnchor."""
        try:
            if document["format"] != FORMAT:
                raise InvalidAnchor(f"its format is {document['format']!r}, not {FORMAT!r}")
            return cls(int(document["block"]), int(document["position"]), bytes.fromhex(document["hash"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidAnchor(f"no anchor: {type(error).__name__} {error}") from error

    def names(self, seal: Seal) -> bool:
        """Whether the block is the one that was noted; its hash is computed, not believed."""
        header = seal.header
        return (self.block, self.position, self.hash) == (header.block, header.last_position, header.hash())


def anchor_document(seal: Seal) -> dict[str, Any]:
    """What to keep elsewhere of a seal: it fixes all that is recorded up to its position."""
    return {
        "format": FORMAT,
        "block": seal.header.block,
        "position": seal.header.last_position,
        "hash": seal.hash.hex(),
        "sealed_at": seal.header.sealed_at.isoformat(),
    }
