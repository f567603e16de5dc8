"""Archives: copies of streams in files of their own, which show by themselves that they are what was sealed.

Lines of JSON, compressed by gzip:

    header      format, and which part of the log it is of
    events      stream by stream, as they are stored: `data` and `metadata` are the stored text
    seals       the blocks from the first event on; those of its events with their entries
    manifest    counts, the newest block as an anchor, sha256 of all lines before

An event is proved by its block, a block by those that follow it, the last one by an anchor kept elsewhere.
"""

import base64
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import orjson

from eventstore.audit import hashes
from eventstore.audit.anchors import FORMAT as ANCHOR_FORMAT
from eventstore.audit.anchors import Anchor
from eventstore.audit.hashes import Entry, Header, entries_of, leaves_of, merkle_root
from eventstore.audit.headers import header_document, header_of
from eventstore.audit.records import EventRow
from eventstore.audit.seals import Seal

FORMAT: Final = "saga-archive-1"
_MANIFEST: Final = b'{"manifest":'

Json = dict[str, Any]


class InvalidArchive(ValueError):
    """The file is no archive of this program, is not whole, or is not what was sealed."""


@dataclass
class ArchiveWriter:
    """Writes an archive, line by line. What is written is one only after `finish`."""

    file: IO[bytes]
    header: Json
    streams: int = 0
    positions: list[int] = field(default_factory=list)
    _anchor: Json | None = None
    _sha256: Any = field(default_factory=sha256)

    def __post_init__(self) -> None:
        self._lines = gzip.GzipFile("", "wb", 6, self.file, mtime=0)
        self._write({"format": FORMAT, **self.header})

    def event(self, row: EventRow) -> None:
        self.positions.append(row.position)
        self.streams += int.from_bytes(row.fields[2]) == 1
        self._write(event_document(row))

    def seal(self, seal: Seal, *, with_entries: bool) -> None:
        """A block; those that have events of the archive need their entries."""
        document: Json = {"seal": header_document(seal.header)}
        if with_entries:
            document["entries"] = base64.b64encode(seal.entries).decode()
        self._write(document)
        header = seal.header
        self._anchor = {
            "format": ANCHOR_FORMAT,
            "block": header.block,
            "position": header.last_position,
            "hash": header.hash().hex(),
            "sealed_at": header.sealed_at.isoformat(),
        }

    def finish(self) -> Json:
        """The manifest, which is the last line."""
        manifest = {
            **self.header,
            "streams": self.streams,
            "events": len(self.positions),
            "first_position": min(self.positions),
            "last_position": max(self.positions),
            "anchor": self._anchor,
            "sha256": self._sha256.hexdigest(),
        }
        self._write({"manifest": manifest})
        self._lines.close()
        return manifest

    def _write(self, document: Json) -> None:
        line = orjson.dumps(document) + b"\n"
        self._sha256.update(line)
        self._lines.write(line)


def events_of(file: Path) -> Iterator[Json]:
    """The events of an archive, as they are stored. Raises InvalidArchive, OSError."""
    for line in _lines(file):
        document = _parsed(line)
        if "position" in document:
            yield document
        elif "seal" in document:
            return


@dataclass
class Verification:
    """Reads an archive and checks it: against its manifest, its seals, and anchors.

    In memory are the digests of its events and one block.
    """

    anchors: Mapping[int, Sequence[Anchor]] = field(default_factory=dict)
    anchors_met: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    manifest: Json | None = None
    _unproved: dict[int, bytes] = field(default_factory=dict)
    _last: tuple[str, int] = ("", 0)
    _before: Header | None = None

    def read(self, file: Path) -> Json:
        """The manifest. Raises InvalidArchive, OSError."""
        digest, first = sha256(), True
        for line in _lines(file):
            if self.manifest is not None:
                raise InvalidArchive("something follows the manifest")
            document = _parsed(line)
            if first and document.get("format") != FORMAT:
                raise InvalidArchive(f"its format is {document.get('format')!r}, not {FORMAT!r}")
            first = False
            try:
                if line.startswith(_MANIFEST):
                    self._end(document["manifest"], digest.hexdigest())
                elif "seal" in document:
                    self._seal(document)
                elif "position" in document:
                    self._event(document)
            except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
                if isinstance(error, InvalidArchive):
                    raise
                raise InvalidArchive(f"{type(error).__name__}: {error}") from error
            digest.update(line)
        if self.manifest is None:
            raise InvalidArchive("it has no manifest: it was not written to its end")
        return self.manifest

    def _event(self, document: Json) -> None:
        row = row_of(document)
        stream, version = document["stream"], document["version"]
        follows = version == (self._last[1] + 1 if stream == self._last[0] else 1)
        if not follows or row.position in self.entries:
            raise InvalidArchive(f"{stream}@{version} is not what follows {self._last[0]}@{self._last[1]}")
        self._last = stream, version
        self.entries[row.position] = row.entry()
        self._unproved[row.position] = row.entry().digest

    def _seal(self, document: Json) -> None:
        header = header_of(document["seal"])
        if header.algorithm != hashes.ALGORITHM:
            raise InvalidArchive(f"block {header.block} has algorithm {header.algorithm}, which is not known")
        before = self._before
        if before and (header.block, header.previous) != (before.block + 1, before.hash()):
            raise InvalidArchive(f"block {header.block} does not follow block {before.block}")
        self._before = header
        for anchor in self.anchors.get(header.block, ()):
            if (anchor.position, anchor.hash) != (header.last_position, header.hash()):
                raise InvalidArchive(f"block {header.block} is not the one that was anchored")
            self.anchors_met += 1
        if "entries" in document:
            packed = base64.b64decode(document["entries"], validate=True)
            if not packed or merkle_root(leaves_of(packed)) != header.root:
                raise InvalidArchive(f"the entries of block {header.block} are not those that were sealed")
            for entry in entries_of(packed):
                if entry.kind == b"e" and self._unproved.get(entry.position) == entry.digest:
                    del self._unproved[entry.position]

    def _end(self, manifest: Json, digest: str) -> None:
        if self._unproved:
            position = min(self._unproved)
            raise InvalidArchive(f"the event at position {position} is not what was sealed")
        if manifest["sha256"] != digest:
            raise InvalidArchive("its lines are not those of its manifest")
        last = self._before
        if last is None or Anchor.of(manifest["anchor"]).hash != last.hash():
            raise InvalidArchive("its manifest names another block than its last one")
        if manifest["events"] != len(self.entries):
            raise InvalidArchive(f"it has {len(self.entries)} events, not {manifest['events']}")
        self.manifest = manifest


def event_document(row: EventRow) -> Json:
    """A line of an event: the stored texts are kept as texts, for a digest is over their bytes."""
    fields = row.fields
    return {
        "position": row.position,
        "commit_position": row.commit_position,
        "stream": fields[6].decode(),
        "version": int.from_bytes(fields[2]),
        "event_id": str(row.event_id),
        "type": row.type,
        "schema_version": int.from_bytes(fields[3]),
        "recorded_at": hashes.time_of(fields[5]).isoformat().replace("+00:00", "Z"),
        "data": fields[8].decode(),
        "metadata": fields[9].decode(),
    }


def row_of(document: Json) -> EventRow:
    """The stored row that a line was made from. Raises KeyError, TypeError, ValueError, OverflowError."""
    recorded_at = hashes.microseconds(datetime.fromisoformat(document["recorded_at"]))
    return EventRow(
        [
            document["position"].to_bytes(8),
            document["commit_position"].to_bytes(8),
            document["version"].to_bytes(4),
            document["schema_version"].to_bytes(2),
            UUID(document["event_id"]).bytes,
            recorded_at.to_bytes(8, signed=True),
            *(document[name].encode() for name in ("stream", "type", "data", "metadata")),
        ]
    )


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with gzip.open(file, "rb") as lines:
            yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidArchive(f"it cannot be unpacked: {error}") from error


def _parsed(line: bytes) -> Json:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidArchive(f"a line is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidArchive("a line is no JSON object")
    return document
